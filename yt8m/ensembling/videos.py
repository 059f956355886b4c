"""Ensembles of submissions of videos: their rows joined, block by block, and written as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from absl import logging

from yt8m.base import files as files_lib
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.ids import as_text
from yt8m.ensembling.index import MISSING, SubmissionIndex, line_number
from yt8m.ensembling.methods import Geometric, Mean, Method, Rank, ScoreRanks
from yt8m.ensembling.pairs import read_pairs
from yt8m.submissions import video_file

METHODS = ("mean", "geometric", "rank")
# Text of a block, of all files together. In arrays it takes about ten times as much.
_BLOCK_BYTES = 8 << 20
# The most that `rank_entries` can tell apart.
_BLOCK_ROWS = 1 << 15
_LAST_PLACE = (1 << 16) - 1


@dataclasses.dataclass(frozen=True)
class Joined:
    """Some videos, as several files predict them.

    An entry is a class that a file lists for a video; a listing is one such file.

    Attributes:
        method: of the mean.
        rows: (entries,) the video of each entry, ascending.
        classes: (entries,) its class, ascending within a video.
        places: (entries,) the best place that a file lists it at.
        entries: (listings,) the entry of each listing, ascending.
        files: (listings,) the file.
        gains: (listings,) what the file contributes, less what it would if it did not list it.
        bases: (rows, files) what a file contributes for a class that it does not list; 0 where it
            has no classes for the video.
        present: (rows, files) bool, whether it has any.
    """

    method: Method
    rows: np.ndarray
    classes: np.ndarray
    places: np.ndarray
    entries: np.ndarray
    files: np.ndarray
    gains: np.ndarray
    bases: np.ndarray
    present: np.ndarray

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """The scores of the entries, (entries,) float64.

        The weights of the files that have a video count as if they summed to 1. An entry that
        only files without weight list has -inf.
        """
        size = len(self.rows)
        gains = np.bincount(self.entries, self.gains * weights[self.files], size)
        totals = self.present @ weights
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (gains + (self.bases @ weights)[self.rows]) / totals[self.rows]
        scores = self.method.scores(means)
        if not weights.all():
            listed = np.bincount(self.entries[weights[self.files] > 0], minlength=size)
            scores[listed == 0] = -np.inf
        return scores


class VideoEnsemble:
    """Submissions of videos, and a mean of them.

    The order of classes within a line does not matter. That of the files decides only the order of
    the videos: that of the first file, then what only later ones have. A file that lacks a video,
    or lists no class for it, does not count for it.

    Args:
        paths: the files.
        method: one of `METHODS`.
        num_classes: the size of the vocabulary.

    Raises:
        UserError: a file cannot be read, is empty or has a video twice, or, for ranks, has a line
            that is not as it should be.
    """

    def __init__(self, paths: list[str], method: str, num_classes: int):
        self.index = SubmissionIndex.build(paths)
        self.num_classes = num_classes
        self._warn_of_missing()
        self.method = self._make_method(method)

    def _warn_of_missing(self) -> None:
        for path, locations in zip(self.index.paths, self.index.locations, strict=True):
            missing = np.count_nonzero(locations == MISSING)
            if missing:
                logging.warning(
                    "%s lacks %d of %d videos; the other files decide about them.",
                    path,
                    missing,
                    len(self.index),
                )

    def _make_method(self, name: str) -> Method:
        if name == "mean":
            return Mean()
        if name == "geometric":
            return Geometric()
        with ProgressReport("Ranking", len(self.index) * len(self.index.paths), "rows") as progress:
            return Rank([self._ranks(file, progress) for file in range(len(self.index.paths))])

    def _ranks(self, file: int, progress: ProgressReport) -> ScoreRanks:
        path, locations = self.index.paths[file], self.index.locations[file]

        def blocks() -> Iterator[np.ndarray]:
            for rows in self.index.blocks(_BLOCK_BYTES, _BLOCK_ROWS):
                yield read_pairs(path, locations[rows], self.num_classes).scores
                progress.advance(len(rows))

        return ScoreRanks(blocks(), int(np.count_nonzero(locations != MISSING)))

    def join(self, rows: np.ndarray, weights: np.ndarray | None = None) -> Joined:
        """Reads some videos from every file, or from every one that has a weight.

        Args:
            rows: (rows,) int64, their numbers in the index; one may come twice.
            weights: (files,).

        Raises:
            UserError: a line is not as it should be.
        """
        num_files = len(self.index.paths)
        bases, present = np.zeros((len(rows), num_files)), np.zeros((len(rows), num_files), bool)
        keys, places, gains = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
        for file, path in enumerate(self.index.paths):
            if weights is not None and not weights[file]:
                continue
            pairs = read_pairs(path, self.index.locations[file][rows], self.num_classes)
            self.method.check(path, pairs)
            values, bases[:, file] = self.method.contributions(file, pairs, len(rows))
            present[pairs.rows, file] = True
            keys.append((pairs.rows * self.num_classes + pairs.classes) * num_files + file)
            places.append(pairs.places)
            gains.append(values - bases[pairs.rows, file])
        bases[~present] = 0.0
        keys, places, gains = (np.concatenate(parts) for parts in (keys, places, gains))
        order = np.argsort(keys)
        keys, places, gains = keys[order], places[order], gains[order]
        self._check_distinct(keys, rows)
        pair_keys, files = np.divmod(keys, num_files)
        starts = np.flatnonzero(np.diff(pair_keys, prepend=-1))
        videos, classes = np.divmod(pair_keys[starts], self.num_classes)
        best_places = np.minimum.reduceat(places, starts) if len(starts) else starts
        entries = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(keys))))
        return Joined(
            self.method, videos, classes, best_places, entries, files, gains, bases, present
        )

    def _check_distinct(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Refuses a line that names a class twice.

        Raises:
            UserError: it is named.
        """
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if len(twice):
            pair, file = divmod(int(keys[twice[0]]), len(self.index.paths))
            row, class_id = divmod(pair, self.num_classes)
            path, location = self.index.paths[file], self.index.locations[file][rows[row]]
            raise UserError(
                f"{path}, line {line_number(path, location)} names class {class_id} twice."
            )

    def write(self, path: str, weights: np.ndarray, top_k: int) -> int:
        """Writes the ensemble.

        Args:
            path: the file; it appears under this name when it is whole.
            weights: (files,), not negative, not all 0; only their ratios matter.
            top_k: classes a video.

        Returns:
            The number of videos. One that only files of weight 0 have is left out, and a warning
            counts it.

        Raises:
            UserError: the file cannot be written, or a line is not as it should be.
        """
        ids, left_out = list(self.index.rows), 0
        with (
            files_lib.atomic_file(path) as file,
            ProgressReport("Ensembling", len(ids), "videos") as progress,
        ):
            file.write(video_file.HEADER + "\n")
            for rows in self.index.blocks(_BLOCK_BYTES, _BLOCK_ROWS):
                known = self._has_weight(rows, weights)
                joined = self.join(rows[known], weights)
                names = [as_text(ids[row]) for row in rows[known]]
                file.writelines(_lines(names, joined, joined.scores(weights), top_k))
                left_out += len(rows) - len(names)
                progress.advance(len(rows))
        if left_out:
            logging.warning("%d videos are left out: only files of weight 0 have them.", left_out)
        return len(ids) - left_out

    def _has_weight(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        has = [self.index.locations[file][rows] != MISSING for file in np.flatnonzero(weights)]
        return np.any(has, axis=0)


def rank_entries(joined: Joined, scores: np.ndarray, top_k: int) -> np.ndarray:
    """The best entries of each video.

    Equal scores, which are those of one float32, go by the best place that a file lists them at,
    then by class. So neither the order of the files nor rounding decides.

    Args:
        joined: at most 32768 videos.
        scores: (entries,) not negative; -inf for an entry that does not take part.
        top_k: entries a video.

    Returns:
        Numbers of entries, video by video, best first.
    """
    taking_part = np.flatnonzero(scores > -np.inf)
    # The bits of a float32 that is not negative rise with it.
    falling = ~scores[taking_part].astype(np.float32).view(np.uint32)
    rows = joined.rows[taking_part]
    keys = rows.astype(np.uint64) << np.uint64(48)
    keys |= falling.astype(np.uint64) << np.uint64(16)
    keys |= np.minimum(joined.places[taking_part], _LAST_PLACE).astype(np.uint64)
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(rows, np.arange(len(joined.bases)))
    return taking_part[order[np.arange(len(order)) - starts[rows] < top_k]]


def _lines(names: list[str], joined: Joined, scores: np.ndarray, top_k: int) -> Iterator[str]:
    """The lines of some videos; neighbours with equally many classes are formatted together."""
    best = rank_entries(joined, scores, top_k)
    counts = np.bincount(joined.rows[best], minlength=len(names))
    ends = np.cumsum(counts)
    for run in np.split(np.arange(len(names)), np.flatnonzero(np.diff(counts)) + 1):
        if len(run):
            own = best[ends[run[0]] - counts[run[0]] : ends[run[-1]]]
            shape = (len(run), counts[run[0]])
            classes, values = joined.classes[own].reshape(shape), scores[own].reshape(shape)
            yield from video_file.format_rows([names[row] for row in run], classes, values)
