"""Context gating: each value is weighed by all the others."""

import math

import keras
from keras import ops

from video_models.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable(package="video_models")
class ContextGating(keras.layers.Layer):
    """Multiplies its input by gates computed from that input: `x * sigmoid(BN(x @ kernel))`.

    It serves hidden vectors, where it models which activations go together, and probabilities,
    where it models which classes do. Give it `dtype="float32"` for probabilities.

    Args:
        remove_diag: leave a value's own contribution out of its gate,
            `x @ kernel - diag(kernel) * x`.
        momentum: of the batch norm's moving statistics. TF-Slim's 0.999 needs thousands of steps
            before the statistics leave their starting values, which breaks evaluation in short
            runs; 0.99 needs hundreds.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        training: whether the batch norm takes the statistics of this batch, and updates its own.

    Input shape:
        `(batch, size)`, float.

    Output shape:
        That of the input.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, equation 6, and the authors'
        code: a batch norm in place of the bias, kernel from N(0, 1 / sqrt(size)).

    Example:
        >>> tuple(ContextGating()(np.ones((2, 8))).shape)
        (2, 8)
    """

    def __init__(
        self,
        remove_diag: bool = False,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.remove_diag = remove_diag
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        """Makes the square kernel and the batch norm."""
        size = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size),
            initializer=keras.initializers.RandomNormal(stddev=1 / math.sqrt(size)),
        )
        self.batch_norm = BatchNorm(
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=self.dtype_policy,
            name="batch_norm",
        )
        self.batch_norm.build(input_shape)

    def call(self, inputs, training=None):
        """Gates the inputs."""
        kernel = ops.cast(self.kernel, self.compute_dtype)
        context = ops.matmul(inputs, kernel)
        if self.remove_diag:
            context = context - ops.diagonal(kernel) * inputs
        return inputs * ops.sigmoid(self.batch_norm(context, training=training))

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "remove_diag": self.remove_diag,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
