"""DBoF: frames projected to many units, each unit pooled over time."""

import math

import keras
from keras import ops

from frame_models.layers.masked_average import MaskedAverage
from frame_models.layers.padding import zero_padding
from video_models.layers.batch_norm import BatchNorm

ACTIVATIONS = ("sigmoid", "relu6")
POOLINGS = ("max", "average")


@keras.saving.register_keras_serializable(package="frame_models")
class DeepBagOfFrames(keras.layers.Layer):
    """Projects each frame, `activation(BN(x @ kernel))`, and takes each unit's maximum or mean.

    Args:
        clusters: number of units.
        activation: "sigmoid" or "relu6".
        pooling: "max" or "average", over the frames.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, clusters)`; zeros for a video without frames. The mask ends here.

    Raises:
        ValueError: an argument is none of those above.

    Reference:
        Abu-El-Haija et al., https://arxiv.org/abs/1609.08675, section 5.1.2, and `DbofModel` of the
        google/youtube-8m starter code; kernel from N(0, 1 / sqrt(size)).
    """

    def __init__(
        self,
        clusters: int,
        activation: str = "sigmoid",
        pooling: str = "max",
        momentum: float = 0.99,
        epsilon: float = 0.001,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if clusters < 1:
            raise ValueError(f"clusters must be positive. Received: clusters={clusters}.")
        _check("activation", activation, ACTIVATIONS)
        _check("pooling", pooling, POOLINGS)
        self.clusters = clusters
        self.activation = activation
        self.pooling = pooling
        self.momentum = momentum
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape):
        """Makes the kernel and the batch norm."""
        size = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, self.clusters),
            initializer=keras.initializers.RandomNormal(stddev=1 / math.sqrt(size)),
        )
        self.batch_norm = BatchNorm(
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=self.dtype_policy,
            name="batch_norm",
        )
        self.batch_norm.build((*input_shape[:-1], self.clusters))
        self.average = MaskedAverage(dtype=self.dtype_policy, name="average")

    def call(self, inputs, mask=None, training=None):
        """Returns the pooled units of each video."""
        units = ops.matmul(zero_padding(inputs, mask), ops.cast(self.kernel, self.compute_dtype))
        units = self.batch_norm(units, mask=mask, training=training)
        units = ops.sigmoid(units) if self.activation == "sigmoid" else ops.relu6(units)
        if self.pooling == "average":
            return self.average(units, mask=mask)
        # Neither activation is ever negative, so the zeros of the padding are no maximum.
        return ops.max(zero_padding(units, mask), axis=1)

    def compute_mask(self, inputs, previous_mask=None):
        """Returns None: without a time axis there is nothing left to mask."""
        return None

    def compute_output_shape(self, input_shape):
        """Puts the units in the place of time."""
        return (input_shape[0], self.clusters)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "clusters": self.clusters,
            "activation": self.activation,
            "pooling": self.pooling,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


def _check(name: str, value: str, valid: tuple[str, ...]):
    if value not in valid:
        raise ValueError(f"{name} must be one of {', '.join(valid)}. Received: {name}={value!r}.")
