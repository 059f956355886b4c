"""Per-class histograms of probabilities, fine at both ends."""

import numpy as np

from yt8m.metrics.average_precision import histogram_average_precision

# A float32 without the low 16 bits of its significand: 128 bins an octave, 0.8 % wide.
_SHIFT = 16
_PER_OCTAVE = 1 << (23 - _SHIFT)
# Probabilities below 2^-40 share a bin. Above one half the distance to 1 is binned the same way;
# it is a multiple of 2^-24 there.
_LOW_OCTAVE, _HIGH_OCTAVE = -40, -24
_LOW_BASE = (127 + _LOW_OCTAVE) * _PER_OCTAVE - 1
_HIGH_BASE = (127 + _HIGH_OCTAVE) * _PER_OCTAVE - 1
_LAST = (-_LOW_OCTAVE - 1) * _PER_OCTAVE + 1 + (-_HIGH_OCTAVE - 1) * _PER_OCTAVE + 1
NUM_BINS = _LAST + 1

# Bins that a step of the computation of average precision looks at together.
_BLOCK = 2**22


def bin_index(scores: np.ndarray) -> np.ndarray:
    """Returns the bin of each probability: int32 in [0, NUM_BINS), rising with the score.

    The grid is logarithmic in p up to one half and in 1 - p above it, as confident predictions
    crowd at both ends. 1 - p is exact in float32 there.

    Args:
        scores: float32 in [0, 1], any shape.

    Returns:
        int32, the shape of `scores`.
    """
    scores = np.asarray(scores, np.float32)
    bits = np.minimum(scores, 1 - scores).view(np.int32)
    bits >>= _SHIFT
    low = np.maximum(bits - _LOW_BASE, 0)
    high = _LAST - np.maximum(bits - _HIGH_BASE, 0)
    return np.where(scores > 0.5, high, low)


class ScoreHistogram:
    """How many (video, class) scores, and how many positives among them, fall in each bin.

    Memory is constant: 8 bytes times NUM_BINS times num_classes, 245 MB for 3862 classes. The
    counters are uint32; a bin takes one count a video, so 4,294,967,295 videos fit.

    Args:
        num_classes: number of classes.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self.pairs = np.zeros((num_classes, NUM_BINS), np.uint32)
        self.positives = np.zeros((num_classes, NUM_BINS), np.uint32)

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Counts a batch.

        Args:
            scores: (batch, num_classes), float32 in [0, 1].
            labels: (batch, num_classes), bool.
        """
        cells = bin_index(scores).astype(np.intp)
        cells += np.arange(self.num_classes) * NUM_BINS
        one = np.uint32(1)
        np.add.at(self.positives.reshape(-1), cells[labels], one)
        # Class by class, so that a class's bins stay in the cache while they are counted.
        np.add.at(self.pairs.reshape(-1), cells.T.reshape(-1), one)

    def merge(self, other: "ScoreHistogram") -> None:
        """Adds the counts of another histogram of the same classes."""
        self.pairs += other.pairs
        self.positives += other.positives

    def average_precision(self, num_positives: np.ndarray) -> np.ndarray:
        """Returns each class's average precision, a bin's scores taken as equal.

        Args:
            num_positives: (num_classes,), the denominators.

        Returns:
            (num_classes,), float64; NaN for a class without a positive.
        """
        step = max(1, _BLOCK // NUM_BINS)
        blocks = [slice(start, start + step) for start in range(0, self.num_classes, step)]
        return np.concatenate(
            [
                histogram_average_precision(
                    self.pairs[block, ::-1], self.positives[block, ::-1], num_positives[block]
                )
                for block in blocks
            ]
        )
