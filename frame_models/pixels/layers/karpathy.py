"""The networks of Karpathy et al., up to their last feature map."""

import keras
from keras import layers

from frame_models.pixels.layers.clip_pooling import ClipMaxPooling
from frame_models.pixels.layers.conv3d import Conv3D
from frame_models.pixels.layers.local_response_norm import LocalResponseNormalization
from frame_models.pixels.layers.width import scaled

# Of each convolution: channels, kernel and stride in space; kernel and stride in time of slow
# fusion. Behind the first two there is a normalisation.
_CONVOLUTIONS = (
    (96, 11, 3, (4, 2)),
    (256, 5, 1, (2, 2)),
    (384, 3, 1, (2, 2)),
    (384, 3, 1, (1, 1)),
    (256, 3, 1, (1, 1)),
)
_NORMS = 2
_POOLS = (0, 1, 4)
_SMALLEST = _CONVOLUTIONS[0][1]
_BETA = 0.5  # The paper's, where AlexNet has 0.75.


def karpathy(shape: tuple[int, int, int], width: float = 1.0) -> keras.Model:
    """Builds the single-frame network up to its last pool.

    In the paper's shorthand it is C(96, 11, 3)-N-P-C(256, 5, 1)-N-P-C(384, 3, 1)-C(384, 3, 1)-
    C(256, 3, 1)-P: convolutions with ReLU, local response normalisations, max pools of 2 x 2. The
    first convolution does not pad, the others keep the size, and a pool takes what is left over at
    an odd side: 170 pixels become 54, 27, 14 and 7.

    Args:
        shape: (height, width, channels) of an image, 170 x 170 as published.
        width: scales the number of channels of every layer.

    Returns:
        A model from `shape` to a map of `256 * width` channels, 7 x 7 as published.

    Raises:
        ValueError: the image is smaller than 11 x 11, or `width` is not positive.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks, 2014,
        section 3, https://cs.stanford.edu/people/karpathy/deepvideo/. It does not say how the
        convolutions pad; this gives its numbers of parameters.

    Example:
        >>> karpathy((170, 170, 3), width=1 / 16).output.shape
        (None, 7, 7, 16)
    """
    _check_size(shape, _SMALLEST)
    inputs = keras.Input(shape)
    return keras.Model(inputs, _tower(inputs, width), name="karpathy")


def karpathy_multiresolution(shape: tuple[int, int, int], width: float = 1.0) -> keras.Model:
    """Builds the two streams that see the middle of an image, and all of it at half the resolution.

    Either is the network of `karpathy` for half the sides, without its last pool: it ends at 7 x 7
    as well for images of 178 x 178 pixels.

    Args:
        shape: (height, width, channels) of an image, 178 x 178 as published.
        width: scales the number of channels of every layer.

    Returns:
        A model from `shape` to a map of `2 * 256 * width` channels, those of the middle (the fovea
        stream) before those of the whole (the context stream).

    Raises:
        ValueError: the image is smaller than 22 x 22, or `width` is not positive.

    Reference:
        Karpathy et al., see `karpathy`, section 3.2.

    Example:
        >>> karpathy_multiresolution((178, 178, 3), width=1 / 16).output.shape
        (None, 7, 7, 32)
    """
    _check_size(shape, 2 * _SMALLEST)
    inputs = keras.Input(shape)
    around = tuple(_halves(side - side // 2) for side in shape[:2])
    fovea = layers.Cropping2D(around, data_format="channels_last", name="fovea")(inputs)
    context = layers.AveragePooling2D(2, data_format="channels_last", name="context")(inputs)
    maps = [
        _tower(fovea, width, "fovea_", last_pool=False),
        _tower(context, width, "context_", last_pool=False),
    ]
    return keras.Model(inputs, layers.Concatenate()(maps), name="karpathy_multiresolution")


def slow_fusion_network(clip: tuple[int, int, int, int], width: float = 1.0) -> keras.Model:
    """Builds the slow-fusion network up to its last pool.

    It is that of `karpathy` whose first three convolutions span 4, 2 and 2 frames, or outputs of
    the layer before, in steps of 2. They do not pad in time.

    Args:
        clip: (time, height, width, channels), 10 x 170 x 170 as published.
        width: scales the number of channels of every layer.

    Returns:
        A model from `clip` to a map of `256 * width` channels, 1 x 7 x 7 as published.

    Raises:
        ValueError: the frames are smaller than 11 x 11, `width` is not positive, or the steps do
            not come out even: the clip has not 10, 18, 26 or another 8 more frames.

    Reference:
        Karpathy et al., see `karpathy`, section 3.1.

    Example:
        >>> slow_fusion_network((10, 170, 170, 3), width=1 / 16).output.shape
        (None, 1, 7, 7, 16)
    """
    _check_size(clip[1:], _SMALLEST)
    if clip[0] is None or clip[0] < 10 or clip[0] % 8 != 2:
        raise ValueError(
            "Slow fusion needs clips of 10 frames, or 8, 16, ... more, of which its steps in time "
            f"use every one. Received: frames={clip[0]}."
        )
    inputs = keras.Input(clip)
    return keras.Model(inputs, _tower(inputs, width), name="slow_fusion")


def _check_size(shape, smallest):
    sides = shape[:2]
    if None in shape or min(sides) < smallest:
        raise ValueError(
            f"The networks of Karpathy et al. need frames of a known size, {smallest} x {smallest} "
            f"pixels or more. Received: shape={tuple(shape)}."
        )


def _halves(count: int) -> tuple[int, int]:
    return count // 2, count - count // 2


def _tower(
    x: keras.KerasTensor, width: float, prefix: str = "", last_pool: bool = True
) -> keras.KerasTensor:
    """The convolutions; of clips where `x` has a time axis, and of images otherwise."""
    of_clips = len(x.shape) == 5
    convolution = Conv3D if of_clips else layers.Conv2D
    pool = ClipMaxPooling if of_clips else layers.MaxPooling2D
    for place, (channels, kernel, stride, (frames, step)) in enumerate(_CONVOLUTIONS):
        name = f"{prefix}conv{place + 1}"
        if of_clips and place:  # Keras pads all axes or none.
            x = layers.ZeroPadding3D((0, kernel // 2, kernel // 2), data_format="channels_last")(x)
        x = convolution(
            scaled(channels, width),
            (frames, kernel, kernel) if of_clips else kernel,
            (step, stride, stride) if of_clips else stride,
            padding="valid" if of_clips or not place else "same",
            activation="relu",
            kernel_initializer="he_uniform",
            data_format="channels_last",
            name=name,
        )(x)
        if place < _NORMS:
            x = LocalResponseNormalization(beta=_BETA, name=f"{prefix}norm{place + 1}")(x)
        if place in _POOLS[: None if last_pool else -1]:
            sides = (1, 2, 2) if of_clips else 2
            name = f"{prefix}pool{place + 1}"
            x = pool(sides, padding="same", data_format="channels_last", name=name)(x)
    return x
