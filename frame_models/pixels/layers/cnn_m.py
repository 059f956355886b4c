"""CNN-M-2048, the image network of the two-stream networks."""

import keras
from keras import layers

from frame_models.pixels.layers.local_response_norm import LocalResponseNormalization
from frame_models.pixels.layers.width import scaled

_SMALLEST = 19


def cnn_m_2048(
    shape: tuple[int, int, int],
    width: float = 1.0,
    norms: int = 2,
    dropout: float = 0.5,
    rounding: str = "down",
) -> keras.Model:
    """Builds CNN-M-2048 up to its last hidden layer.

    Five convolutions with ReLU, the first two of them with local response normalisation; max pools
    of 3 x 3 at a stride of 2 behind the first, the second and the last; two dense layers.

    Args:
        shape: (height, width, channels) of an image, 224 x 224 as published.
        width: scales the number of channels of every layer.
        norms: how many normalisations there are, 0 to 2.
        dropout: share of the activations of each dense layer that training drops.
        rounding: of the size of a pool's map. "down" takes whole windows alone; "up" also a last
            one that only begins within the map, as Caffe does. The last map of 224 x 224 pixels is
            5 x 5 or 6 x 6.

    Returns:
        A model from `shape` to a vector of `2048 * width`.

    Raises:
        ValueError: `shape` is not known or too small, or an argument is out of its range.

    Reference:
        Chatfield et al., Return of the devil in the details, https://arxiv.org/abs/1405.3531,
        table 1; Simonyan and Zisserman, https://arxiv.org/abs/1406.2199, figure 1.

    Example:
        >>> cnn_m_2048((24, 24, 3), width=1 / 64).output.shape
        (None, 32)
    """
    if norms not in (0, 1, 2):
        raise ValueError(f"norms must be 0, 1 or 2. Received: norms={norms}.")
    if rounding not in ("down", "up"):
        raise ValueError(f"rounding must be 'down' or 'up'. Received: rounding={rounding!r}.")
    if None in shape or min(shape[:2]) < _SMALLEST:
        raise ValueError(
            f"CNN-M needs frames of a known size, {_SMALLEST} x {_SMALLEST} pixels or more. "
            f"Received: shape={shape}."
        )
    inputs = x = keras.Input(shape)
    for place, (channels, kernel) in enumerate(((96, 7), (256, 5))):
        if place:
            x = layers.ZeroPadding2D(1, data_format="channels_last")(x)
        x = _convolution(x, scaled(channels, width), kernel, strides=2)
        x = LocalResponseNormalization()(x) if place < norms else x
        x = _pool(x, rounding)
    for _ in range(3):
        x = _convolution(x, scaled(512, width), 3, padding="same")
    x = layers.Flatten()(_pool(x, rounding))
    for units in (4096, 2048):
        x = layers.Dense(scaled(units, width), activation="relu", kernel_initializer="he_uniform")(
            x
        )
        x = layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(inputs, x, name="cnn_m_2048")


def _convolution(x: keras.KerasTensor, channels: int, kernel: int, **settings) -> keras.KerasTensor:
    return layers.Conv2D(
        channels,
        kernel,
        activation="relu",
        kernel_initializer="he_uniform",
        data_format="channels_last",
        **settings,
    )(x)


def _pool(x: keras.KerasTensor, rounding: str) -> keras.KerasTensor:
    """Pools what is not negative, so zeros can fill up the last window."""
    sides = x.shape[1:3]
    if rounding == "up":
        more = tuple((0, max(3 - side, (side - 3) % 2)) for side in sides)
        x = layers.ZeroPadding2D(more, data_format="channels_last")(x)
    size = tuple(min(3, side) for side in x.shape[1:3])
    return layers.MaxPooling2D(size, 2, data_format="channels_last")(x)
