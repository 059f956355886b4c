"""Average precision over the whole score matrix, in bounded memory."""

import numpy as np

from yt8m.metrics.average_precision import grouped_average_precision
from yt8m.metrics.chunked_rows import ChunkedRows
from yt8m.metrics.score_histogram import ScoreHistogram

# Pairs ranked together when the matrix is held: 4 Mi, about 80 MB of working memory.
_BLOCK = 2**22


class FullScores:
    """Every score of every video: exact up to a budget of memory, then histograms.

    Within the budget the matrix is held, at 4 bytes a score and 1 bit a label. A matrix that
    would exceed it is counted into a `ScoreHistogram`, whose size does not depend on the number
    of videos (245 MB for 3862 classes). Whether the result is exact depends on the number of
    videos alone, not on how they were batched or merged.

    Args:
        num_classes: number of classes.
        max_bytes: budget for the float32 score matrix. 0 for histograms from the start.
    """

    def __init__(self, num_classes: int, max_bytes: int):
        self.num_classes = num_classes
        self.max_bytes = max_bytes
        self._scores = ChunkedRows((num_classes,), np.float32)
        self._labels = ChunkedRows(((num_classes + 7) // 8,), np.uint8)
        self._histogram: ScoreHistogram | None = None

    @property
    def exact(self) -> bool:
        """Whether scores are held as they are."""
        return self._histogram is None

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Takes in a batch.

        Args:
            scores: (batch, num_classes), float32 in [0, 1].
            labels: (batch, num_classes), bool.
        """
        self._reserve(len(scores))
        if self._histogram is None:
            self._scores.append(scores)
            self._labels.append(np.packbits(labels, axis=1))
        else:
            self._histogram.update(scores, labels)

    def merge(self, other: "FullScores") -> None:
        """Adds the videos of another state, exact or not; the budget of this one holds."""
        if other._histogram is not None:
            self._to_histogram().merge(other._histogram)
            return
        batches = zip(other._scores.chunks(), other._label_chunks(), strict=True)
        for scores, labels in batches:
            self.update(scores, labels)

    def average_precision(self, num_positives: np.ndarray) -> np.ndarray:
        """Returns each class's average precision over all videos.

        Args:
            num_positives: (num_classes,), the denominators.

        Returns:
            (num_classes,), float64; NaN for a class without a positive.
        """
        if self._histogram is not None:
            return self._histogram.average_precision(num_positives)
        # Blocks of whole bytes of label bits.
        step = max(1, _BLOCK // max(1, len(self._scores)) // 8) * 8
        starts = range(0, self.num_classes, step)
        return np.concatenate([self._block(start, step, num_positives) for start in starts])

    def _block(self, start: int, step: int, num_positives: np.ndarray) -> np.ndarray:
        """Returns the average precision of classes [start, start + step)."""
        stop = min(start + step, self.num_classes)
        bits = self._labels.columns(start // 8, (stop + 7) // 8)
        labels = np.unpackbits(bits, axis=1, count=stop - start).view(bool)
        scores = self._scores.columns(start, stop)
        groups = np.broadcast_to(np.arange(stop - start), scores.shape)
        return grouped_average_precision(
            scores.reshape(-1), labels.reshape(-1), groups.reshape(-1), num_positives[start:stop]
        )

    def _reserve(self, num_videos: int) -> None:
        """Turns to histograms if `num_videos` more would exceed the budget."""
        if (len(self._scores) + num_videos) * self.num_classes * 4 > self.max_bytes:
            self._to_histogram()

    def _to_histogram(self) -> ScoreHistogram:
        """Counts what is held and lets go of it."""
        if self._histogram is not None:
            return self._histogram
        histogram = ScoreHistogram(self.num_classes)
        for scores, labels in zip(self._scores.chunks(), self._label_chunks(), strict=True):
            histogram.update(scores, labels)
        self._histogram = histogram
        self._scores = ChunkedRows(self._scores.row_shape, self._scores.dtype)
        self._labels = ChunkedRows(self._labels.row_shape, self._labels.dtype)
        return histogram

    def _label_chunks(self) -> list[np.ndarray]:
        """Returns the labels as bools, cut into the chunks of the scores."""
        bits = self._labels.concatenate()
        ends = np.cumsum([0, *(len(chunk) for chunk in self._scores.chunks())])
        return [
            np.unpackbits(bits[start:stop], axis=1, count=self.num_classes).view(bool)
            for start, stop in zip(ends[:-1], ends[1:], strict=True)
        ]
