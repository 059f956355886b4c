"""How the scores of several submissions become one: what each file contributes, and their mean.

A method turns the scores of a file into contributions, of which the weighted mean is taken, and
the mean into a score. A class that a file's list for a video lacks contributes too: the file says
that its score is below those of the list.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable

import numpy as np

from yt8m.base.errors import UserError
from yt8m.ensembling.pairs import Pairs

# Scores below this count as this in a geometric mean, where a 0 would outweigh everything.
_TINY = 1e-30
# Bits of a float32 that a bin of `ScoreRanks` does not look at: a bin is 1/2048 of its score wide.
_BIN_BITS = 12


class Method(abc.ABC):
    """A weighted mean of what files contribute for a class of a video."""

    @abc.abstractmethod
    def contributions(
        self, file: int, pairs: Pairs, num_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What a file contributes.

        Args:
            file: the number of the file.
            pairs: rows of it.
            num_rows: how many.

        Returns:
            For each pair (pairs,), and for each row that of a class that is not listed (rows,).
        """

    def scores(self, means: np.ndarray) -> np.ndarray:
        """Turns weighted means of contributions into scores."""
        return means

    def check(self, path: str, pairs: Pairs) -> None:
        """Refuses scores of which no such mean can be taken.

        Raises:
            UserError: a score is negative.
        """
        if pairs.scores.size and pairs.scores.min() < 0:
            raise UserError(
                f"{path} has the negative score {pairs.scores.min():g}, and this mean needs "
                "probabilities. Pass --method=rank, which takes any scores."
            )


class Mean(Method):
    """The arithmetic mean of the scores. A class that is not listed has 0."""

    def contributions(
        self, file: int, pairs: Pairs, num_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The scores, and 0."""
        return pairs.scores, np.zeros(num_rows)


class Geometric(Method):
    """The geometric mean of the scores.

    A class that is not listed has half of the lowest score that the file lists for the video.
    """

    def contributions(
        self, file: int, pairs: Pairs, num_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The logarithms of the scores."""
        logarithms = np.log(np.maximum(pairs.scores, _TINY))
        lowest = np.full(num_rows, np.inf)
        np.minimum.at(lowest, pairs.rows, logarithms)
        return logarithms, np.where(np.isinf(lowest), 0.0, lowest) - np.log(2)

    def scores(self, means: np.ndarray) -> np.ndarray:
        """The exponential."""
        return np.exp(means)


class Rank(Method):
    """The arithmetic mean of scores that are made from ranks.

    A pair of a video and a class that r pairs of the file exceed, of whatever video, has
    1 / (1 + r/n), n the number of its videos: 1 for the best pair, one half where the file has
    given a class to each video. A class that is not listed has 0. So the ranks of a file keep its
    order over all videos, which GAP pools, and nothing else of its scores. (Ranks within each
    video would make every video's best class equal.)

    Args:
        ranks: of each file.
    """

    def __init__(self, ranks: list[ScoreRanks]):
        self._ranks = ranks

    def contributions(
        self, file: int, pairs: Pairs, num_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores made from ranks, and 0."""
        places = self._ranks[file].exceeding(pairs.scores) / self._ranks[file].num_rows
        return 1 / (1 + places), np.zeros(num_rows)

    def check(self, path: str, pairs: Pairs) -> None:
        """Any scores will do."""


class ScoreRanks:
    """How many scores of a file exceed a score, from a histogram over the bits of float32.

    Scores in one bin, within 1/2048 of each other, count as spread evenly over it. A higher score
    of the file always has a lower rank. At most 8 MB, less than one where scores are
    probabilities.

    Args:
        blocks: every score of the file, in parts.
        num_rows: of the file.
    """

    def __init__(self, blocks: Iterable[np.ndarray], num_rows: int):
        self.num_rows = num_rows
        counts = np.zeros(1 << (32 - _BIN_BITS), np.int64)
        for scores in blocks:
            bins, _ = _bins(scores)
            counts += np.bincount(bins, minlength=len(counts))
        used = np.flatnonzero(counts)
        self._first = int(used[0]) if len(used) else 0
        counts = counts[self._first : used[-1] + 1] if len(used) else counts[:0]
        # Entry b: the scores in bin b and above.
        self._reaching = np.append(np.cumsum(counts[::-1])[::-1], 0)

    def exceeding(self, scores: np.ndarray) -> np.ndarray:
        """How many scores exceed each of these, which are of the file, float64."""
        bins, within = _bins(scores)
        bins -= self._first
        here, above = self._reaching[bins], self._reaching[bins + 1]
        return above + (here - above) * (1 - within)


def _bins(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bin of each score, which rises with it, and how far up in the bin it is, in [0, 1)."""
    # Adding 0 makes -0.0 equal to 0.0.
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)
    sign = np.uint32(1 << 31)
    rising = np.where(bits & sign, ~bits, bits | sign)
    low = np.uint32((1 << _BIN_BITS) - 1)
    return (rising >> np.uint32(_BIN_BITS)).astype(np.int64), (rising & low) / (low + 1.0)
