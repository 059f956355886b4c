"""The Keras model that trains: it computes the loss and keeps a cheap metric."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from yt8m.data import labels as labels_lib
from yt8m.modeling import losses
from yt8m.modeling.keras_model import MEMBER_WEIGHTS, MEMBERS, PROBABILITIES


def _only_own(outputs: dict, own) -> dict:
    """The outputs of a model, 0 for the classes of other tasks than the video's."""
    masked = outputs | {PROBABILITIES: outputs[PROBABILITIES] * own}
    if MEMBERS in outputs:
        masked[MEMBERS] = outputs[MEMBERS] * ops.expand_dims(own, 1)
    return masked


class Trainer(keras.Model):
    """Trains a model made by `build` on batches with sparse labels.

    It makes the label matrix on the device, adds the losses of the layers to the label loss, and
    keeps a cheap GAP of the training batches. The label loss is of `probabilities`, or, where the
    model answers `members` (batch, members, num_classes), the mean of the members' losses, weighed
    by `member_weights` (batch, members) where it answers these too: they sum to 1 for a video, or
    to 0 for one that has nothing to learn from. The trainer is not saved: the model inside is.

    The labels of a batch are class ids (batch, most labels), padded with -1, or a dict of them as
    `labels` and
        label_scores: (batch, most labels), 1 or 0. The labels are then ratings, and only rated
            classes carry loss.
        task: (batch,) the number of the task of each video, with `task_classes`. Only the classes
            of its own task carry loss, and they alone count in the metric.
        teacher_classes, teacher_scores: (batch, k), the classes that a teacher finds likeliest,
            padded with -1, and their probabilities. Where there are any, the loss is of labels
            that are the teacher's by a share of `distillation`, 0 for the classes it leaves out.
            For a cross-entropy that is the mean, so weighed, of a loss on either.

    Args:
        model: see `build`.
        num_classes: the size of the vocabulary.
        label_loss: its `call(labels, probabilities)` gives one value a video, see `losses`.
        gap: a metric with the same arguments, or None.
        distillation: the share of the teacher, from 0 to 1.
        task_classes: (tasks, num_classes), 1 for the classes of a task, where several tasks are
            trained together, with a loss that `losses.compares_within_task`; else None.
    """

    def __init__(
        self,
        model: keras.Model,
        num_classes: int,
        label_loss,
        gap=None,
        distillation: float = 0.0,
        task_classes: np.ndarray | None = None,
    ):
        super().__init__(name="trainer")
        self.model = model
        self.num_classes = num_classes
        self.label_loss = label_loss
        self.loss_mean = keras.metrics.Mean(name="loss_mean")
        self.gap = gap
        self.distillation = distillation
        self.task_classes = task_classes

    def call(self, inputs, training=None):
        """Returns the model's outputs, a dict."""
        return self.model(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the label loss plus the losses of the layers, a scalar.

        It is divided by the number of replicas, whose gradients tf.distribute sums.
        """
        y = y if isinstance(y, dict) else {"labels": y}
        probabilities, weights = y_pred[PROBABILITIES], None
        if "label_scores" in y:
            labels, weights = labels_lib.rated(y["labels"], y["label_scores"], self.num_classes)
            probabilities = probabilities * weights  # What is not rated ranks last.
        else:
            labels = labels_lib.multi_hot(y["labels"], self.num_classes)
        if self.task_classes is not None:
            own = ops.take(ops.convert_to_tensor(self.task_classes), y["task"], axis=0)
            probabilities = probabilities * own
            if losses.label_weighted(self.label_loss):
                weights = own
            else:  # A softmax of logarithms: what is 0 has no share in it.
                y_pred = _only_own(y_pred, own)
        if self.gap is not None:
            self.gap.update_state(labels, probabilities)
        if "teacher_classes" in y:
            labels = self._distilled(labels, y["teacher_classes"], y["teacher_scores"])
        loss = ops.mean(self._label_losses(labels, y_pred, weights))
        self.loss_mean.update_state(loss)
        return sum(self.losses, loss) / self._num_replicas()

    def _distilled(self, labels, classes, scores):
        """The labels moved to the teacher's, where it knows the video."""
        taught = labels_lib.with_scores(classes, scores, self.num_classes)
        known = ops.cast(ops.any(classes >= 0, axis=1, keepdims=True), "float32")
        return labels + self.distillation * known * (taught - labels)

    def _label_losses(self, labels, outputs, weights=None):
        """The label loss of each video (batch,), over the members where there are some."""
        if MEMBERS not in outputs:
            return self._label_loss(labels, outputs[PROBABILITIES], weights)
        members = outputs[MEMBERS]
        to_each = lambda x: ops.broadcast_to(ops.expand_dims(x, 1), ops.shape(members))  # noqa: E731
        weights = None if weights is None else to_each(weights)
        each = self._label_loss(to_each(labels), members, weights)
        if MEMBER_WEIGHTS in outputs:
            return ops.sum(outputs[MEMBER_WEIGHTS] * each, axis=1)
        return ops.mean(each, axis=1)

    def _label_loss(self, labels, probabilities, weights):
        if weights is None:
            return self.label_loss.call(labels, probabilities)
        return self.label_loss.call(labels, probabilities, weights)

    def _num_replicas(self) -> int:
        """Over how many devices tf.distribute sums the gradients of their parts of a batch."""
        strategy = getattr(self, "distribute_strategy", None)
        return strategy.num_replicas_in_sync if strategy is not None else 1

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns the metrics' results; `compute_loss` has updated them."""
        return self.get_metrics_result()
