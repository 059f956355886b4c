"""DBoF: frames projected to many units, each unit pooled over time."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FramePooling
from frame_models.layers.frame_projection import FrameProjection
from frame_models.layers.masked_average import MaskedAverage

ACTIVATIONS = ("sigmoid", "relu6")
POOLINGS = ("max", "average")


@keras.saving.register_keras_serializable(package="frame_models")
class DeepBagOfFrames(FramePooling, FrameProjection):
    """Projects each frame, `activation(BN(x @ kernel))`, and takes each unit's maximum or mean.

    Args:
        clusters: number of units.
        activation: "sigmoid" or "relu6".
        pooling: "max" or "average", over the frames.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, clusters)`; zeros for a video without frames. The mask ends here.

    Raises:
        ValueError: an argument is none of those above.

    Reference:
        Abu-El-Haija et al., https://arxiv.org/abs/1609.08675, section 5.1.2, and `DbofModel` of the
        google/youtube-8m starter code; kernel from N(0, 1 / sqrt(size)).

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(DeepBagOfFrames(clusters=16)(frames).shape)
        (2, 16)
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
        super().__init__(clusters=clusters, momentum=momentum, epsilon=epsilon, **kwargs)
        _check("activation", activation, ACTIVATIONS)
        _check("pooling", pooling, POOLINGS)
        self.activation = activation
        self.pooling = pooling

    def build(self, input_shape):
        """Makes the kernel, the batch norm and the average."""
        super().build(input_shape)
        self.average = MaskedAverage(dtype=self.dtype_policy, name="average")

    def call(self, inputs, mask=None, training=None):
        """Returns the pooled units of each video."""
        units = self.units(inputs, mask, training)
        if self.pooling == "average":
            return self.average(units, mask=mask)
        # Neither activation is ever negative, so the zeros of the padding are no maximum.
        return ops.max(units, axis=1)

    def activate(self, units):
        """The sigmoid, or a ReLU that ends at 6."""
        return ops.sigmoid(units) if self.activation == "sigmoid" else ops.relu6(units)

    def intermediates(self, inputs, mask=None):
        """Returns `units` (batch, time, clusters), before they are pooled."""
        return {"units": self.units(inputs, mask, training=False)}

    def output_size(self, size: int) -> int:
        """One value for each unit."""
        return self.clusters


def _check(name: str, value: str, valid: tuple[str, ...]):
    if value not in valid:
        raise ValueError(f"{name} must be one of {', '.join(valid)}. Received: {name}={value!r}.")
