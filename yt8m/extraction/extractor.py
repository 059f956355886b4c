"""One video to the features of its frames and its sound."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from yt8m.data.synthetic import quantize
from yt8m.data.video.frames import decoding, sound
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.spans import WHOLE, Span
from yt8m.extraction import log_mel
from yt8m.extraction.clip_network import Vectors
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.extraction.networks import Networks
from yt8m.extraction.whitening import Whitening

RGB = "rgb"
AUDIO = "audio"
# Rounding may move a value by half a step; within that of [-2, 2] nothing more is lost.
_MAX_VALUE = 2 + 4 / 512


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of a video.

    Attributes:
        frames: name -> (frames, size) uint8.
        seconds: (frames,) when each begins.
        end: when the last one ends.
        clipped: name -> how many values were outside [-2, 2].
        largest: name -> the largest magnitude.
    """

    frames: dict[str, np.ndarray]
    seconds: np.ndarray
    end: float
    clipped: dict[str, int]
    largest: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Extractor:
    """Makes features of videos, one after the other.

    Attributes:
        settings: how features are made.
        networks: what makes frames and sound vectors.
        whitening: what is done to the vectors of frames.
    """

    settings: FeatureSettings
    networks: Networks
    whitening: Whitening

    def features(
        self, path: str, span: Span = WHOLE, passed: Callable[[int], None] = lambda count: None
    ) -> Features:
        """The features of a video, or of a part of it.

        Frames are decoded as they are needed, a batch at a time.

        Sound is taken from the moment of each frame on, and silence where there is none. So a video
        has the same frames with its sound and without it, where YouTube-8M's own features end with
        the shorter of the two.

        Args:
            path: of the video.
            span: the part of it; seconds are counted from its beginning.
            passed: called with the number of frames that were made vectors since the last call, to
                show progress.

        Raises:
            VideoError: it cannot be decoded, ends before the part, or has no sound there although
                that is wanted.
        """
        if self.networks.audio is not None:
            sound.check(path)  # Before the frames, which take much longer.
        whitened, seconds = [], []
        for vectors in embed_frames(path, self.settings, self.networks, span):
            whitened.append(self.whitening(vectors.values))
            seconds.append(vectors.seconds)
            passed(len(vectors.values))
        values = {RGB: np.concatenate(whitened)}
        times = np.concatenate(seconds)
        if self.networks.audio is not None:
            count = len(values[RGB])
            values[AUDIO] = embed_sound(path, self.settings, self.networks, count, span.first)
        for name, vectors in values.items():
            if not np.isfinite(vectors).all():
                raise VideoError(f"gives features that are not finite numbers ({name})")
        return Features(
            {name: _QUANTIZE[name](vectors) for name, vectors in values.items()},
            times,
            times[-1] + _step(times, self.settings),
            {name: int(np.sum(np.abs(v) > _MAX_VALUE)) for name, v in values.items()},
            {name: float(np.abs(v).max()) for name, v in values.items()},
        )


def _step(times: np.ndarray, settings: FeatureSettings) -> float:
    """Seconds that the last vector stands for: as many as the one before."""
    return settings.every if len(times) < 2 else float(times[-1] - times[-2])


def embed_frames(
    path: str, settings: FeatureSettings, networks: Networks, span: Span = WHOLE
) -> Iterator[Vectors]:
    """The vectors of the frames of a video, in batches.

    Args:
        path: of the video.
        settings: how frames are taken.
        networks: what makes them vectors.
        span: the part of the video.

    Yields:
        Vectors, in order, with the second of each.

    Raises:
        VideoError: the video cannot be decoded, or ends before the part.
    """
    if networks.clips is not None:
        yield from networks.clips.vectors(path, settings.max_frames, span)
        return
    count = 0
    frames = _frames(path, settings, span)
    while batch := list(itertools.islice(frames, settings.batch_size)):
        numbers = count + np.arange(len(batch))
        count += len(batch)
        yield Vectors(networks.frames(np.stack(batch)), numbers * settings.every)


def _frames(path: str, settings: FeatureSettings, span: Span) -> Iterator[np.ndarray]:
    size = (settings.image_size, settings.image_size)
    frames = decoding.frames_at(path, settings.every, size, span)
    return itertools.islice(frames, settings.max_frames)


def embed_some_frames(
    path: str, settings: FeatureSettings, networks: Networks, count: int, span: Span = WHOLE
) -> np.ndarray:
    """The vectors of some frames, evenly spread over those that `embed_frames` would take.

    Args:
        path: of the video.
        settings: how frames are taken.
        networks: what makes them vectors.
        count: how many; up to twice as many, or fewer where there are not so many.
        span: the part of the video.

    Returns:
        (frames, size) float32.

    Raises:
        VideoError: the video cannot be decoded, or ends before the part.
    """
    if networks.clips is not None:
        parts = networks.clips.vectors(path, settings.max_frames, span, only=count)
        return np.concatenate([vectors.values for vectors in parts])
    kept, stride = [], 1
    for number, frame in enumerate(_frames(path, settings, span)):
        if number % stride == 0:
            kept.append(frame)
        if len(kept) == 2 * count:
            kept, stride = kept[::2], 2 * stride
    parts = range(0, len(kept), settings.batch_size)
    return np.concatenate(
        [networks.frames(np.stack(kept[i : i + settings.batch_size])) for i in parts]
    )


def embed_sound(
    path: str, settings: FeatureSettings, networks: Networks, count: int, start: float = 0.0
) -> np.ndarray:
    """The vectors of the sound of a video, one for the 0.96 seconds behind each frame.

    Args:
        path: of the video.
        settings: how frames are taken.
        networks: what makes sound vectors.
        count: how many frames were taken.
        start: the second of the first of them.

    Returns:
        (count, 128) float32.

    Raises:
        VideoError: the sound cannot be decoded, or there is none while the frames are shown.
    """
    # An example begins at a whole row of its spectrogram, which may be that behind its frame.
    seconds = (count - 1) * settings.every + log_mel.EXAMPLE_SECONDS + 1 / log_mel.ROWS_PER_SECOND
    samples = sound.read(path, seconds, log_mel.SAMPLE_RATE, start)
    examples = log_mel.examples(log_mel.spectrogram(samples), settings.every)[:count]
    parts = range(0, count, settings.batch_size)
    return np.concatenate([networks.audio(examples[i : i + settings.batch_size]) for i in parts])


def round_down(values: np.ndarray) -> np.ndarray:
    """Values in [-2, 2] to uint8, as VGGish's own program does: it cuts instead of rounding."""
    return ((np.clip(values, -2, 2) + 2) * (255 / 4)).astype(np.uint8)


_QUANTIZE = {RGB: quantize, AUDIO: round_down}
