"""The (score, class, is-label) pairs of every video's top list, and their average precision."""

import numpy as np

from yt8m.metrics.average_precision import average_precision, grouped_average_precision
from yt8m.metrics.chunked_rows import ChunkedRows


class PooledPairs:
    """Pairs held at 6 bytes each: a float32 score, and class and label in a uint16.

    Args:
        num_classes: number of classes; above 32768 a pair takes 8 bytes.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self._scores = ChunkedRows((), np.float32)
        # The class in the high bits, the label in the lowest.
        self._codes = ChunkedRows((), np.uint16 if num_classes <= 2**15 else np.uint32)

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self._scores)

    def update(self, values: np.ndarray, classes: np.ndarray, hits: np.ndarray) -> None:
        """Adds the pairs of a batch.

        Args:
            values: (batch, length), float32 scores.
            classes: (batch, length), integers; entries of class -1 are left out.
            hits: (batch, length), bool, whether the video has the class.
        """
        listed = classes >= 0
        self._scores.append(values[listed])
        self._codes.append(classes[listed] << 1 | hits[listed])

    def merge(self, other: "PooledPairs") -> None:
        """Adds the pairs of another state."""
        for chunk in other._scores.chunks():
            self._scores.append(chunk)
        for chunk in other._codes.chunks():
            self._codes.append(chunk)

    def average_precision(self, num_positives: int) -> float:
        """Returns the average precision of all pairs in one pool: GAP.

        Args:
            num_positives: labels of all videos, those outside the lists too.
        """
        labels = (self._codes.concatenate() & 1).astype(bool)
        return average_precision(self._scores.concatenate(), labels, num_positives)

    def class_average_precision(
        self, num_positives: np.ndarray, cut: int | None = None
    ) -> np.ndarray:
        """Returns the average precision of each class's pairs.

        Args:
            num_positives: (num_classes,), videos that have the class, whether listed or not.
            cut: number of places of each class that count, from the best. All if None.

        Returns:
            (num_classes,), float64; NaN for a class without a positive.
        """
        codes = self._codes.concatenate()
        return grouped_average_precision(
            self._scores.concatenate(), (codes & 1).astype(bool), codes >> 1, num_positives, cut
        )
