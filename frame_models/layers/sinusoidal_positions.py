"""Telling frames apart by their time."""

import math

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer


@keras.saving.register_keras_serializable(package="frame_models")
class SinusoidalPositions(FrameLayer):
    """Adds to every frame a vector that depends only on its position in time.

    The first half of the vector (the larger, where the size is odd) is `sin(t / longest^(i / h))`,
    the second half the cosine of the same, for i = 0, ..., h - 1 and h half the size. It has no
    weights, so videos may be of any length.

    Args:
        longest: wavelength of the slowest wave is about `2 pi * longest` frames.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, size)`, float.

    Output shape:
        That of the input.

    Reference:
        Vaswani et al., Attention is all you need, https://arxiv.org/abs/1706.03762, section 3.5,
        where sines and cosines alternate: the same vectors in another order of their values.

    Example:
        >>> keras.ops.convert_to_numpy(SinusoidalPositions()(np.zeros((1, 5, 4))))[0, 0].tolist()
        [0.0, 0.0, 1.0, 1.0]
    """

    ends_mask = False

    def __init__(self, longest: float = 10000.0, **kwargs):
        super().__init__(**kwargs)
        self.longest = longest

    def call(self, inputs):
        """Adds the positions, which are computed in float32."""
        size = inputs.shape[-1]
        half = (size + 1) // 2
        slowing = ops.arange(half, dtype="float32") * (-math.log(self.longest) / half)
        time = ops.arange(ops.shape(inputs)[1], dtype="float32")
        angles = time[:, None] * ops.exp(slowing)
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[:, :size]
        return inputs + ops.cast(waves, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape
