"""What a run says of a video: scores of the whole, and of windows of time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from yt8m.base.errors import UserError
from yt8m.data.video.frames.timeline import ROUNDED_END


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a video.

    Attributes:
        start, end: seconds from the first frame.
    """

    start: float
    end: float

    @property
    def middle(self) -> float:
        """Seconds from the first frame to its middle."""
        return (self.start + self.end) / 2


@dataclasses.dataclass(frozen=True)
class Windows:
    """How a video is cut into windows that may overlap.

    Attributes:
        seconds: the length of each.
        hop: seconds from the start of one to the start of the next.

    Raises:
        UserError: one is not a positive number, or what lies between two windows would be left out.
    """

    seconds: float
    hop: float

    def __post_init__(self):
        if not (0 < self.hop <= self.seconds < math.inf):
            raise UserError(
                "--hop_seconds must be positive and no longer than a window. Received: "
                f"--window_seconds={self.seconds:g}, --hop_seconds={self.hop:g}."
            )

    def of(self, duration: float) -> list[Window]:
        """The windows of a video of `duration` seconds; the last ones are cut at its end.

        What a file adds to its length by rounding makes no window of its own: no frame is there.
        """
        behind = duration - ROUNDED_END - self.seconds
        count = max(0, math.ceil(behind / self.hop - 1e-6)) + 1
        starts = (number * self.hop for number in range(count))
        return [Window(start, min(start + self.seconds, duration)) for start in starts]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a run says of a video.

    Attributes:
        video: the path, as it was given.
        duration: of the video, in seconds.
        scores: (num_classes,) float32, of the whole.
        windows: parts of it, in order; none where nobody asked.
        window_scores: (windows, num_classes) float32.
    """

    video: str
    duration: float
    scores: np.ndarray
    windows: Sequence[Window] = ()
    window_scores: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))

    def cells(self) -> list[Window]:
        """For each window the time that it speaks for: where no other window's middle is nearer."""
        middles = [window.middle for window in self.windows]
        inner = [(a + b) / 2 for a, b in zip(middles[:-1], middles[1:], strict=True)]
        edges = [0.0, *inner, self.duration]
        return [Window(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


@dataclasses.dataclass(frozen=True)
class Named:
    """A class with its score.

    Attributes:
        number: the class id.
        name: what it is called; `class 17` where the run knows no names.
        score: its probability.
    """

    number: int
    name: str
    score: float


@dataclasses.dataclass(frozen=True)
class Naming:
    """Which classes of scores are told, and by which names.

    Attributes:
        names: of all classes; None where they are not known.
        top_k: classes to tell, at most all.
    """

    names: Sequence[str] | None
    top_k: int

    def best(self, scores: np.ndarray) -> list[Named]:
        """The classes of (num_classes,) scores to tell, best first; of equal ones the lower id."""
        order = np.argsort(-scores, kind="stable")[: self.top_k].tolist()
        return [Named(number, self.name(number), float(scores[number])) for number in order]

    def name(self, number: int) -> str:
        """What a class is called."""
        return f"class {number}" if self.names is None else self.names[number]
