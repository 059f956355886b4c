"""The dense layers of a network that comes in several widths."""

import keras

from frame_models.layers.dense_stack import dense_stack
from frame_models.pixels.layers.width import scaled


def hidden_layers(
    x: keras.KerasTensor, hidden: tuple[int, ...], dropout: float, width: float
) -> keras.KerasTensor:
    """Builds dense layers with ReLU, a dropout behind each.

    Args:
        x: (batch, size).
        hidden: width of each layer, as published; none leaves `x` as it is.
        dropout: share of the activations that training drops.
        width: scales the widths of all layers.

    Returns:
        (batch, last width).

    Raises:
        ValueError: a width is not positive, or `dropout` is not a share.

    Example:
        >>> hidden_layers(keras.Input((8,)), (4096, 2048), dropout=0.5, width=1 / 64).shape
        (None, 32)
    """
    if any(units < 1 for units in hidden):
        raise ValueError(f"hidden must hold positive widths. Received: hidden={hidden}.")
    return dense_stack(x, tuple(scaled(units, width) for units in hidden), dropout)
