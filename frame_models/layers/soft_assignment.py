"""How much each frame belongs to each cluster."""

import math

import keras
from keras import ops

from frame_models.layers.padding import zero_padding
from video_models.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable(package="frame_models")
class SoftAssignment(keras.layers.Layer):
    """Shares each frame out among clusters: `softmax(BN(x @ kernel))` over the clusters.

    Every frame gives 1 in all, and padding gives 0. The batch norm does not see padding.

    Args:
        clusters: number of clusters.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, time, clusters)`.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, equation 3, with the authors'
        batch norm in place of the bias; kernel from N(0, 1 / sqrt(size)).
    """

    def __init__(self, clusters: int, momentum: float = 0.99, epsilon: float = 0.001, **kwargs):
        super().__init__(**kwargs)
        if clusters < 1:
            raise ValueError(f"clusters must be positive. Received: clusters={clusters}.")
        self.clusters = clusters
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

    def call(self, inputs, mask=None, training=None):
        """Returns the shares of each frame."""
        scores = ops.matmul(zero_padding(inputs, mask), ops.cast(self.kernel, self.compute_dtype))
        scores = self.batch_norm(scores, mask=mask, training=training)
        return zero_padding(ops.softmax(scores, axis=-1), mask)

    def compute_output_shape(self, input_shape):
        """Replaces the size by the number of clusters."""
        return (*input_shape[:-1], self.clusters)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "clusters": self.clusters,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
