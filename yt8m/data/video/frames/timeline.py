"""Which frames of a file are on screen in a part of it, by the times of its frames. NumPy only."""

from __future__ import annotations

import dataclasses

import numpy as np

from yt8m.data.video.spans import Span

# Files that count in milliseconds round the times of frames, and that of the first one.
ROUNDED = 1e-3
# They round the first time, the last one and the length.
ROUNDED_END = 2e-3


@dataclasses.dataclass(frozen=True)
class Timeline:
    """When the frames of a file are shown.

    Attributes:
        starts: (frames,) seconds from the first frame to each, ascending.
        end: seconds from the first frame to the end of the last.
    """

    starts: np.ndarray
    end: float

    def frames(self, span: Span) -> tuple[int, int]:
        """The frames that are on screen in a span.

        That is from the frame which is shown at its beginning up to the last that begins before its
        end. A frame that begins a millisecond around one of the two begins at it. What is behind
        the end of the file is not there.

        Args:
            span: the span.

        Returns:
            The number of the first frame, and that behind the last; (0, 0) where the span begins
            behind the end of the file.
        """
        last = len(self.starts) - 1
        if span.first > self.starts[last] + ROUNDED and span.first >= self.end - ROUNDED_END:
            return 0, 0
        first = max(0, int(np.searchsorted(self.starts, span.first + ROUNDED, "right")) - 1)
        stop = last + 1
        if span.end is not None:
            stop = int(np.searchsorted(self.starts, span.end - ROUNDED, "left"))
        return first, max(stop, first + 1)
