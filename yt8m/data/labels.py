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
    return ops.minimum(_scattered(labels, ops.ones_like(labels, "float32"), num_classes), 1.0)


def rated(labels, label_scores, num_classes: int):
    """Turns the ratings of segments into labels, and tells which of them are known.

    Args:
        labels: (batch, most ratings) rated class ids, padded with -1. Where a class is rated
            twice, one rating that says yes suffices.
        label_scores: the same shape, the ratings: 1 or 0.
        num_classes: the size of the vocabulary.

    Returns:
        Two of (batch, num_classes) float32: 1 for a class that is rated to be there, and 1 for a
        class that is rated at all.
    """
    labels = ops.cast(labels, "int32")
    present = ops.where(ops.cast(label_scores, "float32") > 0.5, labels, -1)
    return multi_hot(present, num_classes), multi_hot(labels, num_classes)


def with_scores(labels, scores, num_classes: int):
    """Turns padded class ids with a score each into a matrix; 0 where there is none.

    Args:
        labels: (batch, k) class ids, padded with -1; an id does not repeat.
        scores: (batch, k) numbers.
        num_classes: the size of the vocabulary.

    Returns:
        (batch, num_classes) float32.
    """
    labels = ops.cast(labels, "int32")
    return _scattered(labels, ops.cast(scores, "float32"), num_classes)


def multi_hot_array(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The same as `multi_hot` in NumPy: (batch, most labels) ids to (batch, num_classes) bool."""
    matrix = np.zeros((len(labels), num_classes + 1), bool)
    np.put_along_axis(matrix, np.where(labels < 0, num_classes, labels), True, axis=1)
    return matrix[:, :num_classes]


def _scattered(labels, values, num_classes: int):
    """Adds each value to its class: (batch, width) int32 and float32 to (batch, num_classes)."""
    batch, width = ops.shape(labels)[0], ops.shape(labels)[1]
    columns = ops.where(labels < 0, num_classes, labels)
    rows = ops.broadcast_to(ops.expand_dims(ops.arange(batch, dtype="int32"), 1), (batch, width))
    indices = ops.reshape(ops.stack([rows, columns], axis=-1), (-1, 2))
    sums = ops.scatter(indices, ops.reshape(values, (-1,)), (batch, num_classes + 1))
    return sums[:, :num_classes]
