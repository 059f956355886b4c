"""Training losses, chosen by name.

Every loss is a registered `keras.losses.Loss`: `call` gives one float32 value a video, the class
averages them over the batch (or not, with `reduction=None`), and a saved model finds it again.
The keyword arguments of its constructor are its hyperparameters. The losses on probabilities are
here, those on scores in `yt8m.modeling.score_losses`.
"""

import inspect

import keras
from keras import ops

from yt8m.base.catalogue import Catalogue
from yt8m.base.spec_language import Call
from yt8m.modeling import score_losses

_CLIPPED = 1e-7  # How near to 0 and 1 Keras lets a probability come in a cross-entropy.


def _check_smoothing(label_smoothing: float):
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"label_smoothing must be in [0, 1]. Received: label_smoothing={label_smoothing}."
        )


class _ProbabilityLoss(keras.losses.Loss):
    """What the losses on probabilities share: label smoothing and float32.

    float32 is fixed, not `keras.config.floatx()`: `log(p + 1e-5)` has no meaning in float16.
    """

    def __init__(self, label_smoothing: float, reduction: str | None, name: str):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        _check_smoothing(label_smoothing)
        self.label_smoothing = label_smoothing

    def _prepare(self, y_true, y_pred):
        """Casts both to float32 and moves the labels by `label_smoothing` towards one half."""
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        return y_true * (1 - self.label_smoothing) + 0.5 * self.label_smoothing, y_pred

    def get_config(self):
        """Returns the arguments the loss was made with."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="yt8m")
class CrossEntropy(_ProbabilityLoss):
    """Cross-entropy, **summed** over the classes: the loss of the google/youtube-8m starter code.

    For each video `-sum_c 2 alpha y log(p + epsilon) + 2 (1 - alpha) (1 - y) log(1 - p + epsilon)`,
    where `alpha=0.5` makes both weights 1; the batch's loss is the mean over its videos. Published
    learning rates and l2 penalties assume this sum: it is `num_classes` times the mean over
    classes. `epsilon` bounds a logarithm by `-log(epsilon)` and its gradient by `1 / epsilon`, and
    lets a term fall slightly below 0.

    Args:
        label_smoothing: labels become `y * (1 - label_smoothing) + label_smoothing / 2`.
        epsilon: added to the probabilities inside the logarithms, positive.
        alpha: share of the labels in the weights, between 0 and 1; more than 0.5 makes a missed
            label cost more than a false one, and raises the probabilities.
        reduction: as in `keras.losses.Loss`; None gives one value a video.
        name: name of the loss.

    Input shape:
        y_true `(batch, classes)`, 1 for the labels of a video and else 0; y_pred the same shape,
        probabilities.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        `CrossEntropyLoss` of the google/youtube-8m starter code, which fixes epsilon at 1e-5;
        `alpha` is that of Miech, Laptev and Sivic's code, https://arxiv.org/abs/1706.06905.

    Example:
        >>> from yt8m.modeling import losses
        >>> loss = losses.CrossEntropy()
        >>> round(float(loss([[1, 0, 0]], [[0.8, 0.1, 0.2]])), 3)  # -log 0.8 - log 0.9 - log 0.8
        0.552
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        epsilon: float = 1e-5,
        alpha: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cross_entropy",
    ):
        super().__init__(label_smoothing, reduction, name)
        if not epsilon > 0:
            raise ValueError(f"epsilon must be positive. Received: epsilon={epsilon}.")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be between 0 and 1, exclusive. Received: alpha={alpha}.")
        self.epsilon = epsilon
        self.alpha = alpha

    def call(self, y_true, y_pred, label_weights=None):
        """Returns (batch,), the loss of each video; `label_weights` as `label_weighted` says."""
        y_true, y_pred = self._prepare(y_true, y_pred)
        present = y_true * ops.log(y_pred + self.epsilon)
        absent = (1 - y_true) * ops.log(1 - y_pred + self.epsilon)
        terms = 2 * self.alpha * present + 2 * (1 - self.alpha) * absent
        return -ops.sum(terms if label_weights is None else terms * label_weights, axis=-1)

    def get_config(self):
        """Returns the arguments the loss was made with."""
        return {**super().get_config(), "epsilon": self.epsilon, "alpha": self.alpha}


@keras.saving.register_keras_serializable(package="yt8m")
class MeanCrossEntropy(_ProbabilityLoss):
    """Cross-entropy, averaged over the classes: `keras.losses.BinaryCrossentropy`.

    Keras clips the probabilities to [1e-7, 1 - 1e-7]. Beside `CrossEntropy`, its gradients are
    smaller by the number of classes, which matters to an l2 penalty and to gradient clipping.

    Args:
        label_smoothing: labels become `y * (1 - label_smoothing) + label_smoothing / 2`.
        reduction: as in `keras.losses.Loss`; None gives one value a video.
        name: name of the loss.

    Input shape:
        y_true `(batch, classes)`, 1 for the labels of a video and else 0; y_pred the same shape,
        probabilities.

    Raises:
        ValueError: `label_smoothing` is not in [0, 1].

    Example:
        >>> from yt8m.modeling import losses
        >>> loss = losses.MeanCrossEntropy()
        >>> round(float(loss([[1, 0, 0]], [[0.8, 0.1, 0.2]])), 3)
        0.184
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_cross_entropy",
    ):
        super().__init__(label_smoothing, reduction, name)

    def call(self, y_true, y_pred, label_weights=None):
        """Returns (batch,), the loss of each video; `label_weights` as `label_weighted` says."""
        y_true, y_pred = self._prepare(y_true, y_pred)
        if label_weights is None:
            return keras.losses.binary_crossentropy(y_true, y_pred)
        y_pred = ops.clip(y_pred, _CLIPPED, 1 - _CLIPPED)
        terms = ops.binary_crossentropy(y_true, y_pred) * label_weights
        return ops.sum(terms, axis=-1) / ops.maximum(ops.sum(label_weights, axis=-1), _CLIPPED)


def label_weighted(loss: keras.losses.Loss) -> bool:
    """Whether a loss is a sum or a mean over the classes, each of which may have a weight.

    Such a loss takes `call(y_true, y_pred, label_weights)`: weights of the shape of the labels, 1
    where a class counts and 0 where it does not. Rated segments need such a loss, because only
    some classes of a segment are known. Ranking losses and a softmax compare the classes of a
    video with each other, and need all of them.

    Example:
        >>> from yt8m.modeling import losses
        >>> losses.label_weighted(losses.get("hinge")), losses.label_weighted(losses.get("warp"))
        (True, False)
    """
    return "label_weights" in inspect.signature(loss.call).parameters


def compares_within_task(loss: keras.losses.Loss) -> bool:
    """Whether a loss can leave out the classes of other tasks, see `targets.LabelReader`.

    A loss of each class by itself can. So can a softmax of log-probabilities, in which a class of
    probability 0 has no share.

    Example:
        >>> from yt8m.modeling import losses
        >>> losses.compares_within_task(losses.get("softmax", scores="log_probabilities"))
        True
        >>> losses.compares_within_task(losses.get("softmax", scores="logits"))
        False
    """
    return label_weighted(loss) or (
        isinstance(loss, score_losses.Softmax) and loss.scores == "log_probabilities"
    )


def takes_soft_labels(loss: keras.losses.Loss) -> bool:
    """Whether a loss takes labels between 0 and 1 for probabilities, which distillation needs.

    Example:
        >>> from yt8m.modeling import losses
        >>> losses.takes_soft_labels(losses.get("cross_entropy"))
        True
        >>> losses.takes_soft_labels(losses.get("hinge"))
        False
    """
    return isinstance(loss, _ProbabilityLoss)


_CATALOGUE = Catalogue(
    "loss",
    (
        CrossEntropy,
        MeanCrossEntropy,
        score_losses.Hinge,
        score_losses.PairwiseRanking,
        score_losses.Softmax,
        score_losses.Warp,
    ),
    hidden=frozenset({"name", "reduction"}),
)


def names() -> list[str]:
    """Returns the names that `get` knows, sorted.

    Example:
        >>> from yt8m.modeling import losses
        >>> losses.names()
        ['CrossEntropy', 'Hinge', 'MeanCrossEntropy', 'PairwiseRanking', 'Softmax', 'Warp']
    """
    return _CATALOGUE.names()


def get(name: str, **hyperparameters) -> keras.losses.Loss:
    """Makes a loss from its name.

    Args:
        name: class name; case, underscores and a final "Loss" do not matter: "cross_entropy",
            "CrossEntropy" and "CrossEntropyLoss" are one.
        **hyperparameters: keyword arguments of the class.

    Returns:
        The loss.

    Raises:
        ValueError: the name or a hyperparameter is unknown, or a value is out of its range.

    Example:
        >>> from yt8m.modeling import losses
        >>> losses.get("cross_entropy", label_smoothing=0.1).label_smoothing
        0.1
    """
    cls = _CATALOGUE.find(name)
    _CATALOGUE.check(cls, hyperparameters, besides={"reduction"})
    return cls(**hyperparameters)


def from_spec(text: str) -> Call:
    """Parses and checks the spec of a loss, such as `cross_entropy(label_smoothing=0.1)`.

    Returns:
        The loss's class name and all its hyperparameters, to be given to `get`.

    Raises:
        ValueError: as `get`, or the text is no spec.

    Example:
        >>> from yt8m.modeling import losses
        >>> losses.from_spec("cross_entropy(label_smoothing=0.1)")
        CrossEntropy(label_smoothing=0.1, epsilon=1e-05, alpha=0.5)
    """
    return _CATALOGUE.from_spec(text, get)


def for_evaluation(call: Call) -> keras.losses.Loss:
    """Makes the loss to evaluate with: the loss of the training, without label smoothing.

    Args:
        call: the loss of the training, as `from_spec` returns it.

    Example:
        >>> from yt8m.modeling import losses
        >>> trained_with = losses.from_spec("cross_entropy(label_smoothing=0.1)")
        >>> losses.for_evaluation(trained_with).label_smoothing
        0.0
    """
    arguments = dict(call.arguments)
    arguments.pop("label_smoothing", None)
    return get(call.name, **arguments)
