"""Video files to frames, with PyAV. Needs no TensorFlow.

A file is decoded from its beginning, and frames are counted as they come out of the decoder: the
number of frames that a container names, and seeking, are wrong on some files.

What counts as a frame: whatever the decoder puts out, in the order of presentation. Damage that it
conceals, a smeared block for instance, stays unseen. An error after the first frame, and a file
that ends before its own index does, make the file a bad one. MPEG-TS and MPEG-PS have no index,
and are recorded and cut anywhere: there what can be decoded counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from yt8m.data.video.frames import clocks, containers
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.frames.decoded_frames import Frames, Probe, shown
from yt8m.data.video.frames.timeline import Timeline
from yt8m.data.video.spans import Span, seconds_text

_T = TypeVar("_T")


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
    frames = Frames(path)
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
    frames = Frames(path)
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
    frames = Frames(path)
    for frame in shown(frames, frames_per_second):
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
    frames = Frames(path)
    place = 0
    for number, frame in enumerate(shown(frames, frames_per_second)):
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
    frames = Frames(path)
    image, converted = None, None
    for number, frame in enumerate(shown(frames, frames_per_second)):
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
    frames = Frames(path)
    found = False
    for frame in shown(frames, 1 / every, first, stop):
        found = True
        yield frames.convert(frame, size)
    if not found:
        raise VideoError(
            f"has ended before second {seconds_text(first)}: it lasts {frames.end:.2f} seconds"
        )


def timed_frames(path: str) -> Iterator[tuple[float, np.ndarray]]:
    """Every frame of a file with its time: seconds from the first frame, and as `iterate`.

    Raises:
        VideoError: as `iterate`.
    """
    frames = Frames(path)
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
