"""Predictions over raw video: many views of a video make one answer, see `view_evaluation`."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from yt8m import evaluation, labels, metrics, runs, submission, view_evaluation, view_scores
from yt8m.data.diagnose import clear_errors
from yt8m.data.video.clip_reader import ClipReader
from yt8m.errors import UserError
from yt8m.progress import ProgressReport
from yt8m.view_evaluation import ViewEvaluation

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
    return view_evaluation.whole_videos(
        _scored_views(model, reader, task), reader.num_clips, reader.num_crops
    )


def _scored_views(model: keras.Model, reader: ClipReader, task: str) -> Iterator[Videos]:
    """Ids, labels and scores (views, num_classes) of batches of views."""
    predict = evaluation.predictor(model)
    own = reader.schema.task_classes
    total = len(reader.items) * reader.num_views
    with clear_errors(reader), ProgressReport(task, total, "clips") as progress:
        for batch in reader.sequential().as_numpy_iterator():
            scores = predict(batch)
            evaluation.check_finite(scores, batch, reader)
            if own is not None:
                scores = scores * own[batch["task"]]
            ids = [i.decode(errors="surrogateescape") for i in batch["ids"]]
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
    with view_scores.ScoreWriter(scores_file, *shape, reader.schema.classes) as writer:
        for videos in scored(model, reader, "Evaluating"):
            _update(state, videos, loss)
            writer.add(*videos)
    return state


def write_submission(path: str, model: keras.Model, reader: ClipReader, top_k: int) -> int:
    """Predicts every video and writes the file that Kaggle takes.

    Args:
        path: the file; it appears under this name when it is whole.
        model: from stored pixels and flow to probabilities.
        reader: of the videos.
        top_k: classes a video, at most all.

    Returns:
        The number of videos.

    Raises:
        UserError: the file cannot be written, two videos have one id, or as `scored`.
    """
    _check_ids(reader)
    count = 0
    with runs.atomic_file(path) as file:
        file.write(submission.HEADER + "\n")
        for ids, _, scores in scored(model, reader, "Predicting"):
            values, classes = metrics.top_k(view_evaluation.mean_of_views(scores), top_k)
            file.writelines(submission.format_rows(ids, classes, values))
            count += len(ids)
    return count


def _check_ids(reader: ClipReader) -> None:
    """Fails where two rows would be told apart by nothing: a video of two tasks."""
    known: set[str] = set()
    for item in reader.items:
        if item.id in known:
            raise UserError(
                f"{item.id} is in the data of two tasks, and would stand in the file twice. "
                "Predict for one task at a time."
            )
        known.add(item.id)


def _update(state: ViewEvaluation, videos: Videos, loss: keras.losses.Loss) -> None:
    _, class_ids, scores = videos
    truth = labels.multi_hot_array(class_ids, state.num_classes)
    means = view_evaluation.mean_of_views(scores)
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
