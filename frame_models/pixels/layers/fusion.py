"""One answer of the probabilities of several models."""

import keras
from keras import ops

KINDS = ("average", "product")
_SMALLEST = 1e-30


@keras.saving.register_keras_serializable(package="frame_models")
class Fusion(keras.layers.Layer):
    """Averages probabilities, or multiplies them and makes the product sum to one again.

    The product of two softmaxes, so scaled, is the softmax of their logits' sum. It is for data
    with one label a video. It computes in float32 unless told otherwise.

    Args:
        kind: "average" or "product".
        shares: how much each model counts beside the others. In a product of n models they are
            exponents that are scaled to a sum of n: alike, each is 1.
        dtype: dtype or dtype policy of the computation and the output.
        **kwargs: what every Keras layer takes, such as `name`.

    Input shape:
        `(batch, models, classes)`, probabilities.

    Output shape:
        `(batch, classes)`.

    Raises:
        ValueError: `kind` is neither of these, a share is negative, or all are 0.

    Example:
        >>> answers = np.array([[[0.5, 0.5], [0.75, 0.25]]])  # of 2 models on one video
        >>> keras.ops.convert_to_numpy(Fusion()(answers)).tolist()
        [[0.625, 0.375]]
        >>> keras.ops.convert_to_numpy(Fusion("product")(answers)).round(4).tolist()
        [[0.75, 0.25]]
    """

    def __init__(
        self,
        kind: str = "average",
        shares: tuple[float, ...] = (0.5, 0.5),
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if kind not in KINDS:
            raise ValueError(
                f"fusion must be one of {', '.join(KINDS)}. Received: fusion={kind!r}."
            )
        if not shares or min(shares) < 0 or sum(shares) <= 0:
            raise ValueError(
                f"weights must be 0 or more, and one of them more. Received: weights={shares}."
            )
        self.kind = kind
        self.shares = tuple(shares)

    def call(self, inputs):
        """Sums over the models."""
        shares = [share / sum(self.shares) for share in self.shares]
        if self.kind == "average":
            return sum(share * inputs[:, i] for i, share in enumerate(shares))
        logs = ops.log(ops.maximum(inputs, _SMALLEST))
        total = sum(len(shares) * share * logs[:, i] for i, share in enumerate(shares))
        return ops.softmax(total, axis=-1)

    def compute_output_shape(self, input_shape):
        """Removes the axis of the models."""
        return (input_shape[0], *input_shape[2:])

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {**super().get_config(), "kind": self.kind, "shares": self.shares}
