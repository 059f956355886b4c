"""GAP while training: on the device, in constant memory."""

import keras
from keras import ops

# Scores beyond this distance from one half, in logits, share the outermost bins.
_LOGIT_RANGE = 14.0
# The logit of the closest float32 to 1 is finite: 16.6.
_EPSILON = 1e-7
# Terms summed one by one before the asymptotic series of the harmonic numbers is used.
_SHIFT = 8


@keras.saving.register_keras_serializable(package="yt8m")
class StreamingGAP(keras.metrics.Metric):
    """Global average precision of the k best classes of each video, from a histogram.

    Each batch's top-k scores are counted into bins of equal width in logits, from -14 to 14.
    GAP is read from the counts as if the scores of a bin were equal and in random order (see
    `average_precision`). With 2048 bins it is within 1e-3 of the exact value, typically 1e-5;
    `Evaluation` gives the exact one.

    Counters are integers, int64 on TensorFlow (whose int32 variables do not live on a GPU) and
    int32 on JAX, which holds 100 million videos at top_k 20. `result` is float32: counts are
    exact in sums and rounded to 24 bits only in ratios, so its own error is about 1e-6 at any
    number of videos. All shapes are static, and the state is a sum, so the metric compiles under
    XLA and adds up over replicas.

    The result is NaN after a NaN prediction, and 0 while there are no labels.

    Args:
        top_k: number of classes of each video that are pooled.
        num_bins: number of bins.
        name: name of the metric.
        dtype: dtype of the metric; its arithmetic is float32.

    Raises:
        ValueError: if top_k or num_bins is not positive.

    Example:
        >>> from yt8m import metrics
        >>> gap = metrics.StreamingGAP()
        >>> gap.update_state([[1, 0, 0]], [[0.9, 0.2, 0.1]])
        >>> gap.update_state([[0, 1, 0]], [[0.8, 0.7, 0.3]])
        >>> round(float(gap.result()), 3)
        0.833
    """

    def __init__(
        self,
        top_k: int = 20,
        num_bins: int = 2048,
        name: str = "gap",
        dtype: str | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        for argument, value in (("top_k", top_k), ("num_bins", num_bins)):
            if value < 1:
                raise ValueError(f"{argument} must be positive. Received: {argument}={value}.")
        self.top_k = top_k
        self.num_bins = num_bins
        # Of each bin, the pairs in it and the positives among them.
        self.counts = self._counter((num_bins, 2), "counts")
        self.num_labels = self._counter((), "num_labels")
        self.num_nan = self._counter((), "num_nan")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch.

        Args:
            y_true: (batch, classes), multi-hot; anything but 0 is a label.
            y_pred: (batch, classes), probabilities.
            sample_weight: (batch,) or (batch, 1); a video of weight 0 is left out, any other
                counts once.
        """
        y_true = ops.cast(ops.convert_to_tensor(y_true), "bool")
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        values, classes = ops.top_k(y_pred, min(self.top_k, y_pred.shape[-1]))
        kept = ops.ones_like(values, dtype="int32")
        if sample_weight is not None:
            weight = ops.reshape(ops.convert_to_tensor(sample_weight), (-1, 1))
            kept = kept * ops.cast(ops.not_equal(weight, 0), "int32")
        hits = kept * ops.cast(ops.take_along_axis(y_true, classes, axis=1), "int32")
        pairs = ops.stack([ops.reshape(kept, (-1,)), ops.reshape(hits, (-1,))], axis=-1)
        bins = ops.reshape(self._bin_index(values), (-1,))
        self._add(self.counts, ops.segment_sum(pairs, bins, num_segments=self.num_bins))
        self._add(self.num_labels, ops.sum(kept[:, :1] * ops.cast(y_true, "int32")))
        nan = ops.any(ops.isnan(y_pred), axis=1, keepdims=True)
        self._add(self.num_nan, ops.sum(kept[:, :1] * ops.cast(nan, "int32")))

    def result(self):
        """Returns GAP, a float32 scalar."""
        counts = ops.flip(ops.convert_to_tensor(self.counts), axis=0)
        before = ops.cast(ops.cumsum(counts, axis=0) - counts, "float32")
        counts = ops.cast(counts, "float32")
        precision = _expected_precision(counts[:, 0], counts[:, 1], before[:, 0], before[:, 1])
        num_labels = ops.cast(ops.maximum(self.num_labels, 1), "float32")
        # Shares of the labels, so that no sum is above 1.
        gap = ops.sum(counts[:, 1] / num_labels * precision)
        return ops.where(ops.greater(self.num_nan, 0), float("nan"), gap)

    def get_config(self) -> dict:
        """Returns the arguments that make this metric."""
        return {**super().get_config(), "top_k": self.top_k, "num_bins": self.num_bins}

    def _counter(self, shape: tuple[int, ...], name: str):
        dtype = "int64" if keras.backend.backend() == "tensorflow" else "int32"
        return self.add_variable(shape, "zeros", dtype=dtype, aggregation="sum", name=name)

    def _add(self, counter, amount) -> None:
        counter.assign(counter + ops.cast(amount, counter.dtype))

    def _bin_index(self, scores):
        """Returns the bin of each score, int32, rising with the score."""
        scores = ops.where(ops.isnan(scores), 0.0, scores)
        scores = ops.clip(scores, _EPSILON, 1 - _EPSILON)
        logits = ops.log(scores) - ops.log1p(-scores)
        position = (logits + _LOGIT_RANGE) * (self.num_bins / (2 * _LOGIT_RANGE))
        return ops.cast(ops.clip(ops.floor(position), 0, self.num_bins - 1), "int32")


def _expected_precision(pairs, positives, pairs_before, positives_before):
    """Returns the mean expected precision at the places of each bin, (bins,) float32.

    Both terms stay within [-1, 1] or so, and nothing large cancels: float32 is enough.
    """
    n = ops.maximum(pairs, 1.0)
    slope = ops.maximum(positives - 1.0, 0.0) / ops.maximum(n - 1.0, 1.0)
    constant = positives_before + 1.0 - slope * (pairs_before + 1.0)
    return slope + constant * (_harmonic_difference(pairs_before, n) / n)


def _harmonic_difference(start, count):
    """Returns H(start + count) - H(start), by the first terms and the asymptotic series."""
    steps = ops.arange(1, _SHIFT + 1, dtype="float32")
    near, far = start[:, None] + steps, (start + count)[:, None] + steps
    first = ops.sum(count[:, None] / (near * far), axis=1)
    start = start + float(_SHIFT)
    stop = start + count
    return first + ops.log1p(count / start) + _series(1.0 / stop) - _series(1.0 / start)


def _series(inverse):
    """Returns H(n) - ln(n) - Euler's constant, from 1/n; the next term is below 2e-8 at 8."""
    square = inverse * inverse
    return inverse / 2.0 - square * (1.0 / 12.0 - square / 120.0)
