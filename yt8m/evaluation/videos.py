"""Whole videos of shards: how a model is judged on them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data import labels as labels_lib
from yt8m.data.reader import Reader
from yt8m.evaluation import predicting
from yt8m.evaluation.examples import Examples
from yt8m.evaluation.predicting import NO_LABELS, batches, check_finite, predictor
from yt8m.inputs.shards import ShardInput
from yt8m.runs import RunConfig


@dataclasses.dataclass(frozen=True)
class VideoExamples(Examples):
    """Whole videos of shards, see `Examples`.

    Attributes:
        source: how they are read.
        top_k: predictions a video that GAP and mAP pool.
    """

    source: ShardInput
    top_k: int = 20
    metric: ClassVar[str] = "gap"

    @classmethod
    def for_run(
        cls, config: RunConfig, batch_size: int, on_corrupt: str, top_k: int
    ) -> VideoExamples:
        """Those that a run is judged by; see `ShardInput.for_run`."""
        return cls(ShardInput.for_run(config, batch_size, on_corrupt), top_k)

    def check_labels(self, reader: Reader) -> None:
        """Fails where the first records have no label at all."""
        predicting.check_labels(reader)

    def judge(
        self, model: keras.Model, reader: Reader, loss: keras.losses.Loss, path: str = ""
    ) -> metrics.Evaluation:
        """Evaluates a model on shards."""
        return evaluate_videos(model, reader, loss, self.top_k)

    def details(self, reader: Reader, path: str = "") -> dict[str, Any]:
        """The settings of an evaluation."""
        return {"top_k": self.top_k}


def evaluate_videos(
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
