"""Training losses on scores, hinge, softmax and ranking losses: part of `yt8m.modeling.losses`.

A score may be any number, and only sums and differences of scores count. The models answer
probabilities, so each of these losses has `scores`, which tells how to make scores of them.
"""

import keras
import numpy as np
from keras import ops

_NEAREST = 1e-7  # How near to 0 and 1 a probability may come before its log-odds are taken.
_SMALLEST = 1e-30  # Probability whose logarithm and its gradient are safe in float32.


def _log_odds(probabilities):
    inside = ops.clip(probabilities, _NEAREST, 1 - _NEAREST)
    return ops.log(inside) - ops.log1p(-inside)


def _log(probabilities):
    return ops.log(ops.clip(probabilities, _SMALLEST, 1.0))


def _same(probabilities):
    return probabilities


_SCORES = {"logits": _log_odds, "log_probabilities": _log, "probabilities": _same}


class _ScoreLoss(keras.losses.Loss):
    """What the losses on scores share: how scores are made, and float32."""

    def __init__(self, scores: str, reduction: str | None, name: str):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if scores not in _SCORES:
            raise ValueError(
                f"scores must be {', '.join(map(repr, _SCORES))}. Received: scores={scores!r}."
            )
        self.scores = scores

    def _prepare(self, y_true, y_pred):
        """Casts both to float32 and makes scores of the probabilities."""
        return ops.cast(y_true, "float32"), _SCORES[self.scores](ops.cast(y_pred, "float32"))

    def get_config(self):
        """Returns the arguments the loss was made with."""
        return {**super().get_config(), "scores": self.scores}


@keras.saving.register_keras_serializable(package="yt8m")
class Hinge(_ScoreLoss):
    """Hinge loss, summed over the classes: the margin of a support vector machine for each.

    For each video `sum_c max(0, 1 - y f)`, y 1 for a label and -1 for another class, f the score.

    Args:
        scores: what f is of a probability p. "logits" is `log(p / (1 - p))`, what a sigmoid head
            has before its sigmoid, with p held 1e-7 away from 0 and 1. "log_probabilities" is
            `log(p)`, which suits a softmax head: the softmax of `log(p)` is p. "probabilities" is
            p itself, as in the starter code.
        reduction: as in `keras.losses.Loss`; None gives one value a video.
        name: name of the loss.

    Input shape:
        y_true `(..., classes)`, 1 for the labels of a video and else 0; y_pred the same shape,
        probabilities.

    Raises:
        ValueError: `scores` is none of the three.

    Reference:
        `HingeLoss` of the google/youtube-8m starter code, with `scores="probabilities"`.

    Example:
        >>> from yt8m.modeling import losses
        >>> loss = losses.get("hinge", scores="probabilities")
        >>> round(float(loss([[1, 0]], [[0.8, 0.1]])), 3)  # (1 - 0.8) + (1 + 0.1)
        1.3
    """

    def __init__(
        self,
        scores: str = "logits",
        reduction: str | None = "sum_over_batch_size",
        name: str = "hinge",
    ):
        super().__init__(scores, reduction, name)

    def call(self, y_true, y_pred, label_weights=None):
        """Returns the loss of each video, (...); see `losses.label_weighted` for the weights."""
        labels, scores = self._prepare(y_true, y_pred)
        terms = ops.relu(1 - (2 * labels - 1) * scores)
        return ops.sum(terms if label_weights is None else terms * label_weights, axis=-1)


@keras.saving.register_keras_serializable(package="yt8m")
class Softmax(_ScoreLoss):
    """Cross-entropy between the labels, sharing a sum of 1 equally, and a softmax of the scores.

    For each video with labels `-sum_c y_c / |y| log(softmax(f)_c)`; a video without labels has
    the loss 0.

    Args:
        scores: what f is of a probability p, see `Hinge`. A softmax head (`video_models.softmax`)
            takes "log_probabilities".
        reduction: as in `keras.losses.Loss`; None gives one value a video.
        name: name of the loss.

    Input shape:
        y_true `(..., classes)`, 1 for the labels of a video and else 0; y_pred the same shape,
        probabilities.

    Raises:
        ValueError: `scores` is none of the three.

    Reference:
        Gong et al., Deep convolutional ranking for multilabel image annotation,
        https://arxiv.org/abs/1312.4894; `SoftmaxLoss` of the google/youtube-8m starter code, with
        `scores="probabilities"`.

    Example:
        >>> from yt8m.modeling import losses
        >>> loss = losses.get("softmax", scores="log_probabilities")
        >>> round(float(loss([[1, 0, 0]], [[0.7, 0.2, 0.1]])), 3)  # -log 0.7
        0.357
    """

    def __init__(
        self,
        scores: str = "logits",
        reduction: str | None = "sum_over_batch_size",
        name: str = "softmax",
    ):
        super().__init__(scores, reduction, name)

    def call(self, y_true, y_pred):
        """Returns the loss of each video, (...)."""
        labels, scores = self._prepare(y_true, y_pred)
        shares = labels / ops.maximum(ops.sum(labels, axis=-1, keepdims=True), 1)
        return -ops.sum(shares * ops.log_softmax(scores, axis=-1), axis=-1)


@keras.saving.register_keras_serializable(package="yt8m")
class PairwiseRanking(_ScoreLoss):
    """Ranks every label of a video above every other class, by a margin of 1.

    For each video the sum of `max(0, 1 - f+ + f-)` over all pairs of a label's score f+ and
    another class's score f-; 0 where a video has all labels or none.

    The pairs are never made: one sort of a video's scores and running sums give the exact loss
    and gradient, in memory proportional to the scores. For 1024 videos of 3862 classes they took
    0.5 s of processor time and 320 MiB, with XLA 0.7 s and 180 MiB, where the pairs fill 57 GiB:
    `tape.gradient(loss.call(y, p), p)` in a `tf.function` of its own process, TensorFlow 2.21 on
    a CPU, the highest resident memory less that before the call.

    Args:
        scores: what f is of a probability p, see `Hinge`.
        reduction: as in `keras.losses.Loss`; None gives one value a video.
        name: name of the loss.

    Input shape:
        y_true `(..., classes)`, 1 for the labels of a video and else 0; y_pred the same shape,
        probabilities.

    Raises:
        ValueError: `scores` is none of the three.

    Reference:
        Gong et al., Deep convolutional ranking for multilabel image annotation,
        https://arxiv.org/abs/1312.4894.

    Example:
        >>> from yt8m.modeling import losses
        >>> loss = losses.get("pairwise_ranking", scores="probabilities")
        >>> round(float(loss([[1, 0, 0]], [[0.7, 0.2, 0.1]])), 3)  # (0.3 + 0.2) + (0.3 + 0.1)
        0.9
    """

    def __init__(
        self,
        scores: str = "logits",
        reduction: str | None = "sum_over_batch_size",
        name: str = "pairwise_ranking",
    ):
        super().__init__(scores, reduction, name)

    def call(self, y_true, y_pred):
        """Returns the loss of each video, (...)."""
        labels, scores = self._prepare(y_true, y_pred)
        return _weighted_pairs(scores, labels)


@keras.saving.register_keras_serializable(package="yt8m")
class Warp(_ScoreLoss):
    """Weighted approximate-rank pairwise loss: labels that rank low weigh more.

    For each video the sum of `L(r) max(0, 1 - f+ + f-)` over all pairs, as in `PairwiseRanking`,
    with `L(r) = 1 + 1/2 + ... + 1/r` and r the rank of the label among the other classes: one more
    than the number of them with a strictly higher probability. Counting from one keeps the margin
    of a label that ranks first, whose weight would be 0 otherwise. The rank is exact, where the
    original estimates it from samples, and a constant for the gradient.

    The pairs are never made, see `PairwiseRanking`; the ranks take one more sort. Measured alike,
    1024 videos of 3862 classes took 0.8 s of processor time and 350 MiB, with XLA 1.1 s and
    240 MiB.

    Args:
        scores: what f is of a probability p, see `Hinge`.
        reduction: as in `keras.losses.Loss`; None gives one value a video.
        name: name of the loss.

    Input shape:
        y_true `(..., classes)`, 1 for the labels of a video and else 0; y_pred the same shape,
        probabilities.

    Raises:
        ValueError: `scores` is none of the three.

    Reference:
        Weston, Bengio and Usunier, WSABIE: scaling up to large vocabulary image annotation, 2011;
        for many labels Gong et al., https://arxiv.org/abs/1312.4894.

    Example:
        >>> from yt8m.modeling import losses
        >>> loss = losses.get("warp", scores="probabilities")
        >>> round(float(loss([[1, 0]], [[0.3, 0.7]])), 3)  # The label ranks second: (1 + 1/2) * 1.4
        2.1
    """

    def __init__(
        self,
        scores: str = "logits",
        reduction: str | None = "sum_over_batch_size",
        name: str = "warp",
    ):
        super().__init__(scores, reduction, name)

    def call(self, y_true, y_pred):
        """Returns the loss of each video, (...)."""
        labels, scores = self._prepare(y_true, y_pred)
        # Ranked by probability, which is the order of the scores: the logarithms of two equal
        # probabilities may differ in the last bit on a CPU, which would break the tie.
        probabilities = ops.stop_gradient(ops.cast(y_pred, "float32"))
        ranked, order = ops.top_k(probabilities, scores.shape[-1])
        labels = ops.take_along_axis(labels, order, axis=-1)
        higher = ops.cast(_strictly_higher_negatives(ranked, labels), "int32")
        harmonic = np.cumsum(1 / np.arange(1.0, scores.shape[-1] + 1)).astype("float32")
        weights = labels * ops.take(harmonic, higher)
        return _weighted_pairs(ops.take_along_axis(scores, order, axis=-1), weights)


def _weighted_pairs(scores, weights):
    """The sum of `w+ max(0, 1 - f+ + f-)` over the pairs of a positive and a negative.

    Scores of negatives and thresholds `f+ - 1` of positives are sorted together, highest first: a
    positive is violated by the negatives before it. What they exceed its threshold by grows from
    place to place by (negatives so far) * (the step down), so that it is a running sum of terms
    that are not negative: nothing cancels, and float32 suffices.

    Except at its kinks, the loss is linear in the scores. Its gradient is therefore known, and the
    backend gets it as a linear term of value 0 instead of deriving it through the sort.

    Args:
        scores: (..., classes).
        weights: (..., classes), constants, above 0 for the positives and 0 for the negatives.

    Returns:
        (...), one sum a video.
    """
    margins = ops.cast(weights > 0, "float32")
    keys, order = ops.top_k(ops.stop_gradient(scores) - margins, scores.shape[-1])
    weights = ops.take_along_axis(weights, order, axis=-1)
    negatives = ops.cast(weights == 0, "float32")
    before = ops.cumsum(negatives, axis=-1)
    excess = ops.cumsum(before[..., :-1] * (keys[..., :-1] - keys[..., 1:]), axis=-1)
    value = ops.sum(weights[..., 1:] * excess, axis=-1)
    weights_after = ops.flip(ops.cumsum(ops.flip(weights, axis=-1), axis=-1), axis=-1)
    slopes = negatives * weights_after - weights * before
    sorted_scores = ops.take_along_axis(scores, order, axis=-1)
    return value + ops.sum(slopes * (sorted_scores - ops.stop_gradient(sorted_scores)), axis=-1)


def _strictly_higher_negatives(ranked, labels):
    """How many negatives score strictly higher, (..., classes), for scores sorted downwards."""
    negatives = 1 - labels
    before = ops.cumsum(negatives, axis=-1) - negatives
    # Equal scores share the count at the first of them; the others' is 0 until the maximum.
    first = ops.cast(ranked[..., 1:] < ranked[..., :-1], "float32")
    higher = ops.concatenate([before[..., :1], before[..., 1:] * first], axis=-1)
    return _running_maximum(higher)


def _running_maximum(x):
    """The greatest value up to each place of the last axis.

    Keras' `associative_scan` does not compile with XLA on TensorFlow (Keras 3.15).
    """
    step = 1
    while step < x.shape[-1]:
        x = ops.concatenate([x[..., :step], ops.maximum(x[..., step:], x[..., :-step])], axis=-1)
        step *= 2
    return x
