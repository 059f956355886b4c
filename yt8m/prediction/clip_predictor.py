"""The scores of videos by a run of raw video. Each file is decoded twice, see `clip_stream`."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import numpy as np

from yt8m.base.progress import ProgressReport
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_stream import Film, Wanted
from yt8m.data.video.clips import Recipe
from yt8m.data.video.spans import Span
from yt8m.evaluation import predicting
from yt8m.prediction.answers import Answer, Windows

_MOST_CLIPS = 10


class ClipPredictor:
    """Scores videos by a model of raw video.

    Args:
        model: from stored pixels and flow to probabilities.
        schema: what a clip is.
        batch_size: views of clips a batch.
        num_clips: clips of a video, evenly spread; None takes as many as cover it, up to 10.
        num_crops: views of a clip.
        windows: how videos are cut into windows, with a clip from the middle of each; None does
            not. The scores of a video are then the means over its windows.
    """

    def __init__(
        self,
        model: keras.Model,
        schema: ClipSchema,
        batch_size: int = 16,
        num_clips: int | None = None,
        num_crops: int = 1,
        windows: Windows | None = None,
    ):
        self._predict = predicting.predictor(model)
        self._schema = schema
        self._recipe = Recipe(schema.inputs, schema.clips, schema.flow)
        self._batch_size = batch_size
        self._num_clips = num_clips
        self._num_crops = num_crops
        self._windows = windows

    def answer(self, path: str) -> Answer:
        """The scores of a video.

        Raises:
            VideoError: it cannot be decoded.
        """
        name = os.path.basename(path)
        with ProgressReport(f"Looking at {name}", unit="frames") as progress:
            film = Film.look(path, self._schema.clips, progress.advance)
        num_frames, end = film.about.num_frames, film.timeline.end
        windows = self._windows.of(end) if self._windows else []
        if windows:
            shown = (film.frames(Span(window.start, window.end)) for window in windows)
            clips = [Wanted(film.part(*frames)) for frames in shown]
        else:
            whole = film.part(0, num_frames)
            count = self._num_clips or self._covering(num_frames)
            clips = [Wanted(whole, number, count) for number in range(count)]
        scores = self._scores(film, clips, f"Predicting {name}")
        mean = scores.mean(axis=0, dtype=np.float64).astype(np.float32)
        return Answer(path, end, mean, windows, scores if windows else scores[:0])

    def _covering(self, num_frames: int) -> int:
        """How many clips cover a video, up to ten."""
        clips = self._schema.clips
        if clips.sampling != "dense":
            return 1
        return min(_MOST_CLIPS, -(-num_frames // (clips.frames * clips.stride)))

    def _scores(self, film: Film, clips: Sequence[Wanted], task: str) -> np.ndarray:
        """(clips, num_classes) float32, the means over the crops of each."""
        found: list[np.ndarray] = []
        waiting: list[dict[str, np.ndarray]] = []

        def predict() -> None:
            batch = {n: np.concatenate([views[n] for views in waiting]) for n in waiting[0]}
            scores = self._predict(batch)
            predicting.check_finite_of(film.path, scores)
            crops = scores.reshape(len(waiting), self._num_crops, -1)
            found.append(crops.mean(axis=1, dtype=np.float64).astype(np.float32))
            progress.advance(len(waiting))
            waiting.clear()

        with ProgressReport(task, len(clips), "clips") as progress:
            for views in film.clips(self._recipe, clips, self._num_crops):
                waiting.append(views)
                if len(waiting) * self._num_crops >= self._batch_size:
                    predict()
            if waiting:
                predict()
        return np.concatenate(found)
