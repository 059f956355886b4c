"""Video files to frames, with PyAV. Needs no TensorFlow.

A file is decoded from its beginning, and frames are counted as they come out of the decoder: the
number of frames that a container names, and seeking, are wrong on some files.

What counts as a frame: whatever the decoder puts out, in the order of presentation. Damage that it
conceals, a smeared block for instance, stays unseen. An error after the first frame, and a file
that ends before its own index does, make the file a bad one. MPEG-TS and MPEG-PS have no index,
and are recorded and cut anywhere: there what can be decoded counts.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from yt8m.data.video.frames import clocks, containers
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.frames.timeline import ROUNDED_END, Timeline
from yt8m.data.video.spans import Span, seconds_text

_T = TypeVar("_T")
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


def probe(path: str) -> Probe:
    """Decodes a whole file to see what it holds.

    Raises:
        VideoError: it cannot be decoded to its end, or holds no frame.
    """
    return probe_and_view(path, lambda frames: None, (1, 1))[0]


def probe_times(
    path: str, passed: Callable[[int], None] = lambda count: None, every: int = 100
) -> tuple[Probe, Timeline]:
    """Does what `probe` does, and tells when each frame is shown.

    Args:
        path: the file.
        passed: called with `every` after every so many frames, to show progress.
        every: see there.

    Raises:
        VideoError: as `probe`.
    """
    frames = _Frames(path)
    times: list[float] = []
    for _ in frames.timed(times):
        if len(times) % every == 0:
            passed(every)
    return frames.probe(), Timeline(np.array(times), frames.end)


def probe_and_view(
    path: str, view: Callable[[Iterator[np.ndarray]], _T], size: tuple[int, int]
) -> tuple[Probe, _T, Timeline]:
    """Does what `probe` does, and shows the frames to a function while they pass.

    Args:
        path: the file.
        view: takes an iterator over the frames, see `iterate`. Those that it does not ask for are
            decoded, but not converted.
        size: (height, width) of the frames that it sees.

    Returns:
        The probe, what the function returned, and when the frames are shown.

    Raises:
        VideoError: as `probe`.
    """
    frames = _Frames(path)
    times: list[float] = []
    decoded = frames.timed(times)
    seen = view(frames.convert(frame, size) for frame in decoded)
    for _ in decoded:
        pass
    return frames.probe(), seen, Timeline(np.array(times), frames.end)


def iterate(
    path: str, size: tuple[int, int] | None = None, frames_per_second: float = 0.0
) -> Iterator[np.ndarray]:
    """Every frame of a file, in order.

    Args:
        path: the file.
        size: (height, width) to resize to, bilinear over the area that becomes a pixel. By default
            the size of the first frame, also where it changes within the file.
        frames_per_second: the rate at which frames are seen, see `frames_at`; 0 gives those of the
            file.

    Yields:
        (height, width, 3) uint8 RGB, turned as the file says. Pixels are taken as square.

    Raises:
        VideoError: the file cannot be decoded to its end, or holds no frame.
    """
    frames = _Frames(path)
    for frame in _shown(frames, frames_per_second):
        yield frames.convert(frame, size)


def some_frames(
    path: str,
    wanted: np.ndarray,
    size: tuple[int, int] | None = None,
    frames_per_second: float = 0.0,
) -> Iterator[tuple[int, np.ndarray]]:
    """Some frames of a file, as they come. It is decoded up to the last of them.

    Args:
        path: the file.
        wanted: numbers of frames, from 0, ascending, each once; at least one.
        size: as of `iterate`.
        frames_per_second: as of `read_frames`.

    Yields:
        The number of a frame, and (height, width, 3) uint8 RGB.

    Raises:
        VideoError: the file cannot be decoded that far, or ends before.
    """
    frames = _Frames(path)
    place = 0
    for number, frame in enumerate(_shown(frames, frames_per_second)):
        if number == wanted[place]:
            yield number, frames.convert(frame, size)
            place += 1
            if place == len(wanted):
                return
    raise VideoError(f"ends before frame {wanted[-1]}: it holds {frames.count}")


def read_frames(
    path: str,
    indices: Iterable[int],
    size: tuple[int, int] | None = None,
    frames_per_second: float = 0.0,
) -> np.ndarray:
    """Some frames of a file. It is decoded up to the last of them.

    Args:
        path: the file.
        indices: numbers of frames, from 0, in any order; one may come several times.
        size: as of `iterate`.
        frames_per_second: the rate at which frames are counted, see `frames_at`; 0 counts those
            of the file.

    Returns:
        (indices, height, width, 3) uint8 RGB.

    Raises:
        VideoError: the file cannot be decoded that far, or ends before.
        ValueError: there are no indices, or one is negative.
    """
    places: dict[int, list[int]] = {}
    for place, index in enumerate(indices):
        places.setdefault(int(index), []).append(place)
    if not places or min(places) < 0:
        raise ValueError(
            f"indices must be one or more numbers from 0 on. Received: indices={list(places)}."
        )
    last = max(places)
    images: list[Any] = [None] * sum(map(len, places.values()))
    frames = _Frames(path)
    image, converted = None, None
    for number, frame in enumerate(_shown(frames, frames_per_second)):
        if number in places:
            if frame is not converted:
                image, converted = frames.convert(frame, size), frame
            for place in places[number]:
                images[place] = image
        if number == last:
            return np.stack(images)
    at = f" at {frames_per_second:g} a second" if frames_per_second else ""
    raise VideoError(f"ends before frame {last}{at}: it holds {frames.count}")


def frames_at(
    path: str, every: float, size: tuple[int, int] | None = None, span: Span | None = None
) -> Iterator[np.ndarray]:
    """The frames that are on screen at 0, `every`, 2 * `every`, ... seconds.

    Time begins with the first frame, and ends when the last one has been shown for as long as the
    file says, see `clocks.Clock`: three slides of five seconds each are fifteen frames at one a
    second. There are as many moments as begin before that end. FFmpeg's filter `fps` rounds the
    length instead: of 2.04 seconds it makes two frames where here are three, at 0, 1 and 2.

    Args:
        path: the file.
        every: seconds from one to the next.
        size: as of `iterate`.
        span: the part of the file to look at; moments are counted from its beginning. What is
            behind it is not decoded.

    Yields:
        (height, width, 3) uint8 RGB, as `iterate`.

    Raises:
        VideoError: as `iterate`, or the span begins behind the end of the file.
        ValueError: `every` is not positive.
    """
    if not every > 0:
        raise ValueError(f"every must be a positive number of seconds. Received: every={every}.")
    first, stop = span.key if span else (0.0, math.inf)
    frames = _Frames(path)
    found = False
    for frame in _shown(frames, 1 / every, first, stop):
        found = True
        yield frames.convert(frame, size)
    if not found:
        raise VideoError(
            f"has ended before second {seconds_text(first)}: it lasts {frames.end:.2f} seconds"
        )


def _shown(
    frames: _Frames, frames_per_second: float, first: float = 0.0, stop: float = math.inf
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


def timed_frames(path: str) -> Iterator[tuple[float, np.ndarray]]:
    """Every frame of a file with its time: seconds from the first frame, and as `iterate`.

    Raises:
        VideoError: as `iterate`.
    """
    frames = _Frames(path)
    for frame in frames:
        yield frames.seconds, frames.convert(frame, None)


def first_time(path: str) -> float | None:
    """When the first picture is shown by the file's own clock; None where it does not say.

    Raises:
        VideoError: there is no picture.
    """
    with containers.opened(path) as container:
        stream = containers.video_stream(container, path)
        joined = containers.is_joined_anywhere(container)
        for frame in containers.decode(container, stream, skip_errors_at_start=joined):
            return clocks.time_of(container, frame)
    raise VideoError("holds no frame")


def _is_shown(moment: float, last: float, end: float, stop: float = math.inf) -> bool:
    """Whether the last frame, or one before it, is on screen at a moment before `stop`."""
    return moment < stop - 1e-6 and (moment <= last + 1e-6 or moment < end - ROUNDED_END)


class _Frames:
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
