"""The scores of videos by a run that takes features, which are made of each video first."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import keras
import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.data.synthetic import dequantize
from yt8m.evaluation import predicting
from yt8m.extraction.extractor import Extractor
from yt8m.inputs.shards import few_shapes
from yt8m.prediction.answers import Answer, Window, Windows

_OF_VIDEOS = "mean_"
# Of a timeline all frames are taken: a year at one a second.
_NO_LIMIT = 31_536_000


class FeaturePredictor:
    """Scores videos by a model of features.

    Args:
        model: from stored features to probabilities.
        schema: what it takes.
        extractor: makes features of videos.
        sizes: of these features, by name.
        max_frames: frames after these are cut, as in the training; None keeps all.
        batch_size: windows a batch.
        windows: how videos are cut into windows; None looks at their first frames, as `yt8m
            extract_features` and `yt8m inference` do. The scores of a video are then the means over
            its windows.

    Raises:
        UserError: the features are not those that the model takes.
    """

    def __init__(
        self,
        model: keras.Model,
        schema: Schema,
        extractor: Extractor,
        sizes: dict[str, int],
        max_frames: int | None = None,
        batch_size: int = 64,
        windows: Windows | None = None,
    ):
        if schema.video_features:
            raise UserError(
                f"The run takes {schema}, and nothing makes such a vector of a video file. Put it "
                "into records beside the frames, and use `yt8m inference`."
            )
        self._predict = predicting.predictor(model)
        self._schema = schema
        self._sources = {feature: _source(feature, schema, sizes) for feature in schema.features}
        self._max_frames = max_frames
        self._batch_size = batch_size
        self._windows = windows
        settings = extractor.settings
        if windows:
            settings = dataclasses.replace(settings, max_frames=_NO_LIMIT)
        self._extractor = dataclasses.replace(extractor, settings=settings)

    def answer(self, path: str) -> Answer:
        """The scores of a video.

        Raises:
            VideoError: it cannot be decoded, or has no sound although the model takes it.
        """
        name = os.path.basename(path)
        with ProgressReport(f"Extracting {name}", unit="frames") as progress:
            made = self._extractor.features(path, passed=progress.advance)
        frames, seconds = made.frames, made.seconds
        windows = self._windows.of(made.end) if self._windows else []
        parts = [_part(window, seconds) for window in windows] or [slice(0, len(seconds))]
        scores: list[np.ndarray] = []
        with ProgressReport(f"Predicting {name}", len(parts), "windows") as progress:
            for start in range(0, len(parts), self._batch_size):
                batch = parts[start : start + self._batch_size]
                scores.append(self._predict(self._batch(frames, batch)))
                predicting.check_finite_of(path, scores[-1])
                progress.advance(len(batch))
        each = np.concatenate(scores).astype(np.float32)
        mean = each.mean(axis=0, dtype=np.float64).astype(np.float32)
        return Answer(path, made.end, mean, windows, each if windows else each[:0])

    def _batch(
        self, frames: dict[str, np.ndarray], parts: Sequence[slice]
    ) -> dict[str, np.ndarray]:
        """What the model is shown of parts of a video."""
        if self._schema.kind == VIDEO:
            return {
                feature.name: np.stack(
                    [dequantize(frames[name][part]).mean(axis=0) for part in parts]
                ).astype(np.float32)
                for feature, name in self._sources.items()
            }
        parts = [_cut(part, self._max_frames) for part in parts]
        lengths = np.array([part.stop - part.start for part in parts], np.int32)
        multiple = few_shapes().get("frame_multiple", 1)
        longest = -(-int(lengths.max()) // multiple) * multiple
        batch: dict[str, np.ndarray] = {"num_frames": lengths}
        for feature, name in self._sources.items():
            values = np.zeros((len(parts), longest, feature.size), feature.dtype)
            for row, part in zip(values, parts, strict=True):
                shown = frames[name][part]
                row[: len(shown)] = shown if feature.dtype == "uint8" else dequantize(shown)
            batch[feature.name] = values
        return batch


def _source(feature: Feature, schema: Schema, sizes: dict[str, int]) -> str:
    """Which of the features of a video one of the model is made of.

    Raises:
        UserError: there is none of its size.
    """
    name = feature.name if schema.kind == FRAME else feature.name.removeprefix(_OF_VIDEOS)
    if sizes.get(name) != feature.size:
        made = ", ".join(f"{n} of {size} values" for n, size in sizes.items())
        raise UserError(
            f"The run takes {schema}, but what is made of videos is {made}. Name features of the "
            "same kind with --features_dir."
        )
    return name


def _part(window: Window, seconds: np.ndarray) -> slice:
    """The frames that begin in a window, of which each begins at a second.

    Where none does, the one before: it is on screen.
    """
    first, stop = np.searchsorted(seconds, [window.start - 1e-6, window.end - 1e-6]).tolist()
    return slice(first, stop) if first < stop else slice(max(0, first - 1), max(1, first))


def _cut(part: slice, most: int | None) -> slice:
    return part if most is None else slice(part.start, min(part.stop, part.start + most))
