"""A depthwise convolution over clips, which Keras has over images alone."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class DepthwiseConv3D(keras.layers.Layer):
    """Convolves each channel of a clip by itself, over time, height and width.

    It is a sum of depthwise convolutions over images, one for each step of the kernel in time,
    each of the frames that many steps later. It does not pad time: pad the clip before it.

    Args:
        kernel_size: frames, rows and columns of the kernel.
        strides: steps in time, height and width.
        dilation_rate: rows and columns from one value of the kernel to the next.
        padding: "same" or "valid", of height and width.
        depth_multiplier: output channels for each channel of the input.
        use_bias: whether to add a bias.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, height, width, channels)`, float.

    Output shape:
        `(batch, (time - kernel) // stride + 1, height, width, channels * depth_multiplier)`,
        height and width as the padding and the strides make them.

    Example:
        >>> clip = np.array([1.0, 2.0, 5.0]).reshape(1, 3, 1, 1, 1)  # 3 frames of one pixel
        >>> layer = DepthwiseConv3D(kernel_size=(2, 1, 1), use_bias=False)
        >>> layer.build(clip.shape)
        >>> layer.set_weights([np.array([-1.0, 1.0]).reshape(2, 1, 1, 1, 1)])
        >>> keras.ops.convert_to_numpy(layer(clip)).ravel().tolist()  # a frame less that before it
        [1.0, 3.0]
    """

    def __init__(
        self,
        kernel_size: tuple[int, int, int] = (3, 3, 3),
        strides: tuple[int, int, int] = (1, 1, 1),
        dilation_rate: tuple[int, int] = (1, 1),
        padding: str = "same",
        depth_multiplier: int = 1,
        use_bias: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.dilation_rate = tuple(dilation_rate)
        self.padding = padding
        self.depth_multiplier = depth_multiplier
        self.use_bias = use_bias

    def build(self, input_shape):
        """Makes the kernel (time, height, width, channels, multiplier) and the bias."""
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(*self.kernel_size, channels, self.depth_multiplier)
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(channels * self.depth_multiplier,), initializer="zeros"
            )

    def call(self, inputs):
        """Adds up the steps of the kernel in time."""
        count = inputs.shape[1] if inputs.shape[1] is not None else ops.shape(inputs)[1]
        count = (count - self.kernel_size[0]) // self.strides[0] + 1
        reach = (count - 1) * self.strides[0] + 1
        total = sum(
            self._convolve(inputs[:, step : step + reach : self.strides[0]], self.kernel[step])
            for step in range(self.kernel_size[0])
        )
        total = ops.reshape(total, (-1, count, *total.shape[1:]))
        return ops.add(total, self.bias) if self.use_bias else total

    def _convolve(self, frames, kernel):
        """Convolves each frame as an image, all of them rows of one batch."""
        return ops.depthwise_conv(
            ops.reshape(frames, (-1, *frames.shape[2:])),
            kernel,
            strides=self.strides[1:],
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_last",
        )

    def compute_output_shape(self, input_shape):
        """Computes each axis where it is known."""
        batch, *sides, channels = input_shape
        paddings = ("valid", self.padding, self.padding)
        dilations = (1, *self.dilation_rate)
        spans = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, dilations, strict=True)]
        sides = [
            None if n is None else (-(-n // s) if padding == "same" else (n - k) // s + 1)
            for n, k, s, padding in zip(sides, spans, self.strides, paddings, strict=True)
        ]
        return (batch, *sides, channels * self.depth_multiplier)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "use_bias": self.use_bias,
        }
