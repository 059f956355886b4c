"""Frames that are padding hold anything; these functions make sure that it goes nowhere."""

import keras
from keras import ops


def zero_padding(frames: keras.KerasTensor, mask: keras.KerasTensor | None) -> keras.KerasTensor:
    """Replaces the frames outside the mask by zeros.

    Args:
        frames: (batch, time, size).
        mask: (batch, time), bool; None means that every frame is real.

    Returns:
        (batch, time, size).

    Example:
        >>> frames, mask = np.array([[[1.0], [9.0]]]), np.array([[True, False]])
        >>> keras.ops.convert_to_numpy(zero_padding(frames, mask)).tolist()
        [[[1.0], [0.0]]]
    """
    if mask is None:
        return frames
    return ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), frames, ops.zeros_like(frames))
