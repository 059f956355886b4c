"""Stacks of dense layers, over vectors or over each frame."""

import keras
from keras import layers

from video_models.layers.batch_norm import BatchNorm


def _check(hidden: tuple[int, ...]):
    """Refuses a layer without a unit."""
    if any(width < 1 for width in hidden):
        raise ValueError(f"hidden must hold positive widths. Received: hidden={hidden}.")


def dense_stack(x: keras.KerasTensor, hidden: tuple[int, ...], dropout: float) -> keras.KerasTensor:
    """Builds dense layers with ReLU, a dropout behind each.

    Args:
        x: (..., size). Leading axes beside the batch share the weights.
        hidden: width of each layer; none leaves `x` as it is.
        dropout: share of the activations that training drops.

    Returns:
        (..., last width).

    Raises:
        ValueError: a width is not positive, or `dropout` is not a share.

    Example:
        >>> dense_stack(keras.Input((8,)), hidden=(16, 4), dropout=0.5).shape
        (None, 4)
    """
    _check(hidden)
    for width in hidden:
        x = layers.Dense(width, activation="relu")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x


def frame_stack(
    frames: keras.KerasTensor,
    mask: keras.KerasTensor,
    hidden: tuple[int, ...],
    dropout: float,
    *,
    activation: str = "relu",
    momentum: float = 0.99,
) -> keras.KerasTensor:
    """Builds dense layers over each frame, each with batch norm, activation and dropout.

    The batch norms take their statistics from the frames of the mask alone.

    Args:
        frames: (batch, time, size), finite also in the padding.
        mask: (batch, time), bool, true for the frames of a video.
        hidden: width of each layer; none leaves the frames as they are.
        dropout: share of the activations that training drops.
        activation: name of a Keras activation.
        momentum: of the moving statistics of the batch norms.

    Returns:
        (batch, time, last width), finite also in the padding.

    Raises:
        ValueError: a width is not positive, `dropout` is not a share, or there is no such
            activation.

    Example:
        >>> frames, mask = keras.Input((None, 8)), keras.Input((None,), dtype="bool")
        >>> frame_stack(frames, mask, hidden=(16, 4), dropout=0.5).shape
        (None, None, 4)
    """
    _check(hidden)
    for width in hidden:
        frames = layers.Dense(width, use_bias=False)(frames)
        frames = BatchNorm(momentum)(frames, mask=mask)
        frames = layers.Activation(activation)(frames)
        frames = layers.Dropout(dropout)(frames) if dropout else frames
    return frames
