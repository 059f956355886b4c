"""The colours of an image as a network of another project wants them."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class ImageColors(keras.layers.Layer):
    """Turns pixels from -1 to 1 into what a pretrained network was trained on.

    Channel i of the output is `scale[i] * x[order[i]] + offset[i]`. It computes in float32 under
    every dtype policy, and then rounds.

    Args:
        order: for each channel of the output, that of the input it is made of.
        scale: of each channel of the output.
        offset: of each channel of the output.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(..., channels)`, float.

    Output shape:
        That of the input.

    Example:
        >>> layer = ImageColors(order=(2, 1, 0), scale=(127.5,) * 3, offset=(127.5,) * 3)
        >>> pixel = np.array([[-1.0, 0.0, 1.0]])  # from -1 to 1, red first
        >>> keras.ops.convert_to_numpy(layer(pixel)).tolist()  # from 0 to 255, blue first
        [[255.0, 127.5, 0.0]]
    """

    def __init__(
        self,
        order: tuple[int, ...],
        scale: tuple[float, ...],
        offset: tuple[float, ...],
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.order = tuple(order)
        self.scale = tuple(scale)
        self.offset = tuple(offset)

    def call(self, inputs):
        """Puts the channels in order, and scales them."""
        x = ops.take(ops.cast(inputs, "float32"), self.order, axis=-1)
        x = x * np.array(self.scale, "float32") + np.array(self.offset, "float32")
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "order": self.order,
            "scale": self.scale,
            "offset": self.offset,
        }


def colors_of(preprocess) -> ImageColors:
    """Makes the layer that does what a function does to images of bytes.

    The function is tried on black and on the three full colours: whatever it does to colours is
    found, as long as each channel of its output is a multiple of one of its input plus a constant.

    Args:
        preprocess: such as `keras.applications.resnet.preprocess_input`: called with images
            (batch, height, width, 3), float32 from 0 to 255, it returns the same shape.

    Returns:
        The layer, for pixels from -1 to 1.

    Raises:
        ValueError: the function mixes channels.

    Example:
        >>> layer = colors_of(lambda x: x[..., ::-1] / 255)
        >>> layer.order, [round(value, 4) for value in layer.scale]
        ((2, 1, 0), [0.5, 0.5, 0.5])
    """
    shown = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).astype("float32")
    black, *full = np.asarray(preprocess(shown.reshape(4, 1, 1, 3))).reshape(4, 3).astype(float)
    spans = np.array(full) - black  # [i, j]: what channel i of the input does to j of the output.
    order = np.abs(spans).argmax(axis=0)
    span = spans[order, range(3)]
    if np.count_nonzero(np.abs(spans) > 1e-6 * np.abs(spans).max()) != 3:
        raise ValueError(f"preprocess must not mix channels. Received: {preprocess}.")
    return ImageColors(order.tolist(), (span / 2).tolist(), (black + span / 2).tolist())
