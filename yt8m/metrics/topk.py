"""The k highest-scored classes of each video."""

import numpy as np


def top_k(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the k highest scores of each row and their classes, best first.

    Equal scores are taken in the order of their classes, lower first, so a row's list depends
    on nothing but that row.

    Args:
        scores: (batch, classes), floating point, without NaN.
        k: length of the lists. More than `classes` is cut to `classes`.

    Returns:
        values: (batch, k), of the dtype of `scores`.
        classes: (batch, k), int64.

    Raises:
        ValueError: if k is not positive, or scores is not a matrix of floats, or holds NaN.

    Example:
        >>> import numpy as np
        >>> from yt8m import metrics
        >>> values, classes = metrics.top_k(np.array([[0.1, 0.7, 0.2, 0.7]]), k=3)
        >>> values.tolist(), classes.tolist()
        ([[0.7, 0.7, 0.2]], [[1, 3, 2]])
    """
    scores = np.asarray(scores)
    if k < 1:
        raise ValueError(f"k must be positive. Received: k={k}.")
    if scores.ndim != 2 or not np.issubdtype(scores.dtype, np.floating):
        raise ValueError(
            "scores must be a (batch, classes) array of floats. "
            f"Received: shape={scores.shape}, dtype={scores.dtype}."
        )
    if scores.size and np.isnan(scores.min()):
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise ValueError(
            f"scores must not be NaN: a NaN has no rank. Received: NaN in row {row} of the batch."
        )
    k = min(k, scores.shape[1])
    classes = _unordered_top_k(scores, k)
    classes.sort(axis=1)
    values = np.take_along_axis(scores, classes, axis=1)
    # Classes ascend here, so a stable sort leaves the lower class first among equals.
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(classes, order, axis=1)


def _unordered_top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Returns the classes of the k highest scores of each row, (batch, k), in any order."""
    batch, num_classes = scores.shape
    if k == num_classes:
        return np.tile(np.arange(num_classes), (batch, 1))
    chosen = np.argpartition(scores, num_classes - k, axis=1)[:, num_classes - k :]
    lowest = np.take_along_axis(scores, chosen, axis=1).min(axis=1, keepdims=True)
    tied = np.flatnonzero(np.count_nonzero(scores >= lowest, axis=1) > k)
    if tied.size:
        chosen[tied] = _lowest_classes_at_cut(scores[tied], lowest[tied], k)
    return chosen


def _lowest_classes_at_cut(scores: np.ndarray, lowest: np.ndarray, k: int) -> np.ndarray:
    """Fills the places left by the scores above `lowest` with the first classes that equal it."""
    above = scores > lowest
    equal = scores == lowest
    places = k - np.count_nonzero(above, axis=1)
    keep = above | (equal & (np.cumsum(equal, axis=1) <= places[:, None]))
    return np.nonzero(keep)[1].reshape(-1, k)
