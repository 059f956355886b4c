"""The Keras model that trains: it computes the loss and keeps a cheap metric."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from yt8m.modeling import losses
from yt8m.modeling.keras_model import MEMBER_WEIGHTS, MEMBERS, PROBABILITIES
from yt8m.training.targets import LabelReader, Targets


class Trainer(keras.Model):
    """Trains a model made by `keras_model.build` on batches with sparse labels.

    It makes the label matrix on the device, adds the losses of the layers to the label loss, and
    keeps a cheap GAP of the training batches. The label loss is of `probabilities`. Where the
    model answers `members` (batch, members, num_classes), it is the mean of the members' losses,
    weighed by `member_weights` (batch, members) where the model answers these too: they sum to 1
    for a video, or to 0 for one that has nothing to learn from. `docs/examples/training_step.py`
    shows a step of training without Keras' `fit`.

    The trainer is not saved: the model inside is.

    Args:
        model: see `keras_model.build`.
        num_classes: the size of the vocabulary.
        label_loss: its `call(labels, probabilities)` gives one value a video, see `losses`.
        gap: a metric with the same arguments, or None.
        distillation: the share of the teacher, from 0 to 1.
        task_classes: (tasks, num_classes), 1 for the classes of a task and else 0, where several
            tasks are trained together; else None. See `targets.LabelReader`, also for the forms
            that the labels of a batch have.

    Raises:
        ValueError: while training, only some classes count, and the loss needs all of them.
    """

    def __init__(
        self,
        model: keras.Model,
        num_classes: int,
        label_loss: keras.losses.Loss,
        gap: keras.metrics.Metric | None = None,
        distillation: float = 0.0,
        task_classes: np.ndarray | None = None,
    ):
        super().__init__(name="trainer")
        self.model = model
        self.label_loss = label_loss
        self.loss_mean = keras.metrics.Mean(name="loss_mean")
        self.gap = gap
        self.read_labels = LabelReader(num_classes, distillation, task_classes)

    def call(self, inputs, training=None):
        """Returns the model's outputs, a dict."""
        return self.model(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the label loss plus the losses of the layers, a scalar.

        It is divided by the number of replicas, whose gradients tf.distribute sums.
        """
        targets = self.read_labels(y)
        if self.gap is not None:
            self.gap.update_state(targets.labels, _counted(y_pred[PROBABILITIES], targets))
        loss = ops.mean(_label_losses(self.label_loss, targets, y_pred))
        self.loss_mean.update_state(loss)
        return sum(self.losses, loss) / self._num_replicas()

    def _num_replicas(self) -> int:
        """Over how many devices tf.distribute sums the gradients of their parts of a batch."""
        strategy = getattr(self, "distribute_strategy", None)
        return strategy.num_replicas_in_sync if strategy is not None else 1

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns the metrics' results; `compute_loss` has updated them."""
        return self.get_metrics_result()


def _counted(answers, targets: Targets):
    """The answers, 0 for the classes that do not count, so that these rank last."""
    return answers if targets.counted is None else answers * targets.counted


def _label_losses(loss: keras.losses.Loss, targets: Targets, outputs: dict):
    """The label loss of each video (batch,), over the members where there are some."""
    if MEMBERS not in outputs:
        return _losses(loss, targets, outputs[PROBABILITIES])
    members = outputs[MEMBERS]
    each = _losses(loss, _for_each_member(targets, members), members)
    if MEMBER_WEIGHTS in outputs:
        return ops.sum(outputs[MEMBER_WEIGHTS] * each, axis=1)
    return ops.mean(each, axis=1)


def _for_each_member(targets: Targets, members) -> Targets:
    """The targets (batch, num_classes), repeated as (batch, members, num_classes)."""
    return Targets(
        *(
            None if part is None else ops.broadcast_to(ops.expand_dims(part, 1), ops.shape(members))
            for part in targets
        )
    )


def _losses(loss: keras.losses.Loss, targets: Targets, answers):
    """The label loss of each answer: (..., num_classes) to (...)."""
    if targets.counted is None:
        return loss.call(targets.learned, answers)
    if losses.label_weighted(loss):
        return loss.call(targets.learned, answers, targets.counted)
    if losses.compares_within_task(loss):  # A softmax of logarithms: what is 0 has no share in it.
        return loss.call(targets.learned, _counted(answers, targets))
    raise ValueError(
        "Where only some classes of a video count, the loss must be of each class by itself, such "
        "as cross_entropy, or softmax(scores='log_probabilities'). "
        f"Received: {type(loss).__name__}."
    )
