"""Predictions over raw video: many views of a video make one answer, see `view_evaluation`."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data import labels
from yt8m.data.diagnose import clear_errors
from yt8m.data.ids import as_text
from yt8m.data.video.clip_reader import ClipReader
from yt8m.evaluation import predicting
from yt8m.fusion import score_file
from yt8m.metrics import views
from yt8m.metrics.views import ViewEvaluation

# Ids; labels (videos, most labels), padded with -1; scores (videos, clips, crops, num_classes).
Videos = tuple[list[str], np.ndarray, np.ndarray]


def scored(model: keras.Model, reader: ClipReader, task: str) -> Iterator[Videos]:
    """Predicts every view of every video.

    Args:
        model: from stored pixels and flow to probabilities.
        reader: of the videos.
        task: what progress is called.

    Yields:
        Videos in order, with the scores of all their views; 0 for the classes of other tasks than
        the video's.

    Raises:
        UserError: nothing can be read, a video cannot be read any more, or a score is NaN.
    """
    return views.whole_videos(
        _scored_views(model, reader, task), reader.num_clips, reader.num_crops
    )


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


def evaluate(
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
        scores_file: where to keep the scores of all views, see `view_scores`; empty keeps none.

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
            "ones; use yt8m.inference for others."
        )
