"""Predictions over shards, and the metrics of them: what eval, inference and train share."""

from __future__ import annotations

import keras
import numpy as np

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data import labels as labels_lib
from yt8m.data.reader import Reader
from yt8m.evaluation.predicting import NO_LABELS, batches, check_finite, predictor


def evaluate(
    model: keras.Model,
    reader: Reader,
    loss: keras.losses.Loss,
    top_k: int = 20,
    task: str = "Evaluating",
) -> metrics.Evaluation:
    """Evaluates a model on shards.

    Args:
        model: from stored features to probabilities.
        reader: of the shards.
        loss: reported as the mean over the videos.
        top_k: predictions a video that GAP and mAP pool.
        task: what progress is called.

    Raises:
        UserError: the shards hold no labels, or the model answers NaN.
    """
    state = metrics.Evaluation(reader.num_classes, top_k)
    predict = predictor(model)
    num_labels = 0
    for batch in batches(reader, task):
        probabilities = predict(batch)
        check_finite(probabilities, batch, reader)
        truth = labels_lib.multi_hot_array(batch["labels"], reader.num_classes)
        num_labels += int(truth.sum())
        state.update(probabilities, truth, _losses(loss, truth, probabilities))
    if num_labels == 0:
        raise UserError(NO_LABELS.format(reader.paths[0]))
    return state


def _losses(loss: keras.losses.Loss, truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(loss.call(truth.astype(np.float32), probabilities))
