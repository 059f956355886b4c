"""Scaling to unit L2 norm."""

import keras
from keras import ops


def l2_normalize(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Divides by the L2 norm: `x / sqrt(max(sum(x^2), 1e-12))`, computed in float32.

    Zeros stay zeros, and so a video without frames is finite.

    Args:
        x: any shape.
        axis: the axis whose values are scaled together.

    Returns:
        The shape of `x`, float32.

    Example:
        >>> x = np.array([[0.0, 2.0], [0.0, 0.0]])
        >>> keras.ops.convert_to_numpy(l2_normalize(x, axis=1)).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    x = ops.cast(x, "float32")
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))
