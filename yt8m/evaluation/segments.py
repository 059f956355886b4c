"""Segments of 5 seconds: a model's ratings of them, and its best ones among whole videos.

A segment of a submission is called `id:start`. Rated segments (`Reader(segment_labels=True)`) are
evaluated; whole videos are cut into segments, one after the other, to be predicted.
"""

from __future__ import annotations

import keras
import numpy as np

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data import labels as labels_lib
from yt8m.data.reader import Reader
from yt8m.evaluation import predicting
from yt8m.metrics.segment_evaluation import is_positive
from yt8m.modeling import losses


def evaluate_segments(
    model: keras.Model,
    reader: Reader,
    loss: keras.losses.Loss,
    task: str = "Evaluating",
) -> metrics.SegmentEvaluation:
    """Evaluates a model on the rated segments of shards.

    Args:
        model: from stored features to probabilities.
        reader: of the shards, with `segment_labels`; its `segment_classes` are those that count.
        loss: of the rated classes of each segment, reported as the mean over the segments; it is
            left out where the loss needs all classes, see `losses.label_weighted`.
        task: what progress is called.

    Raises:
        UserError: no segment is rated, no rating is positive, or the model answers NaN.
        ValueError: the reader reads whole videos.
    """
    if not reader.segment_labels:
        raise ValueError("reader must read segments. Received: segment_labels=False.")
    state = metrics.SegmentEvaluation(reader.num_classes)
    predict = predicting.predictor(model)
    for batch in predicting.batches(reader, task):
        probabilities = predict(batch)
        predicting.check_finite(probabilities, batch, reader)
        values = _losses(loss, batch, probabilities) if losses.label_weighted(loss) else None
        state.update(probabilities, batch["labels"], batch["label_scores"], values)
    check_positives(state, reader)
    return state


def check_positives(state: metrics.SegmentEvaluation, reader: Reader) -> None:
    """Fails where the ratings allow no metric.

    Raises:
        UserError: nothing is rated, or no rating is positive.
    """
    if state.num_positive_ratings:
        return
    of = "" if reader.segment_classes is None else " of the listed classes"
    what = "of a segment"
    if state.num_ratings:
        what = f"that is positive among {state.num_ratings}"
    raise UserError(
        f"The records in {reader.paths[0]} and the shards with it have no rating{of} {what}, so "
        "there is nothing to measure. Use the validation shards of 2019, which are rated."
    )


def _losses(
    loss: keras.losses.Loss, batch: dict[str, np.ndarray], probabilities: np.ndarray
) -> np.ndarray:
    """The loss of each segment, over its rated classes."""
    classes = batch["labels"]
    present = np.where(is_positive(batch["label_scores"]), classes, -1)
    truth, weights = (
        labels_lib.multi_hot_array(ids, probabilities.shape[1]).astype(np.float32)
        for ids in (present, classes)
    )
    return keras.ops.convert_to_numpy(loss.call(truth, probabilities, weights))
