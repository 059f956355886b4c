"""Clips of raw video: how a model is judged on them. The views of a video make one answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data import labels
from yt8m.data.diagnose import clear_errors
from yt8m.data.ids import as_text
from yt8m.data.video.clip_reader import ClipReader
from yt8m.evaluation import predicting
from yt8m.evaluation.examples import Examples
from yt8m.fusion import score_file
from yt8m.inputs.clip_settings import ClipSettings
from yt8m.inputs.clips import ClipInput
from yt8m.metrics import views
from yt8m.metrics.views import ViewEvaluation
from yt8m.runs import RunConfig

# How the name of a file of scores ends.
SCORES = ".scores.npz"
# Ids; labels (videos, most labels), padded with -1; scores (videos, clips, crops, num_classes).
Videos = tuple[list[str], np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class ClipExamples(Examples):
    """Clips of raw video, see `Examples`.

    Attributes:
        source: how they are read.
        top_k: predictions a video that GAP and mAP pool.
    """

    source: ClipInput
    top_k: int = 20
    metric: ClassVar[str] = "video_hit_at_1"

    @classmethod
    def for_run(
        cls, config: RunConfig, batch_size: int, settings: ClipSettings, top_k: int
    ) -> ClipExamples:
        """Those that a run of raw video is judged by."""
        return cls(ClipInput.for_run(config, batch_size, settings), top_k)

    def check_labels(self, reader: ClipReader) -> None:
        """Fails where no video has a label."""
        check_labels(reader)

    def judge(
        self, model: keras.Model, reader: ClipReader, loss: keras.losses.Loss, path: str = ""
    ) -> ViewEvaluation:
        """Evaluates a model on videos, and keeps the scores of their views in `PATH.scores.npz`."""
        kept = f"{path}{SCORES}" if path else ""
        return evaluate_clips(model, reader, loss, self.top_k, kept)

    def details(self, reader: ClipReader, path: str = "") -> dict[str, Any]:
        """The settings of an evaluation, and where the scores of all views are."""
        kept = {"scores_file": f"{path}{SCORES}"} if path else {}
        return {"top_k": self.top_k} | kept

    def name(self, pattern: str) -> str:
        """The pattern and the views: other views are other data."""
        clips, crops = self.source.settings.num_clips, self.source.settings.num_crops
        return pattern if clips == crops == 1 else f"{pattern} in {clips} clips, {crops} crops"


def scored(model: keras.Model, reader: ClipReader, task: str) -> Iterator[Videos]:
    """Predicts every view of every video; one of which views are missing is passed over.

    Args:
        model: from stored pixels and flow to probabilities.
        reader: of the videos.
        task: what progress is called.

    Yields:
        Videos in order, with the scores of all their views; 0 for the classes of other tasks than
        the video's.

    Raises:
        UserError: nothing can be read, a video cannot be read and is to end the job, or a score is
            NaN.
    """
    batches = _scored_views(model, reader, task)
    views_of_each = reader.num_clips, reader.num_crops
    found = False
    for videos in views.whole_videos(batches, *views_of_each, reader.left_out):
        found = True
        yield videos
    if not found:
        raise UserError(f"No video could be read as a whole: {reader.log.summary()}.")


def _scored_views(model: keras.Model, reader: ClipReader, task: str) -> Iterator[Videos]:
    """Ids, labels and scores (views, num_classes) of batches of views."""
    predict = predicting.predictor(model)
    own = reader.schema.task_classes
    total = len(reader.items) * reader.num_views
    with clear_errors(reader), ProgressReport(task, total, "clips") as progress:
        for batch in reader.sequential().as_numpy_iterator():
            scores = predict(batch)
            predicting.check_finite(scores, batch, reader)
            if own is not None:
                scores = scores * own[batch["task"]]
            ids = [as_text(video_id) for video_id in batch["ids"]]
            yield ids, batch["labels"], scores
            progress.advance(len(ids))
    reader.log.finish()


def evaluate_clips(
    model: keras.Model,
    reader: ClipReader,
    loss: keras.losses.Loss,
    top_k: int = 20,
    scores_file: str = "",
) -> ViewEvaluation:
    """Evaluates a model on videos.

    Args:
        model: from stored pixels and flow to probabilities.
        reader: of the videos.
        loss: of a video's mean probabilities, reported as the mean over the videos.
        top_k: predictions a video that GAP and mAP pool.
        scores_file: where to keep the scores of all views, see `score_file`; empty keeps none.

    Raises:
        UserError: the videos have no labels, or as `scored`.
    """
    check_labels(reader)
    state = ViewEvaluation(reader.num_classes, top_k)
    shape = (len(reader.items), reader.num_clips, reader.num_crops)
    if not scores_file:
        for videos in scored(model, reader, "Evaluating"):
            _update(state, videos, loss)
        return state
    with score_file.ScoreWriter(scores_file, *shape, reader.schema.classes) as writer:
        for videos in scored(model, reader, "Evaluating"):
            _update(state, videos, loss)
            writer.add(*videos)
    return state


def _update(state: ViewEvaluation, videos: Videos, loss: keras.losses.Loss) -> None:
    _, class_ids, scores = videos
    truth = labels.multi_hot_array(class_ids, state.num_classes)
    means = views.mean_of_views(scores)
    losses = loss.call(truth.astype(np.float32), means)
    state.update(scores, truth, keras.ops.convert_to_numpy(losses))


def check_labels(reader: ClipReader) -> None:
    """Fails before the work where no video has a label.

    Raises:
        UserError: none has.
    """
    if not any(item.labels for item in reader.items):
        raise UserError(
            f"None of the {len(reader.items)} videos has a label. Train and evaluate on labelled "
            "ones; use `yt8m inference` for others."
        )
