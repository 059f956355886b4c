"""Checks of what the metrics are given, and its one form inside them."""

import numpy as np

# Means of float32 probabilities may exceed 1 by rounding.
_ROUNDING = 1e-6


def as_probabilities(scores: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns scores as float32.

    Args:
        scores: (batch, num_classes), in [0, 1]; an excess below 1e-6 is rounding, and cut.
        num_classes: number of classes.

    Returns:
        (batch, num_classes), float32 in [0, 1].

    Raises:
        ValueError: on another shape, NaN, or values outside [0, 1].
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] != num_classes:
        raise ValueError(
            f"scores must be of shape (batch, {num_classes}). Received: shape={scores.shape}."
        )
    scores = scores.astype(np.float32, copy=False)
    if not scores.size:
        return scores
    low, high = scores.min(), scores.max()
    if np.isnan(low):
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            "scores must not be NaN; has training diverged? "
            f"Received: NaN for row {row} of the batch, class {column}."
        )
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            "scores must be probabilities in [0, 1]; apply a sigmoid to logits. "
            f"Received: values from {low:g} to {high:g}."
        )
    return np.clip(scores, 0, 1) if low < 0 or high > 1 else scores


def as_multi_hot(labels: np.ndarray, batch: int, num_classes: int) -> np.ndarray:
    """Returns multi-hot labels as bools.

    Args:
        labels: (batch, num_classes), bool, or numbers that are 0 or 1.
        batch: number of rows that the scores have.
        num_classes: number of classes.

    Returns:
        (batch, num_classes), bool.

    Raises:
        ValueError: on another shape or other values.
    """
    labels = np.asarray(labels)
    if labels.shape != (batch, num_classes):
        raise ValueError(
            f"labels must be multi-hot, of shape ({batch}, {num_classes}) as the scores. "
            f"Received: shape={labels.shape}."
        )
    if labels.dtype == bool:
        return labels
    hot = labels == 1
    if np.count_nonzero(labels) != np.count_nonzero(hot):
        other = labels[(labels != 0) & ~hot].flat[0]
        raise ValueError(f"labels must be 0 or 1. Received: {other}.")
    return hot


def as_ranked_lists(
    values: np.ndarray, classes: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns lists of scored classes, best first, equal scores by class, padding last.

    Args:
        values: (batch, length), finite scores in any order; ignored where the class is -1.
        classes: (batch, length), integers in [0, num_classes), or -1 for padding.
        num_classes: number of classes.

    Returns:
        values: (batch, length), float32; -inf where the class is -1.
        classes: (batch, length), int64.

    Raises:
        ValueError: on shapes that differ, a class out of range or twice in a row, or a score
            that is not finite in float32.
    """
    values, classes = np.asarray(values), np.asarray(classes)
    if classes.ndim != 2 or values.shape != classes.shape:
        raise ValueError(
            "values and classes must both be of shape (batch, length). "
            f"Received: values.shape={values.shape}, classes.shape={classes.shape}."
        )
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"classes must be integers. Received: dtype={classes.dtype}.")
    if classes.size and not -1 <= classes.min() <= classes.max() < num_classes:
        raise ValueError(
            f"classes must be in [0, {num_classes}), or -1 for padding. "
            f"Received: values from {classes.min()} to {classes.max()}."
        )
    padding = classes < 0
    with np.errstate(over="ignore"):
        ranked = np.where(padding, -np.inf, values).astype(np.float32)
    if not np.array_equal(np.isfinite(ranked), ~padding):
        row, column = np.argwhere(np.isfinite(ranked) == padding)[0]
        raise ValueError(
            "values must be finite float32 numbers. "
            f"Received: {values[row, column]} in row {row} of the batch."
        )
    _check_distinct(classes)
    order = np.lexsort((classes, -ranked), axis=1)
    return (
        np.take_along_axis(ranked, order, axis=1),
        np.take_along_axis(classes, order, axis=1).astype(np.int64),
    )


def _check_distinct(classes: np.ndarray) -> None:
    """Refuses a row that lists a class twice."""
    ascending = np.sort(classes, axis=1)
    repeated = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)
    if repeated.any():
        row, column = np.argwhere(repeated)[0]
        raise ValueError(
            "classes must not repeat within a row. "
            f"Received: class {ascending[row, column]} twice in row {row} of the batch."
        )
