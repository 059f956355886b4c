"""Context gating through a bottleneck."""

import keras
from keras import ops

from video_models.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable(package="video_models")
class SqueezeGating(keras.layers.Layer):
    """Gates its input through a small layer: `x * sigmoid(relu(BN(x @ squeeze)) @ expand)`.

    It does what context gating does with `2 / reduction` of its weights.

    Args:
        reduction: how many times narrower the small layer is.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        training: whether the batch norm takes the statistics of this batch, and updates its own.

    Input shape:
        `(batch, size)`, float.

    Output shape:
        That of the input.

    Raises:
        ValueError: `reduction` is not positive, or larger than the input.

    Reference:
        Hu et al., https://arxiv.org/abs/1709.01507, as the gate of NeXtVLAD, Lin, Xiao and Fan,
        https://arxiv.org/abs/1811.05014, figure 3, and the authors' code.

    Example:
        >>> tuple(SqueezeGating(reduction=4)(np.ones((2, 8))).shape)
        (2, 8)
    """

    def __init__(
        self, reduction: int = 8, momentum: float = 0.99, epsilon: float = 0.001, **kwargs
    ):
        super().__init__(**kwargs)
        if reduction < 1:
            raise ValueError(f"reduction must be positive. Received: reduction={reduction}.")
        self.reduction = reduction
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        """Makes the two kernels and the batch norm."""
        size = input_shape[-1]
        width = size // self.reduction
        if width < 1:
            raise ValueError(
                f"reduction must not exceed the input's size {size}. "
                f"Received: reduction={self.reduction}."
            )
        initializer = keras.initializers.VarianceScaling(2.0)
        self.squeeze = self.add_weight(name="squeeze", shape=(size, width), initializer=initializer)
        self.expand = self.add_weight(name="expand", shape=(width, size), initializer=initializer)
        self.batch_norm = BatchNorm(
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=self.dtype_policy,
            name="batch_norm",
        )
        self.batch_norm.build((*input_shape[:-1], width))

    def call(self, inputs, training=None):
        """Gates the inputs."""
        context = ops.matmul(inputs, ops.cast(self.squeeze, self.compute_dtype))
        context = ops.relu(self.batch_norm(context, training=training))
        context = ops.matmul(context, ops.cast(self.expand, self.compute_dtype))
        return inputs * ops.sigmoid(context)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "reduction": self.reduction,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
