"""The decoded frames of one file, in order, and what they tell of it. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from yt8m.data.video.frames import clocks, containers
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.frames.timeline import ROUNDED_END, Timeline

_USUAL_RATE = 25.0


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a video file holds.

    Attributes:
        num_frames: frames that can be decoded.
        height: of the first frame in pixels, turned as the file says.
        width: likewise.
        rate: frames a second, by their times.
        keyframes: the numbers of those that are decoded by themselves, from 0.
        last: seconds from the first frame to the last.
        end: seconds from the first frame to the end of the last.
    """

    num_frames: int
    height: int
    width: int
    rate: float
    keyframes: tuple[int, ...]
    last: float
    end: float

    def count(self, frames_per_second: float) -> int:
        """How many frames there are at a rate: those that `frames_at` gives; at 0, its own."""
        if not frames_per_second:
            return self.num_frames
        every = 1 / frames_per_second
        count = max(0, int(self.last * frames_per_second) - 1)
        while _is_shown(count * every, self.last, self.end):
            count += 1
        return count

    def at(self, frames_per_second: float) -> Timeline:
        """When the frames are shown that are counted at a positive rate, see `count`."""
        count = self.count(frames_per_second)
        return Timeline(np.arange(count) / frames_per_second, self.end)


class Frames:
    """The decoded frames of a file, to be iterated over once. Keeps account of those that passed.

    Args:
        path: the file.

    Attributes:
        count: frames that passed.
        seconds: from the first frame to the last that passed.
        end: from the first frame to the end of the last, once all passed.
    """

    def __init__(self, path: str):
        self.count = 0
        self.seconds = 0.0
        self.end = 0.0
        self._path = path
        self._size = (0, 0)
        self._rate = _USUAL_RATE
        self._keyframes: list[int] = []
        self._scaler = VideoReformatter()

    def __iter__(self) -> Iterator[av.VideoFrame]:
        with containers.opened(self._path) as container:
            stream = containers.video_stream(container, self._path)
            self._rate = float(stream.guessed_rate or _USUAL_RATE)
            clock = clocks.Clock(container, stream, 1 / self._rate)
            joined = containers.is_joined_anywhere(container)
            for frame in containers.decode(container, stream, skip_errors_at_start=joined):
                self.seconds = clock.advance(frame)
                if frame.key_frame:
                    self._keyframes.append(self.count)
                if not self.count:
                    self._size = _shown_size(frame)
                self.count += 1
                yield frame
            if not joined and containers.is_cut(self._path, stream):
                raise VideoError("is cut: it ends before its own index does")
            self.end = clock.end()
        if not self.count:
            raise VideoError("holds no frame")

    def timed(self, times: list[float]) -> Iterator[av.VideoFrame]:
        """The frames; the time of each is added to a list, in seconds from the first."""
        for frame in self:
            times.append(self.seconds)
            yield frame

    def probe(self) -> Probe:
        """What the file holds, once all its frames passed."""
        rate = (self.count - 1) / self.seconds if self.count > 1 else self._rate
        keyframes = tuple(self._keyframes)
        return Probe(self.count, *self._size, rate, keyframes, self.seconds, self.end)

    def convert(self, frame: av.VideoFrame, size: tuple[int, int] | None) -> np.ndarray:
        """A frame as (height, width, 3) uint8 RGB, turned, and resized to `size`."""
        height, width = size or self._size
        swap, mirror, upside_down = _turn(frame)
        if swap:
            height, width = width, height
        with containers.explained("a frame cannot be converted to RGB"):
            image = self._scaler.reformat(
                frame,
                width=width,
                height=height,
                format="rgb24",
                interpolation=Interpolation.BILINEAR,
                threads=1,
            ).to_ndarray()
        image = image.transpose(1, 0, 2) if swap else image
        image = image[:, ::-1] if mirror else image
        return np.array(image[::-1] if upside_down else image, order="C")


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """How a frame is to be shown: rows and columns swapped, then left-right and upside down.

    The display matrix takes a place (x, y) of the frame to (a x + c y, b x + d y); of angles other
    than quarters of a turn the nearest counts.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(data), "<i4")[:5].tolist()
    swap = abs(b) > abs(a)
    return (True, c < 0, b < 0) if swap else (False, a < 0, d < 0)


def _shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    swap = _turn(frame)[0]
    return (frame.width, frame.height) if swap else (frame.height, frame.width)


def shown(
    frames: Frames, frames_per_second: float, first: float = 0.0, stop: float = math.inf
) -> Iterator[av.VideoFrame]:
    """What is on screen at 0, 1, 2, ... parts of a second; at 0 of them, every frame once.

    Args:
        frames: of the file.
        frames_per_second: how many there are of each second.
        first: the second that is counted from.
        stop: the second to end at; what is behind it is not decoded.
    """
    if not frames_per_second:
        yield from frames
        return
    every = 1 / frames_per_second
    shown, count = None, 0
    for frame in frames:
        # A frame that begins at the very moment counts, whatever its time was rounded to.
        while shown is not None and first + count * every < min(frames.seconds, stop) - 1e-6:
            yield shown
            count += 1
        if first + count * every >= stop - 1e-6:
            return
        shown = frame
    while _is_shown(first + count * every, frames.seconds, frames.end, stop):
        yield shown
        count += 1


def _is_shown(moment: float, last: float, end: float, stop: float = math.inf) -> bool:
    """Whether the last frame, or one before it, is on screen at a moment before `stop`."""
    return moment < stop - 1e-6 and (moment <= last + 1e-6 or moment < end - ROUNDED_END)
