"""Rated segments of 5 seconds: how a model is judged on them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data import labels as labels_lib
from yt8m.data import segment_classes
from yt8m.data.reader import Reader
from yt8m.data.segment_reader import SegmentReader
from yt8m.evaluation import predicting
from yt8m.evaluation.examples import Examples
from yt8m.inputs.shards import SegmentInput
from yt8m.metrics.segment_metrics import is_positive
from yt8m.modeling import losses
from yt8m.runs import RunConfig


@dataclasses.dataclass(frozen=True)
class SegmentExamples(Examples):
    """Rated segments of shards, see `Examples`.

    Attributes:
        source: how they are read.
        label_ids_file: where the list of the classes whose ratings count is from; empty for all.
    """

    source: SegmentInput
    label_ids_file: str = ""
    metric: ClassVar[str] = "map_at_k"

    @classmethod
    def for_run(
        cls, config: RunConfig, batch_size: int, on_corrupt: str, label_ids_file: str
    ) -> SegmentExamples:
        """Those that a run is judged by, trained on segments or on whole videos.

        Raises:
            UserError: the list of classes cannot be read, or as `ShardInput.for_run`.
        """
        classes = segment_classes.read_if_given(label_ids_file, config.num_classes)
        read = SegmentInput.for_run(config, batch_size, on_corrupt, segment_classes=classes)
        return cls(read, label_ids_file)

    def check_labels(self, reader: SegmentReader) -> None:
        """Fails where the first records have no rating at all."""
        predicting.check_labels(reader)

    def judge(
        self, model: keras.Model, reader: SegmentReader, loss: keras.losses.Loss, path: str = ""
    ) -> metrics.SegmentEvaluation:
        """Evaluates a model on rated segments."""
        return evaluate_segments(model, reader, loss)

    def details(self, reader: SegmentReader, path: str = "") -> dict[str, Any]:
        """The settings of an evaluation, and how many segments could not be cut."""
        return {
            "segment_labels": True,
            "segment_label_ids_file": self.label_ids_file,
            "skipped_segments": reader.log.num_skipped_segments,
        }


def evaluate_segments(
    model: keras.Model,
    reader: Reader,
    loss: keras.losses.Loss,
    task: str = "Evaluating",
) -> metrics.SegmentEvaluation:
    """Evaluates a model on the rated segments of shards.

    Args:
        model: from stored features to probabilities.
        reader: of the segments; its `segment_classes` are those that count.
        loss: of the rated classes of each segment, reported as the mean over the segments; it is
            left out where the loss needs all classes, see `losses.label_weighted`.
        task: what progress is called.

    Raises:
        UserError: no segment is rated, no rating is positive, or the model answers NaN.
        ValueError: the reader reads whole videos.
    """
    if not isinstance(reader, SegmentReader):
        raise ValueError(f"reader must be a SegmentReader. Received: {type(reader).__name__}.")
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
