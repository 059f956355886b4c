"""A convolution over clips: that of Keras, in float32 where TensorFlow's CPU fails in bfloat16."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class Conv3D(keras.layers.Conv3D):
    """`keras.layers.Conv3D` whose bfloat16 is safe on a CPU.

    On processors with AMX TensorFlow's convolution of clips in bfloat16 gives NaN at random for
    some numbers of channels, 14 and 18 among them (TensorFlow 2.21 with oneDNN; none with
    `TF_ENABLE_ONEDNN_OPTS=0`). There this layer convolves in float32 what the policy made
    bfloat16, and makes the result bfloat16 again, which is what such a convolution is to give. On
    GPUs and TPUs, and with other backends, it is Keras' layer.

    Args:
        *args: what Keras' layer takes: filters, kernel_size, strides, ...
        **kwargs: likewise.

    Input shape:
        (batch, time, height, width, channels), with `data_format="channels_last"`.

    Output shape:
        (batch, time, height, width, filters); padding "valid" and strides shorten time and space.

    Example:
        >>> clip = np.ones((1, 4, 8, 8, 3))  # 4 frames of 8 x 8 pixels
        >>> layer = Conv3D(18, kernel_size=3, data_format="channels_last", dtype="bfloat16")
        >>> answer = layer(clip)
        >>> tuple(answer.shape)
        (1, 2, 6, 6, 18)
        >>> bool(keras.ops.any(keras.ops.isnan(answer)))
        False
    """

    def convolution_op(self, inputs, kernel):
        """Convolves, in float32 where bfloat16 is not safe."""
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype != "bfloat16" or not _runs_on_tensorflow_cpu():
            return super().convolution_op(inputs, kernel)
        exact = super().convolution_op(ops.cast(inputs, "float32"), ops.cast(kernel, "float32"))
        return ops.cast(exact, dtype)


def _runs_on_tensorflow_cpu() -> bool:
    """Whether TensorFlow computes, and has nothing but CPUs to compute on."""
    if keras.config.backend() != "tensorflow":
        return False
    # Without a type, Keras lists the accelerators where there are any.
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())
