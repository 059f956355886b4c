"""Pixels as networks of Caffe take them: from 0 to 255, less the mean of their training."""

import keras
from keras import ops

from frame_models.pixels.layers.image_colors import ImageColors

COLORS = ("unit", "rgb", "bgr")
_ORDERS = {"rgb": (0, 1, 2), "bgr": (2, 1, 0)}


@keras.saving.register_keras_serializable(package="frame_models")
class SubtractMean(keras.layers.Layer):
    """Takes away a mean clip, or a mean image from every frame.

    The mean is a weight that is not learnt. It begins as zeros, and comes with imported weights. It
    computes in float32 under every dtype policy, and then rounds.

    Args:
        of_clips: whether each frame of a clip has a mean of its own, or one image is for all.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, height, width, channels)`, of known sizes, float.

    Output shape:
        That of the input.

    Example:
        >>> layer = SubtractMean(of_clips=True)
        >>> clip = np.full((1, 2, 4, 4, 3), 7.0)
        >>> before = float(layer(clip)[0, 0, 0, 0, 0])
        >>> _ = layer.mean.assign(np.full((2, 4, 4, 3), 5.0))
        >>> before, float(layer(clip)[0, 0, 0, 0, 0])
        (7.0, 2.0)
    """

    def __init__(self, of_clips: bool, **kwargs):
        super().__init__(**kwargs)
        self.of_clips = of_clips

    def build(self, input_shape):
        """Makes the mean, of zeros."""
        time = input_shape[1] if self.of_clips else 1
        self.mean = self.add_weight(
            shape=(time, *input_shape[2:]),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            name="mean",
        )

    def call(self, inputs):
        """Subtracts the mean."""
        return ops.cast(ops.cast(inputs, "float32") - self.mean.value, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {**super().get_config(), "of_clips": self.of_clips}


def show_colors(pixels: keras.KerasTensor, colors: str, of_clips: bool) -> keras.KerasTensor:
    """Makes of pixels what a network was trained on.

    Args:
        pixels: (batch, time, height, width, channels), from -1 to 1, of known sizes.
        colors: "unit" leaves them so; "rgb" makes them 0 to 255 and takes a mean away, see
            `SubtractMean`; "bgr" also puts blue first.
        of_clips: see `SubtractMean`.

    Returns:
        The same shape.

    Raises:
        ValueError: there are no such colours, or the pixels have none.

    Example:
        >>> show_colors(keras.Input((2, 8, 8, 3)), "bgr", of_clips=False).shape
        (None, 2, 8, 8, 3)
    """
    if colors not in COLORS:
        raise ValueError(f"colors must be one of {', '.join(COLORS)}. Received: colors={colors!r}.")
    if colors == "unit":
        return pixels
    if pixels.shape[-1] != 3 or None in pixels.shape[1:]:
        raise ValueError(
            f"colors={colors!r} is for pixels of 3 channels and known sizes. "
            f"Received: pixels of shape {pixels.shape}."
        )
    scaling = (127.5,) * 3
    policy = keras.config.dtype_policy().name
    x = ImageColors(_ORDERS[colors], scaling, scaling, dtype="float32")(pixels)
    return SubtractMean(of_clips, dtype=policy, autocast=False)(x)
