"""Weights in fewer bits: float16, or int8 with a scale a channel. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses

import numpy as np

FLOAT32 = "float32"
FLOAT16 = "float16"
INT8 = "int8"
METHODS = (FLOAT32, FLOAT16, INT8)
# Smaller variables, and vectors such as biases and the statistics of batch norms, stay as they are.
_MIN_VALUES = 1024
_LARGEST_INT8 = 127


@dataclasses.dataclass(frozen=True)
class Stored:
    """A variable as it is stored.

    Attributes:
        values: of the variable's shape: float16, int8, or as they were.
        scales: what int8 values are multiplied by, float32, of the variable's last axis and ones
            before; None with other values.
    """

    values: np.ndarray
    scales: np.ndarray | None = None

    @property
    def num_bytes(self) -> int:
        """The bytes that it takes."""
        return self.values.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def restore(self) -> np.ndarray:
        """The values to compute with; float32 where they were rounded."""
        if self.scales is not None:
            return self.values.astype(np.float32) * self.scales
        return self.values.astype(np.float32) if self.values.dtype == np.float16 else self.values


def store(values: np.ndarray, method: str) -> Stored:
    """Rounds a variable, if it is a float32 matrix (or of more axes) of at least 1024 values.

    Args:
        values: the variable, finite.
        method: `float16` rounds to the nearest float16, where all values are within its range;
            `int8` to multiples of a scale for each channel of the last axis, at most 127 of them
            either way; `float32` rounds nothing.
    """
    if method not in METHODS:
        raise ValueError(
            f"method must be one of {', '.join(METHODS)}. Received: method={method!r}."
        )
    large = values.ndim > 1 and values.size >= _MIN_VALUES and values.dtype == np.float32
    if method == FLOAT32 or not large:
        return Stored(values)
    if method == FLOAT16:
        fits = np.abs(values).max() <= np.finfo(np.float16).max
        return Stored(values.astype(np.float16) if fits else values)
    largest = np.abs(values).max(axis=tuple(range(values.ndim - 1)), keepdims=True)
    scales = np.where(largest > 0, largest / _LARGEST_INT8, 1).astype(np.float32)
    steps = values / scales
    return Stored(np.rint(steps, out=steps).astype(np.int8), scales)
