"""The layers between a record and a model: they are saved with the model, so served with it."""

from __future__ import annotations

import keras
from keras import ops

_PACKAGE = "yt8m"
_EPSILON = 1e-12


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Dequantize(keras.layers.Layer):
    """Maps bytes back to the values they stand for: `x = q * range/255 + range/512 + min_value`.

    The half step `range/512` is what YouTube-8M's reader adds: byte 255 gives 2.0078125 and byte 0
    gives -1.9921875, in `[min_value, max_value]` = [-2, 2].

    Args:
        min_value: what byte 0 stands for, less the half step.
        max_value: what byte 255 stands for, less the half step.

    Input shape:
        Any, uint8.

    Output shape:
        The same, float32.

    Reference:
        `Dequantize` of the google/youtube-8m starter code.

    Example:
        >>> [float(x) for x in Dequantize()(np.array([0, 255], "uint8"))]
        [-1.9921875, 2.0078125]
    """

    def __init__(self, min_value: float = -2.0, max_value: float = 2.0, **kwargs):
        super().__init__(**({"dtype": "float32"} | kwargs))
        if not min_value < max_value:
            raise ValueError(
                "min_value must be below max_value. "
                f"Received: min_value={min_value}, max_value={max_value}."
            )
        self.min_value = min_value
        self.max_value = max_value

    def call(self, quantized):
        """Returns the values."""
        value_range = self.max_value - self.min_value
        values = ops.cast(quantized, "float32") * (value_range / 255.0)
        return values + (value_range / 512.0 + self.min_value)

    def compute_output_spec(self, quantized):
        """Returns float32 of the input's shape."""
        return keras.KerasTensor(quantized.shape, dtype="float32")

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return super().get_config() | {"min_value": self.min_value, "max_value": self.max_value}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class JointL2Normalize(keras.layers.Layer):
    """Scales several features of a vector together to unit L2 norm, as if they were joined.

    `x / sqrt(max(sum over all features of x^2, epsilon))`; a vector of zeros stays zero.

    Args:
        epsilon: the least sum of squares divided by.

    Input shape:
        A list of tensors (..., size) that differ in their last axis only.

    Output shape:
        The same list of shapes, float32.

    Reference:
        The google/youtube-8m starter code normalises the joined frame of 1152 values.

    Example:
        >>> rgb, audio = JointL2Normalize()([np.array([[3.0]]), np.array([[4.0]])])
        >>> round(float(rgb[0, 0]), 3), round(float(audio[0, 0]), 3)
        (0.6, 0.8)
    """

    def __init__(self, epsilon: float = _EPSILON, **kwargs):
        super().__init__(**({"dtype": "float32"} | kwargs))
        self.epsilon = epsilon

    def call(self, features):
        """Returns the scaled features, a list."""
        features = [ops.cast(feature, "float32") for feature in features]
        squares = sum(ops.sum(ops.square(x), axis=-1, keepdims=True) for x in features)
        scale = ops.rsqrt(ops.maximum(squares, self.epsilon))
        return [feature * scale for feature in features]

    def compute_output_spec(self, features):
        """Returns float32 tensors of the inputs' shapes."""
        return [keras.KerasTensor(feature.shape, dtype="float32") for feature in features]

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class RMSNormalize(keras.layers.Layer):
    """Scales each of several features to unit root mean square, each by itself.

    `x / sqrt(max(mean(x^2), epsilon))`; a vector of zeros stays zero. A value of every feature is
    then of about unit size, whatever the features' own scales are.

    Args:
        epsilon: the least mean square divided by.

    Input shape:
        A list of tensors (..., size) that differ in their last axis only.

    Output shape:
        The same list of shapes, float32.

    Example:
        >>> [rgb] = RMSNormalize()([np.array([[3.0, -3.0]])])
        >>> keras.ops.convert_to_numpy(rgb).round(3).tolist()
        [[1.0, -1.0]]
    """

    def __init__(self, epsilon: float = _EPSILON, **kwargs):
        super().__init__(**({"dtype": "float32"} | kwargs))
        self.epsilon = epsilon

    def call(self, features):
        """Returns the scaled features, a list."""
        return [self._scaled(ops.cast(feature, "float32")) for feature in features]

    def _scaled(self, x):
        squares = ops.mean(ops.square(x), axis=-1, keepdims=True)
        return x * ops.rsqrt(ops.maximum(squares, self.epsilon))

    def compute_output_spec(self, features):
        """Returns float32 tensors of the inputs' shapes."""
        return [keras.KerasTensor(feature.shape, dtype="float32") for feature in features]

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class FrameMask(keras.layers.Layer):
    """Tells frames from padding: true for the first `num_frames` of each video.

    Input shape:
        A list: frames (batch, time, size), and num_frames (batch,) of integers.

    Output shape:
        (batch, time), bool.

    Example:
        >>> mask = FrameMask()([np.ones((2, 3, 8)), np.array([3, 1])])
        >>> keras.ops.convert_to_numpy(mask).tolist()
        [[True, True, True], [True, False, False]]
    """

    def call(self, inputs):
        """Returns the mask."""
        frames, num_frames = inputs
        return ops.arange(ops.shape(frames)[1]) < ops.expand_dims(ops.cast(num_frames, "int32"), 1)

    def compute_output_spec(self, inputs):
        """Returns a bool tensor of the frames' first two axes."""
        return keras.KerasTensor(inputs[0].shape[:2], dtype="bool")


@keras.saving.register_keras_serializable(package=_PACKAGE)
class ScaleBytes(keras.layers.Layer):
    """Maps bytes to numbers from -1 to 1: `(byte - zero) / half`.

    Args:
        zero: the byte that is 0.
        half: by how much a byte differs from it that is 1.

    Input shape:
        Any, uint8.

    Output shape:
        The same, of the layer's compute dtype.

    Example:
        >>> scale = ScaleBytes(zero=127.5, half=127.5)
        >>> [float(x) for x in scale(np.array([0, 255], "uint8"))]
        [-1.0, 1.0]
    """

    def __init__(self, zero: float, half: float, **kwargs):
        super().__init__(**kwargs)
        self.zero = zero
        self.half = half

    def call(self, stored):
        """Returns the numbers."""
        values = (ops.cast(stored, "float32") - self.zero) / self.half
        return ops.cast(values, self.compute_dtype)

    def compute_output_spec(self, stored):
        """Returns the compute dtype, of the input's shape."""
        return keras.KerasTensor(stored.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return super().get_config() | {"zero": self.zero, "half": self.half}
