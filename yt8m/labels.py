"""Class ids to a matrix: on the device, and on the host."""

from __future__ import annotations

import numpy as np
from keras import ops


def multi_hot(labels, num_classes: int):
    """Turns padded class ids into a matrix of zeros and ones.

    Args:
        labels: (batch, most labels) integers, padded with -1; an id may repeat.
        num_classes: the size of the vocabulary; ids are below it.

    Returns:
        (batch, num_classes) float32.
    """
    labels = ops.cast(labels, "int32")
    batch, width = ops.shape(labels)[0], ops.shape(labels)[1]
    columns = ops.where(labels < 0, num_classes, labels)
    rows = ops.broadcast_to(ops.expand_dims(ops.arange(batch, dtype="int32"), 1), (batch, width))
    indices = ops.reshape(ops.stack([rows, columns], axis=-1), (-1, 2))
    ones = ops.ones((batch * width,), dtype="float32")
    counts = ops.scatter(indices, ones, (batch, num_classes + 1))
    return ops.minimum(counts[:, :num_classes], 1.0)


def multi_hot_array(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The same as `multi_hot` in NumPy: (batch, most labels) ids to (batch, num_classes) bool."""
    matrix = np.zeros((len(labels), num_classes + 1), bool)
    np.put_along_axis(matrix, np.where(labels < 0, num_classes, labels), True, axis=1)
    return matrix[:, :num_classes]
