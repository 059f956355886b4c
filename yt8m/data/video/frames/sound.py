"""The sound of a video, placed where its pictures are. Needs no TensorFlow.

The moment of the first picture is that of the first sample. What is heard earlier is left out, and
silence stands wherever there is no sound: before it begins, in its holes, and behind its end.

Sound follows sound without a seam as long as the file's times agree to a tenth of a second, the
limit of FFmpeg's own filter (`min_hard_comp` of `aresample`): containers round times, to
milliseconds and worse, and every correction is a click. What is further away is placed anew. A time
that is missing, that goes backwards, or that jumps ahead in a stream of joined recordings says
nothing of sound: it follows what was before, as pictures do, see `clocks.Clock`.
"""

from __future__ import annotations

import av
import numpy as np

from yt8m.data.video.frames import clocks, containers, decoding
from yt8m.data.video.frames.containers import VideoError

_LARGEST_DIFFERENCE = 0.1


def check(path: str) -> None:
    """Fails where there is no sound for `read`, without decoding it.

    Raises:
        VideoError: the file cannot be opened, has no sound, or none that can be decoded.
    """
    with containers.opened(path) as container:
        containers.sound_stream(container, path)


def read(path: str, seconds: float, rate: int = 16000, start: float = 0.0) -> np.ndarray:
    """The sound of a video from its first picture on, the mean of its channels.

    Args:
        path: the file. The first of its sounds that can be decoded is taken.
        seconds: how much of it. Sound behind that is not decoded.
        rate: samples a second.
        start: seconds from the first picture, of which the sound is left out.

    Returns:
        (samples,) float32 from -1 to 1, as many as `seconds` are.

    Raises:
        VideoError: the file or its sound cannot be decoded, or has no sound in these seconds.
        ValueError: `seconds` is not positive.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive. Received: seconds={seconds}.")
    first = decoding.first_time(path)
    with containers.opened(path) as container:
        stream = containers.sound_stream(container, path)
        longest = clocks.longest_gap(container)
        track = _Track(round(seconds * rate), rate, first, longest, round(start * rate))
        for frame in containers.decode(container, stream, skip_errors_at_start=True):
            track.add(frame)
            if track.end >= start + seconds:
                break
    return np.clip(track.finish(), -1.0, 1.0)


class _Track:
    """Samples, into which decoded sound is put at its place.

    Args:
        num_samples: how many.
        rate: of them, a second.
        first: when the first picture is shown by the file's own clock; None if that is unknown.
        longest: seconds that the clock may go forward at once.
        skipped: samples from the first picture that are left out.

    Attributes:
        end: seconds from the first picture to the end of the sound so far.
    """

    def __init__(
        self, num_samples: int, rate: int, first: float | None, longest: float, skipped: int = 0
    ):
        self.end = 0.0
        self._samples = np.zeros(num_samples, np.float32)
        self._rate = rate
        self._first = first
        self._longest = longest
        self._skipped = skipped
        self._before: float | None = None
        self._shift = 0.0
        self._kind: tuple | None = None
        self._resampler: av.AudioResampler | None = None
        self._cursor = 0
        self._num_put = 0

    def add(self, frame: av.AudioFrame) -> None:
        """Puts a frame at its place.

        Raises:
            VideoError: it cannot be converted.
        """
        ticks = frame.pts
        place = self._place(None if ticks is None else float(ticks * frame.time_base))
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or kind != self._kind or place != self.end:
            self._put(None)
            self._resampler = av.AudioResampler("fltp", frame.layout, self._rate)
            self._kind = kind
            self._cursor = round(place * self._rate) - self._skipped
        self.end = place + frame.samples / frame.sample_rate
        self._put(frame)

    def finish(self) -> np.ndarray:
        """All samples, once all frames were added.

        Raises:
            VideoError: none of the frames is among them.
        """
        self._put(None)
        if self._resampler is None:
            raise VideoError("has no sound that can be decoded")
        if not self._num_put:
            raise VideoError("has no sound while its pictures are shown")
        return self._samples

    def _place(self, now: float | None) -> float:
        """Seconds from the first picture to a frame whose time is `now` by the file's clock."""
        if now is None:
            return self.end
        if self._before is None:
            known = self._first is not None and abs(now - self._first) <= self._longest
            self._shift = -self._first if known else self.end - now
        jumps = self._before is not None and not 0 < now - self._before <= self._longest
        self._before = now
        place = now + self._shift
        if self._resampler is None:
            return place
        agrees = abs(place - self.end) <= _LARGEST_DIFFERENCE
        if jumps and not agrees:
            self._shift = self.end - now
        return self.end if jumps or agrees else place

    def _put(self, frame: av.AudioFrame | None) -> None:
        """Puts what the resampler gives for a frame, or, for None, what it still holds."""
        if self._resampler is None:
            return
        with containers.explained("its sound cannot be converted"):
            parts = [p.to_ndarray().mean(axis=0) for p in self._resampler.resample(frame)]
        for part in parts:
            start = self._cursor
            self._cursor += len(part)
            inside = part[max(0, -start) :][: max(0, len(self._samples) - max(0, start))]
            self._samples[max(0, start) :][: len(inside)] = inside
            self._num_put += len(inside)
