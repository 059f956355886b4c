"""A run of raw video as a network of features: windows of frames to what one of its layers says."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator

import keras
import numpy as np

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data.video.clip_stream import Film, Wanted
from yt8m.data.video.clips import Recipe
from yt8m.data.video.spans import WHOLE, Span
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.modeling import layer_values
from yt8m.runs import RunConfig


@dataclasses.dataclass(frozen=True)
class Vectors:
    """The vectors of some windows of a video.

    Attributes:
        values: (windows, size) float32.
        seconds: (windows,) when each begins.
    """

    values: np.ndarray
    seconds: np.ndarray


class ClipNetwork:
    """Makes vectors of windows of frames.

    A window is as long as a clip of the run. Windows follow each other every `window_stride`
    frames; what is left at the end of a video and fills none is left out. A video that is shorter
    than one window is one, filled as the run's clips are.

    Args:
        settings: which run and layer.

    Attributes:
        config: of the run.
        size: values of a vector: channels of the layer, whose other axes are averaged.

    Raises:
        UserError: there is no such run or layer, or the run takes no raw video or no dense clips.
    """

    def __init__(self, settings: FeatureSettings):
        run = runs.load(settings.train_dir)
        self.config = run.config
        _check(run.config, settings.train_dir)
        try:
            model = layer_values.model_of(run.model, settings.layer)
        except ValueError as error:
            raise UserError(f"--layer={settings.layer}: {error}") from None
        self.size = model.output.shape[-1]
        self._model = _averaged(model)
        schema = run.config.schema
        self._recipe = Recipe(schema.inputs, schema.clips, schema.flow)
        self._stride = settings.window_stride or _length(run.config)
        self._batch_size = max(1, settings.batch_size // schema.clips.frames)

    def vectors(
        self, path: str, most: int, span: Span = WHOLE, only: int | None = None
    ) -> Iterator[Vectors]:
        """The vectors of a video, in batches.

        Args:
            path: of the video.
            most: windows after these are left out.
            span: the part of the video; seconds are counted from its beginning.
            only: takes about so many of them, evenly spread; None takes all.

        Raises:
            VideoError: the video cannot be decoded, or ends before the part.
        """
        film = Film.look(path, self._recipe.clips)
        begin, end = film.frames(span)
        length = _length(self.config)
        starts = range(begin, max(begin + 1, end - length + 1), self._stride)[:most]
        if only is not None:
            starts = starts[:: max(1, len(starts) // only)]
        wanted = [Wanted(film.part(start, min(start + length, end))) for start in starts]
        clips = film.clips(self._recipe, wanted)
        for place in range(0, len(wanted), self._batch_size):
            some = wanted[place : place + self._batch_size]
            views = [next(clips) for _ in some]
            batch = {name: np.concatenate([v[name] for v in views]) for name in views[0]}
            seconds = film.timeline.starts[[clip.part.first for clip in some]]
            seconds = seconds - film.timeline.starts[begin]
            inputs = {tensor.name: batch[tensor.name] for tensor in self._model.inputs}
            values = np.asarray(self._model.predict_on_batch(inputs), np.float32)
            # Inside a network of images a row is a frame: those of a clip follow each other.
            rows = values.reshape(len(some), -1, self.size)
            yield Vectors(rows.mean(axis=1), seconds)


def describe(settings: FeatureSettings, config: RunConfig) -> dict:
    """What decides the vectors besides the weights, as plain dictionaries."""
    schema = config.schema
    described = {
        "backbone": config.model,
        "image_size": list(schema.clips.crop_size),
        "layer": settings.layer,
        "window_stride": settings.window_stride or _length(config),
        "clips": schema.clips.to_json(),
        "flow": schema.flow.to_json() if schema.flow else None,
    }
    return json.loads(json.dumps(described))  # As it is read back: of lists, not of tuples.


def model_path(settings: FeatureSettings) -> str:
    """The file of the run's weights."""
    return os.path.join(settings.train_dir, runs.MODEL)


def _length(config: RunConfig) -> int:
    """Frames from the first of a clip to the one behind its last."""
    clips = config.schema.clips
    return (clips.frames - 1) * clips.stride + 1


def _check(config: RunConfig, train_dir: str) -> None:
    if not config.takes_clips:
        raise UserError(
            f"The run {train_dir} takes shards: {config.schema}. Name one of raw video, or a "
            "network of images with --backbone."
        )
    if config.schema.clips.sampling != "dense":
        raise UserError(
            f"The run {train_dir} takes frames from a whole video "
            f"(sampling={config.schema.clips.sampling!r}), which has no windows. Name a run of "
            "dense clips."
        )


def _averaged(model: keras.Model) -> keras.Model:
    """The model with all axes but the first and the last averaged."""
    axes = tuple(range(1, len(model.output.shape) - 1))
    return keras.Model(model.input, keras.ops.mean(model.output, axes)) if axes else model
