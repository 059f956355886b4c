"""Ensembles of submissions of segments: class by class, from the places in their lines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from absl import logging

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.ensembling import index
from yt8m.submissions import segment_file

# Of reciprocal rank fusion: places far below it count nearly alike (Cormack, Clarke and Buettcher,
# "Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods", 2009).
_RANK_OFFSET = 60


def _mean(places: np.ndarray, length: int) -> np.ndarray:
    return 1 - places / length


def _geometric(places: np.ndarray, length: int) -> np.ndarray:
    return np.log((length + 1) / (places + 1))


def _rank(places: np.ndarray, length: int) -> np.ndarray:
    return 1 / (_RANK_OFFSET + 1 + places)


# A function from places, from 0, and the length of the list, to what they add to a segment's
# score. All are above 0 and fall with the place; a segment that a list lacks gains nothing from it.
_GAINS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "mean": _mean,
    "geometric": _geometric,
    "rank": _rank,
}


class SegmentEnsemble:
    """Submissions of segments, and a mean of the orders in them.

    A line holds an order and no scores, so every method looks at the place p, from 1, of a segment
    in the list of its class, which has L segments:

        mean: the mean of 1 - (p - 1)/L, the arithmetic mean of places, lists of all lengths alike.
        geometric: the mean of log((L + 1)/p), the geometric mean of places.
        rank: the mean of 1/(60 + p), reciprocal rank fusion.

    Where a list lacks the segment it has 0, as if it stood behind the last place of the first two.
    A file without a line for the class does not count for it.

    Memory: a line of each file at a time, and about 150 bytes a segment in them.

    Args:
        paths: the files.
        method: one of `videos.METHODS`.
        num_classes: the size of the vocabulary.

    Raises:
        UserError: a file cannot be read, is empty, or a line is not as it should be.
    """

    def __init__(self, paths: list[str], method: str, num_classes: int):
        self.paths = paths
        self._gains = _GAINS[method]
        self._lines: list[dict[int, int]] = []
        with ProgressReport("Checking", unit="classes") as progress:
            for path in paths:
                self._lines.append(_locate(path, num_classes, progress))
        self.classes = list(dict.fromkeys(c for lines in self._lines for c in lines))
        for path, lines in zip(paths, self._lines, strict=True):
            missing = len(self.classes) - len(lines)
            if missing:
                logging.warning(
                    "%s has no line for %d of %d classes; the other files decide about them.",
                    path,
                    missing,
                    len(self.classes),
                )

    def lists(self, class_id: int, file: int) -> list[str]:
        """The segments of a class, best first; empty where the file has no line for it."""
        location = self._lines[file].get(class_id, index.MISSING)
        rows = index.read_rows(self.paths[file], np.array([location], np.uint64))
        return index.fields(rows[0])[1].split() if rows[0] else []

    def gains(self, places: np.ndarray, length: int) -> np.ndarray:
        """What places, from 0, in a list of some length add to the scores of their segments."""
        return self._gains(places, length)

    def best(self, class_id: int, weights: np.ndarray, most: int) -> list[str]:
        """The best segments of a class.

        Equal scores, which are those of one float32, go by the best place of the segment in any
        file, then by name. So neither the order of the files nor rounding decides.
        """
        numbers: dict[str, int] = {}
        parts: list[np.ndarray] = []
        gains: list[np.ndarray] = []
        for file in np.flatnonzero(weights):
            listed = self.lists(class_id, file)
            own = (numbers.setdefault(name, len(numbers)) for name in listed)
            parts.append(np.fromiter(own, np.int64, len(listed)))
            gains.append(weights[file] * self.gains(np.arange(len(listed)), len(listed)))
        names = list(numbers)
        scores = np.bincount(np.concatenate(parts), np.concatenate(gains), len(names))
        places = np.full(len(names), np.iinfo(np.int64).max)
        for own in parts:
            places[own] = np.minimum(places[own], np.arange(len(own)))
        by_name = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        order = np.lexsort((places[by_name], -scores[by_name].astype(np.float32)))
        return [names[number] for number in by_name[order[:most]].tolist()]

    def write(self, path: str, weights: np.ndarray, most: int) -> int:
        """Writes the ensemble, the classes in the order of the first file, then of later ones.

        Args:
            path: the file; it appears under this name when it is whole.
            weights: (files,), not negative, not all 0; only their ratios matter.
            most: segments a class.

        Returns:
            The number of classes. One that only files of weight 0 have is left out, and a warning
            counts it.

        Raises:
            UserError: the file cannot be written.
        """
        used = [self._lines[file] for file in np.flatnonzero(weights)]
        classes = [c for c in self.classes if any(c in lines for lines in used)]
        with (
            files.atomic_file(path) as file,
            ProgressReport("Ensembling", len(classes), "classes") as progress,
        ):
            file.write(segment_file.HEADER + "\n")
            for class_id in classes:
                best = self.best(class_id, weights, most)
                file.write(segment_file.format_row(class_id, best))
                progress.advance(1)
        if len(classes) < len(self.classes):
            left_out = len(self.classes) - len(classes)
            logging.warning("%d classes are left out: only files of weight 0 have them.", left_out)
        return len(classes)


def _locate(path: str, num_classes: int, progress: ProgressReport) -> dict[int, int]:
    """Checks every line of a file, and finds where the line of each class is.

    Raises:
        UserError: the file cannot be read, is empty, or a line is not as it should be.
    """
    classes = []
    for class_id, _ in segment_file.read_rows(path, num_classes):
        classes.append(class_id)
        progress.advance(1)
    if not classes:
        raise UserError(f"{path} has no rows below its first line.")
    locations = (location for _, location in index.key_locations(path))
    return dict(zip(classes, locations, strict=True))
