"""Each frame projected to units that are normalised."""

import math

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer
from frame_models.layers.padding import zero_padding
from video_models.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable(package="frame_models")
class FrameProjection(FrameLayer):
    """Projects each frame to units, `BN(x @ kernel)`; subclasses have an activation.

    Padding gives 0, and the batch norm does not see it.

    Args:
        clusters: number of units.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, time, clusters)`. The mask goes along.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        A batch norm in place of the bias and a kernel from N(0, 1 / sqrt(size)), as in the
        google/youtube-8m starter code and that of Miech, Laptev and Sivic.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(FrameProjection(clusters=4)(frames).shape)
        (2, 5, 4)
    """

    ends_mask = False

    def __init__(self, clusters: int, momentum: float = 0.99, epsilon: float = 0.001, **kwargs):
        super().__init__(**kwargs)
        if clusters < 1:
            raise ValueError(f"clusters must be positive. Received: clusters={clusters}.")
        self.clusters = clusters
        self.momentum = momentum
        self.epsilon = epsilon

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
        """Returns the units of each frame."""
        return self.units(inputs, mask, training)

    def units(self, inputs, mask, training):
        """Returns the units of each frame behind their activation; zeros where there is padding."""
        units = ops.matmul(zero_padding(inputs, mask), ops.cast(self.kernel, self.compute_dtype))
        units = self.batch_norm(units, mask=mask, training=training)
        return zero_padding(self.activate(units), mask)

    def activate(self, units):
        """The activation: there is none here."""
        return units

    def compute_output_shape(self, input_shape):
        """Replaces the size by the number of units."""
        return (*input_shape[:-1], self.clusters)
