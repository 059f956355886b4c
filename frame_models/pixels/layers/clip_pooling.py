"""Pools of clips: those of Keras, in float32 where TensorFlow's CPU has no float16."""

import keras
from keras import ops


class _InFloat32:
    """Computes in float32 in place of float16, which TensorFlow cannot pool in 3D on a CPU."""

    def call(self, inputs):
        """Pools time, height and width."""
        if self.compute_dtype != "float16":
            return super().call(inputs)
        return ops.cast(super().call(ops.cast(inputs, "float32")), "float16")


@keras.saving.register_keras_serializable(package="frame_models")
class ClipMaxPooling(_InFloat32, keras.layers.MaxPooling3D):
    """`keras.layers.MaxPooling3D` that also works in float16 on a CPU.

    Args:
        pool_size: the window, (time, height, width) or one number for all.
        strides: from a window to the next; None for the size of the window.
        padding: "valid" or "same".
        **kwargs: what Keras' layer takes besides.

    Input shape:
        (batch, time, height, width, channels), with `data_format="channels_last"`.

    Output shape:
        The same axes, those of time and space shorter.

    Example:
        >>> clip = np.arange(8.0).reshape(1, 2, 2, 2, 1)  # 2 frames of 2 x 2 pixels
        >>> pool = ClipMaxPooling((1, 2, 2), data_format="channels_last", dtype="float16")
        >>> keras.ops.convert_to_numpy(pool(clip)).ravel().tolist()
        [3.0, 7.0]
    """


@keras.saving.register_keras_serializable(package="frame_models")
class ClipAveragePooling(_InFloat32, keras.layers.AveragePooling3D):
    """`keras.layers.AveragePooling3D` that also works in float16 on a CPU.

    Args:
        pool_size: the window, (time, height, width) or one number for all.
        strides: from a window to the next; None for the size of the window.
        padding: "valid" or "same".
        **kwargs: what Keras' layer takes besides.

    Input shape:
        (batch, time, height, width, channels), with `data_format="channels_last"`.

    Output shape:
        The same axes, those of time and space shorter.

    Example:
        >>> clip = np.arange(8.0).reshape(1, 2, 2, 2, 1)  # 2 frames of 2 x 2 pixels
        >>> pool = ClipAveragePooling((1, 2, 2), data_format="channels_last", dtype="float16")
        >>> keras.ops.convert_to_numpy(pool(clip)).ravel().tolist()
        [1.5, 5.5]
    """
