"""A copy of a video with its classes written over it, as an MP4 that browsers play."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
from absl import logging
from PIL import Image, ImageDraw, ImageFont

from yt8m.base import files
from yt8m.base.progress import ProgressReport
from yt8m.data.video.frames import containers, decoding
from yt8m.data.video.frames.containers import VideoError
from yt8m.prediction import letters
from yt8m.prediction.captions import Caption

# Ticks a second of its pictures: a multiple of the usual rates, as MPEG has it.
_TICKS = 90_000
_SOUND_RATE = 48_000
# Of x264: good enough to look at, and quick.
_QUALITY = {"crf": "23", "preset": "veryfast"}


def write_annotated(path: str, video: str, shown: Sequence[Caption]) -> None:
    """Writes a copy of a video, its sound too, with captions over its pictures.

    A picture stays as long as it does in the video, whatever its rate, and is turned as the file
    says. Sound that cannot be decoded is left out, with a warning.

    Args:
        path: the file; it appears when it is whole.
        video: the path of the video.
        shown: what is written, and when.

    Raises:
        VideoError: the video cannot be decoded.
        UserError: the file cannot be written.
    """
    with files.atomic_path(path) as temporary:
        with av.open(temporary, "w", format="mp4", options={"movflags": "+faststart"}) as output:
            _encode(output, video, shown)


def _encode(output: av.container.OutputContainer, video: str, shown: Sequence[Caption]) -> None:
    pictures: av.VideoStream | None = None
    sound = _Sound.of(output, video)
    banner = _Banners(shown)
    before = -1
    with ProgressReport(f"Drawing {os.path.basename(video)}", unit="frames") as progress:
        for number, (seconds, image) in enumerate(decoding.timed_frames(video)):
            if pictures is None:
                pictures = _picture_stream(output, image.shape[:2])
                sound.begin()
            frame = av.VideoFrame.from_ndarray(_even(banner.over(image, seconds)), "rgb24")
            before = max(before + 1, round(seconds * _TICKS))
            frame.pts, frame.time_base = before, Fraction(1, _TICKS)
            output.mux(pictures.encode(frame))
            sound.advance(seconds)
            if number % 25 == 24:
                progress.advance(25)
        output.mux(pictures.encode(None))
        sound.finish()


def _picture_stream(output: av.container.OutputContainer, size: tuple[int, int]) -> av.VideoStream:
    height, width = (side + side % 2 for side in size)
    stream = output.add_stream("libx264", rate=30, options=_QUALITY)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
    return stream


def _even(image: np.ndarray) -> np.ndarray:
    """The image with its last row and column repeated where their number is odd: H.264 asks."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class _Sound:
    """Copies the sound of a video beside its pictures.

    Args:
        frames: what was decoded, with the second at which each is heard.
        output: where to.
    """

    def __init__(
        self,
        frames: Iterator[tuple[float, av.AudioFrame]],
        output: av.container.OutputContainer,
    ):
        self._frames = frames
        self._output = output
        self._stream: av.AudioStream | None = None
        self._next: tuple[float, av.AudioFrame] | None = None
        self._resampler = av.AudioResampler("fltp", "stereo", _SOUND_RATE, 1024)
        self._before = -1

    @classmethod
    def of(cls, output: av.container.OutputContainer, video: str) -> _Sound:
        """The sound of a file; of one without any there is none."""
        return cls(_heard(video), output)

    def begin(self) -> None:
        """Makes room for sound, where there is any. Streams are made before the first picture."""
        self._next = next(self._frames, None)
        if self._next is not None:
            self._stream = self._output.add_stream("aac", rate=_SOUND_RATE, layout="stereo")

    def advance(self, seconds: float) -> None:
        """Copies what is heard until a time."""
        while self._next is not None and self._next[0] <= seconds:
            start, frame = self._next
            frame.pts = round(start * frame.sample_rate)
            frame.time_base = Fraction(1, frame.sample_rate)
            self._write(frame)
            self._next = next(self._frames, None)

    def finish(self) -> None:
        """Copies the rest."""
        if self._stream is None:
            return
        self.advance(float("inf"))
        self._write(None)
        self._output.mux(self._stream.encode(None))

    def _write(self, frame: av.AudioFrame | None) -> None:
        for part in self._resampler.resample(frame):
            if part.pts is None or part.pts <= self._before:
                part.pts = self._before + 1
            self._before = part.pts + part.samples - 1
            self._output.mux(self._stream.encode(part))


def _heard(video: str) -> Iterator[tuple[float, av.AudioFrame]]:
    """The sound of a file, each part with its second from the first picture on."""
    try:
        first = decoding.first_time(video) or 0.0
        with containers.opened(video) as container:
            if not container.streams.audio:
                return
            stream = containers.sound_stream(container, video)
            kind = None
            for frame in containers.decode(container, stream, skip_errors_at_start=True):
                kind = kind or (frame.format.name, frame.layout.name, frame.sample_rate)
                if kind != (frame.format.name, frame.layout.name, frame.sample_rate):
                    raise VideoError("changes the kind of its sound")
                seconds = None if frame.pts is None else float(frame.pts * frame.time_base) - first
                if seconds is not None and seconds >= 0:
                    yield seconds, frame
    except VideoError as error:
        logging.warning("The sound of %s is copied in part, or not: it %s.", video, error)


class _Banners:
    """Writes captions over pictures.

    Args:
        shown: what is written, in order of time.
    """

    def __init__(self, shown: Sequence[Caption]):
        self._shown = shown
        self._place = 0

    def over(self, image: np.ndarray, seconds: float) -> np.ndarray:
        """(height, width, 3) uint8 with what is written at a time, which never goes back."""
        while self._place < len(self._shown) and self._shown[self._place].end <= seconds:
            self._place += 1
        if self._place == len(self._shown) or self._shown[self._place].start > seconds:
            return image
        banner = _banner(tuple(self._shown[self._place].lines), image.shape[1], image.shape[0])
        covered = image[: len(banner)].astype(np.uint16)
        opacity = banner[..., 3:].astype(np.uint16)
        mixed = (covered * (255 - opacity) + banner[..., :3] * opacity) // 255
        return np.concatenate([mixed.astype(np.uint8), image[len(banner) :]])


@functools.lru_cache(maxsize=1)
def _banner(lines: tuple[str, ...], width: int, height: int) -> np.ndarray:
    """(rows, width, 4) uint8: lines of white letters on a dark ground, to lay over a picture."""
    size = max(8, min(width, height) // 18)
    font = ImageFont.truetype(letters.FONT, size)
    margin, step = size // 2, round(size * 1.3)
    rows = min(height, 2 * margin + step * len(lines))
    picture = Image.new("RGBA", (width, rows), (0, 0, 0, 150))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        place = (margin, margin + number * step)
        draw.text(place, line, font=font, fill=(255, 255, 255, 255))
    return np.asarray(picture)
