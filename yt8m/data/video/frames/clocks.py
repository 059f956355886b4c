"""When the frames of a file are shown, also where its own clock is broken. Needs no TensorFlow."""

from __future__ import annotations

import av
import numpy as np

from yt8m.data.video.frames import containers

_LONGEST_GAP = 10.0
_AVI = "avi"


def longest_gap(container: av.container.InputContainer) -> float:
    """Seconds that the clock of a file may go forward at once; more is a jump to another clock."""
    return _LONGEST_GAP if containers.is_joined_anywhere(container) else np.inf


def time_of(container: av.container.InputContainer, frame: av.VideoFrame) -> float | None:
    """When a picture is shown by the file's own clock, in seconds; None where it does not say."""
    # AVI only knows when frames are decoded, which is in another order.
    ticks = frame.dts if container.format.name == _AVI else frame.pts
    return None if ticks is None else float(ticks * frame.time_base)


class Clock:
    """The time of pictures since the first one, and how long the last one is shown.

    A frame that has no time, or one that is not later than that of the frame before, follows that
    frame at the file's rate. So does one in a stream whose clock jumps ahead: two recordings that
    were joined.

    Args:
        container: the file.
        stream: its pictures.
        frame_seconds: from one frame to the next at the file's rate.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        frame_seconds: float,
    ):
        self._container = container
        self._frame_seconds = frame_seconds
        self._longest = longest_gap(container)
        self._stated = _stated_end(container, stream)
        self._first: float | None = None
        self._before: float | None = None
        self._seconds = 0.0
        self._step = 0.0
        self._own = 0.0

    def advance(self, frame: av.VideoFrame) -> float:
        """Seconds from the first frame to this one."""
        now = time_of(self._container, frame)
        if self._before is None:
            self._first = now
            self._before = now or 0.0
        else:
            if now is None:
                now = self._before + self._frame_seconds
            step = now - self._before
            self._step = step if 0 < step <= self._longest else self._frame_seconds
            self._seconds += self._step
            self._before = now
        self._own = self._own_seconds(frame)
        return self._seconds

    def end(self) -> float:
        """Seconds from the first frame to the end of the last.

        What the file says of the whole stream comes first: MP4 knows of a frame how long it is
        until the next is decoded, and frames are decoded in another order than shown. Then what
        the frame says; then how long the frame before was shown.
        """
        if self._stated is not None:
            stated = self._stated - (self._first or 0.0)
            if stated > self._seconds:
                return stated
        return self._seconds + (self._own or self._step or self._frame_seconds)

    def _own_seconds(self, frame: av.VideoFrame) -> float:
        """How long a frame says that it is shown; 0 where it does not say, or cannot be right.

        FFmpeg makes up a duration of one tick where the file has none.
        """
        tick = float(frame.time_base)
        seconds = (frame.duration or 0) * tick
        made_up = frame.duration == 1 and self._step > 2 * tick
        return 0.0 if made_up or not 0 < seconds <= self._longest else seconds


def _stated_end(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """When the file says that a stream ends, by its own clock; None where that is no measure.

    AVI states a number of frames, which is often wrong. Of formats that may be joined anywhere
    FFmpeg guesses it, and where it knows no beginning it gives the length of the whole file, which
    may be that of the sound.
    """
    if container.format.name == _AVI or containers.is_joined_anywhere(container):
        return None
    if stream.start_time is None or not stream.duration:
        return None
    return float((stream.start_time + stream.duration) * stream.time_base)
