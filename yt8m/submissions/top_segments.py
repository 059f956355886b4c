"""The best segments of each class, of any number of segments, in bounded memory. NumPy only."""

from __future__ import annotations

import numpy as np

from yt8m.base.errors import UserError

# Segments are numbered in 32 bits.
MOST_SEGMENTS = 2**32
_FEWEST_PENDING = 2**20


class TopSegments:
    """Keeps the `size` best segments of each class while the scores of all segments stream by.

    Segments are numbered from 0 as they come. Among equal scores the earlier segment is better,
    so the result depends on the order of the segments alone, not on how they were batched.

    An entry is 8 bytes: the rank of the score in the high half, the number of the segment in the
    low one, so that the smaller is the better. The first `size` segments enter every class. From
    then on only those enter that are better than the class's worst; they wait in a buffer that
    all classes share, and are merged into the classes when it is full.

    Memory: 8 bytes a class and entry, and a quarter of that more: 1.0 GB for 1000 classes of
    100,000, however many segments come. Where fewer come than fit, it takes as much less.

    Args:
        num_classes: number of classes.
        size: entries a class.

    Raises:
        UserError: there is no memory for that many entries.
    """

    def __init__(self, num_classes: int, size: int):
        self.num_classes = num_classes
        self.size = size
        self.num_segments = 0
        # A buffer takes the scores of at least one segment.
        self._capacity = max(num_classes, _FEWEST_PENDING, num_classes * size // 16)
        class_type = np.uint16 if num_classes <= 2**16 else np.uint32
        try:
            self._entries = np.empty((num_classes, size), np.uint64)
            self._pending = np.empty(self._capacity, np.uint64)
            self._pending_classes = np.empty(self._capacity, class_type)
        except (MemoryError, ValueError):
            raise UserError(
                f"The best {size} segments of {num_classes} classes do not fit in memory: they "
                f"take {num_classes * size * 8 / 1e9:.0f} GB. Lower --segment_max_pred, or name "
                "fewer classes with --segment_label_ids_file."
            ) from None
        self._num_pending = 0
        # The worst score of each class once it is full.
        self._worst = np.empty(num_classes, np.float32)

    def update(self, scores: np.ndarray) -> None:
        """Adds the next segments.

        Args:
            scores: (batch, num_classes), float32, finite.

        Raises:
            UserError: more than 4,294,967,296 segments in all.
        """
        if self.num_segments + len(scores) > MOST_SEGMENTS:
            raise UserError(
                f"More than {MOST_SEGMENTS} segments cannot be ranked at once. Give fewer shards "
                "in --input_data_pattern."
            )
        filling = max(0, self.size - self.num_segments)
        self._fill(scores[:filling])
        rest = scores[filling:]
        step = self._capacity // self.num_classes
        for start in range(0, len(rest), step):
            self._sift(rest[start : start + step])

    def best(self, column: int) -> np.ndarray:
        """The numbers of the best segments of a class, best first: (at most size,) int64.

        Args:
            column: the class's column in the scores.
        """
        self._merge()
        entries = np.sort(self._entries[column, : min(self.size, self.num_segments)])
        return (entries & np.uint64(0xFFFFFFFF)).astype(np.int64)

    def _fill(self, scores: np.ndarray) -> None:
        """Takes in the first segments, which enter every class."""
        if not len(scores):
            return
        first, end = self.num_segments, self.num_segments + len(scores)
        numbers = np.arange(first, end)
        self._entries[:, first:end] = _entries(np.ascontiguousarray(scores.T), numbers)
        self.num_segments = end
        if end == self.size:
            self._worst[:] = _scores(self._entries.max(axis=1))

    def _sift(self, scores: np.ndarray) -> None:
        """Takes in segments that enter the classes whose worst they beat."""
        better = np.flatnonzero(scores > self._worst)
        if self._num_pending + len(better) > self._capacity:
            self._merge()
            better = np.flatnonzero(scores > self._worst)
        rows, columns = np.divmod(better, self.num_classes)
        start, end = self._num_pending, self._num_pending + len(better)
        self._pending[start:end] = _entries(scores[rows, columns], self.num_segments + rows)
        self._pending_classes[start:end] = columns
        self._num_pending = end
        self.num_segments += len(scores)

    def _merge(self) -> None:
        """Empties the buffer into the classes."""
        classes = self._pending_classes[: self._num_pending]
        order = np.argsort(classes, kind="stable")
        entries = self._pending[: self._num_pending][order]
        ends = np.cumsum(np.bincount(classes, minlength=self.num_classes))
        for column in np.unique(classes):
            start = ends[column - 1] if column else 0
            both = np.concatenate([self._entries[column], entries[start : ends[column]]])
            both.partition(self.size - 1)
            self._entries[column] = both[: self.size]
            self._worst[column] = _scores(both[self.size - 1 : self.size])[0]
        self._num_pending = 0


def _entries(scores: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Scores and the numbers of their segments (along the last axis) to uint64, best smallest.

    The bits of a positive float rise with it and those of a negative one fall; adding 0 makes
    -0.0 equal to 0.0.
    """
    bits = (scores.astype(np.float32, copy=False) + np.float32(0)).view(np.uint32)
    ranks = np.where(bits >> np.uint32(31), bits, bits ^ np.uint32(0x7FFFFFFF)).astype(np.uint64)
    ranks <<= np.uint64(32)
    ranks |= numbers.astype(np.uint64)
    return ranks


def _scores(entries: np.ndarray) -> np.ndarray:
    """The scores of entries, float32."""
    ranks = (entries >> np.uint64(32)).astype(np.uint32)
    bits = np.where(ranks >> np.uint32(31), ranks, ranks ^ np.uint32(0x7FFFFFFF))
    return bits.view(np.float32)
