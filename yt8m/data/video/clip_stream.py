"""Clips of one file, made while it is decoded once: for long files, and for many clips of them.

Which frames every clip is made of is known beforehand. Those alone are kept, and as long as a clip
still needs them: memory grows with neither the length of a file nor the number of its clips. Needs
no TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from yt8m.data.video import clips as clips_lib
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.clips import About, Recipe
from yt8m.data.video.frames import decoding
from yt8m.data.video.frames import shots as shots_lib
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.frames.flow import FrameFlow
from yt8m.data.video.frames.timeline import Timeline
from yt8m.data.video.spans import Span


@dataclasses.dataclass(frozen=True)
class Part:
    """Frames of a file that follow each other.

    Attributes:
        first: the number of the first.
        about: what they are, counted from that one.
    """

    first: int
    about: About


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A clip to be made.

    Attributes:
        part: what it is cut out of.
        number, num_clips: which clip of the part, see `clips.evaluation_clips`.
    """

    part: Part
    number: int = 0
    num_clips: int = 1


@dataclasses.dataclass(frozen=True)
class Film:
    """A file that was looked at once.

    Attributes:
        path: of the file.
        about: what is known of all its frames.
        timeline: when each is shown.
        cut: how clips are cut, which also says how frames are counted.
    """

    path: str
    about: About
    timeline: Timeline
    cut: Clips

    @classmethod
    def look(
        cls, path: str, clips: Clips, passed: Callable[[int], None] = lambda count: None
    ) -> Film:
        """Decodes a file to its end.

        Args:
            path: of the file.
            clips: how clips will be cut.
            passed: see `decoding.probe_times`.

        Raises:
            VideoError: it cannot be decoded to its end, or holds no frame.
        """
        probe, timeline = decoding.probe_times(path, passed)
        anchors = probe.keyframes if clips.sampling == "keyframes" else (0,)
        if clips.sampling == "shots":
            anchors = decoding.probe_and_view(path, shots_lib.boundaries, shots_lib.SIZE)[1]
        if clips.frames_per_second:
            timeline = probe.at(clips.frames_per_second)
        about = About(len(timeline.starts), probe.height, probe.width, anchors)
        return cls(path, about, timeline, clips)

    def part(self, first: int, stop: int) -> Part:
        """The frames from one to the one before another."""
        # A shot that began before goes on.
        return Part(first, self.about.of_part(first, stop, self.cut.sampling == "shots"))

    def frames(self, span: Span) -> tuple[int, int]:
        """The frames that are on screen in a span: the first, and the one behind the last.

        Raises:
            VideoError: the file ends before the span.
        """
        first, stop = self.timeline.frames(span)
        if first == stop:
            raise VideoError(
                f"has ended before second {span.first:g}: it lasts {self.timeline.end:.2f} seconds"
            )
        return first, stop

    def clips(
        self, recipe: Recipe, wanted: Sequence[Wanted], num_crops: int = 1
    ) -> Iterator[dict[str, np.ndarray]]:
        """Makes clips.

        Args:
            recipe: how.
            wanted: which, at least one. Memory is least where their beginnings ascend.
            num_crops: views of each, see `views.evaluation_views`.

        Yields:
            The views of each clip, in order, as `clips.evaluation_clips`.

        Raises:
            VideoError: the file cannot be decoded any more.
        """
        needed = [_needed(clip, recipe) for clip in wanted]
        # The frames that the clips from one on still need begin here.
        starts = np.minimum.accumulate([frames[0] for frames in needed][::-1])[::-1]
        about = wanted[0].part.about
        size = recipe.clips.frame_size(about.height, about.width)
        kept: dict[int, np.ndarray] = {}
        made = 0
        every = np.unique(np.concatenate(needed))
        for number, image in decoding.some_frames(
            self.path, every, size, self.cut.frames_per_second
        ):
            kept[number] = image
            while made < len(wanted) and needed[made][-1] <= number:
                yield _views(wanted[made], kept, recipe, num_crops)
                made += 1
                first = starts[made] if made < len(wanted) else number + 1
                for old in [n for n in kept if n < first]:
                    del kept[old]


class _Kept:
    """Frames of a part of a file that were kept: a `clips.Frames`."""

    def __init__(self, kept: dict[int, np.ndarray], part: Part):
        self._kept = kept
        self._part = part

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The frames of these numbers, which were resized when they were decoded."""
        return np.stack([self._kept[self._part.first + int(index)] for index in indices])

    def flow_source(
        self, indices: np.ndarray, flow: Flow, size: tuple[int, int], cache_dir: str
    ) -> FrameFlow:
        """The displacement fields that these frames are shown with: none are kept."""
        num_frames = self._part.about.num_frames
        return FrameFlow(lambda wanted: self.read(wanted, size), num_frames, indices, flow)


def _needed(clip: Wanted, recipe: Recipe) -> np.ndarray:
    """The frames of the file that a clip is made of, ascending."""
    part = clip.part
    return part.first + clips_lib.needed_frames(part.about, recipe, clip.number, clip.num_clips)


def _views(
    clip: Wanted, kept: dict[int, np.ndarray], recipe: Recipe, num_crops: int
) -> dict[str, np.ndarray]:
    frames, numbers = _Kept(kept, clip.part), range(clip.number, clip.number + 1)
    return clips_lib.evaluation_clips(
        frames, clip.part.about, recipe, numbers, clip.num_clips, num_crops
    )
