"""Inception v1 with batch norm, for images or inflated for clips."""

from collections.abc import Callable

import keras
from keras import layers

from frame_models.pixels.layers.clip_pooling import ClipMaxPooling
from frame_models.pixels.layers.conv3d import Conv3D
from frame_models.pixels.layers.width import scaled
from video_models.layers.batch_norm import BatchNorm

# Of each module: 1x1; 1x1 before 3x3, 3x3; 1x1 before the second 3x3, that; 1x1 behind the pool.
_MODULES = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


def inception_v1(
    shape: tuple[int | None, ...],
    width: float = 1.0,
    dimensions: int = 2,
    momentum: float = 0.99,
) -> keras.Model:
    """Builds Inception v1 up to its last map: every convolution has batch norm and no bias.

    The batch norms have an offset and no scale. In three dimensions all kernels and pools reach as
    far in time as in space, but the first two max pools, which leave time alone.

    Args:
        shape: (height, width, channels) of an image, or (time, height, width, channels) of a clip.
        width: scales the number of channels of every layer.
        dimensions: 2 for images, 3 for clips.
        momentum: of the moving statistics of the batch norms. Sonnet's, and so the published one,
            is 0.999, which needs thousands of steps.

    Returns:
        A model from `shape` to a map of `1024 * width` channels, a 32nd of the image's height and
        width and, in three dimensions, an eighth of the clip's time.

    Raises:
        ValueError: `dimensions` is neither 2 nor 3, or does not go with `shape`, or `width` is not
            positive.

    Reference:
        Szegedy et al., Going deeper with convolutions, https://arxiv.org/abs/1409.4842, with the
        batch norm of https://arxiv.org/abs/1502.03167 and 3x3 for 5x5, as inflated by Carreira
        and Zisserman, https://arxiv.org/abs/1705.07750, figure 3.

    Example:
        >>> inception_v1((8, 64, 64, 3), width=1 / 16, dimensions=3).output.shape
        (None, 1, 2, 2, 64)
    """
    if dimensions not in (2, 3):
        raise ValueError(f"dimensions must be 2 or 3. Received: dimensions={dimensions}.")
    if len(shape) != dimensions + 1:
        raise ValueError(
            f"shape must have {dimensions + 1} values for dimensions={dimensions}. "
            f"Received: shape={shape}."
        )
    conv, pool = _conv(dimensions, width, momentum), _pool(dimensions)
    inputs = keras.Input(shape)
    x = conv(inputs, 64, 7, strides=2)
    x = pool(x, 3, 2, in_time=False)
    x = conv(x, 64, 1)
    x = conv(x, 192, 3)
    x = pool(x, 3, 2, in_time=False)
    for module, channels in _MODULES.items():
        if module == "4b":
            x = pool(x, 3, 2)
        elif module == "5b":
            x = pool(x, 2, 2)
        x = _module(x, channels, conv, pool)
    return keras.Model(inputs, x, name="inception_v1")


def _module(
    x: keras.KerasTensor, channels: tuple[int, ...], conv: Callable, pool: Callable
) -> keras.KerasTensor:
    """Four branches side by side, joined."""
    one, before, three, before_second, second, behind = channels
    branches = [
        conv(x, one, 1),
        conv(conv(x, before, 1), three, 3),
        conv(conv(x, before_second, 1), second, 3),
        conv(pool(x, 3, 1), behind, 1),
    ]
    return layers.Concatenate()(branches)


def _conv(dimensions: int, width: float, momentum: float) -> Callable:
    """Makes a function that adds a convolution, its batch norm and ReLU."""
    kind = Conv3D if dimensions == 3 else layers.Conv2D

    def conv(x, channels, kernel, strides=1):
        x = kind(
            scaled(channels, width),
            kernel,
            strides,
            padding="same",
            use_bias=False,
            data_format="channels_last",
        )(x)
        x = BatchNorm(momentum, scale=False)(x)
        return layers.Activation("relu")(x)

    return conv


def _pool(dimensions: int) -> Callable:
    """Makes a function that adds a max pool."""
    kind = ClipMaxPooling if dimensions == 3 else layers.MaxPooling2D

    def pool(x, size, strides, in_time=True):
        sizes, steps = [size] * dimensions, [strides] * dimensions
        if dimensions == 3 and not in_time:
            sizes[0] = steps[0] = 1
        return kind(tuple(sizes), tuple(steps), padding="same", data_format="channels_last")(x)

    return pool
