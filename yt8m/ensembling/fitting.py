"""Weights of an ensemble that score best on labelled data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from yt8m import metrics
from yt8m.base.progress import ProgressReport
from yt8m.ensembling.segments import SegmentEnsemble
from yt8m.ensembling.videos import Joined, VideoEnsemble, rank_entries
from yt8m.metrics.segment_metrics import CUT

# A fit looks at so many videos, or fewer where so many listings (24 bytes each) are reached first.
MOST_VIDEOS = 20_000
_MOST_LISTINGS = 4_000_000
_BLOCK_VIDEOS = 500
# A fit looks at so many rated segments; the validation shards of 2019 have 237,668.
MOST_RATINGS = 250_000
# Weights are those that are printed, so that pasting them gives the same ensemble.
_DECIMALS = 6
_SMALLEST_STEP = 1 / 64

Objective = Callable[[np.ndarray], float]


@dataclasses.dataclass(frozen=True)
class Fit:
    """Fitted weights and what they are worth.

    Attributes:
        weights: (files,) not negative; their sum is 1 up to rounding.
        value: of the objective with them.
        equal: with equal weights.
        alone: (files,) of each file alone.
    """

    weights: np.ndarray
    value: float
    equal: float
    alone: np.ndarray


def fit(objective: Objective, num_files: int) -> Fit:
    """Finds weights with a high objective, the same ones every time.

    It starts from equal weights or from the best single file, whichever is better. Then it moves
    weight towards one file or away from it, as long as that is better, in smaller and smaller
    steps. So the result is never worse than where it started, and not always the best there is.

    Args:
        objective: from weights (files,) to a value, higher is better.
        num_files: how many weights.
    """
    starts = [np.round(np.full(num_files, 1 / num_files), _DECIMALS), *np.eye(num_files)]
    with ProgressReport("Fitting", unit="weights tried") as progress:

        def evaluate(weights: np.ndarray) -> float:
            value = objective(weights)
            progress.advance(1, f"{value:.5f}")
            return value

        values = [evaluate(weights) for weights in starts]
        first = int(np.argmax(values))
        weights, value = _climb(evaluate, starts[first], values[first])
    return Fit(weights, value, values[0], np.array(values[1:]))


def _climb(evaluate: Objective, weights: np.ndarray, value: float) -> tuple[np.ndarray, float]:
    step = 0.5
    while step >= _SMALLEST_STEP:
        improved = False
        for file in range(len(weights)):
            for candidate in _moves(weights, file, step):
                if not candidate.any() or np.array_equal(candidate, weights):
                    continue
                found = evaluate(candidate)
                if found > value:
                    weights, value, improved = candidate, found, True
        if not improved:
            step /= 2
    return weights, value


def _moves(weights: np.ndarray, file: int, step: float) -> list[np.ndarray]:
    """More weight for a file, and less: at the first step none."""
    more, less = (1 - step) * weights, weights.copy()
    more[file] += step
    less[file] *= 1 - 2 * step
    return [np.round(moved / max(moved.sum(), 1e-9), _DECIMALS) for moved in (more, less)]


@dataclasses.dataclass(frozen=True)
class VideoLabels:
    """The labels of videos.

    Attributes:
        rows: (videos,) int64, the videos, as an ensemble's index numbers them.
        classes: (labels,) the labels of all videos, one video after the other; one may repeat.
        ends: (videos,) where those of each end.
    """

    rows: np.ndarray
    classes: np.ndarray
    ends: np.ndarray

    def of(self, video: int) -> np.ndarray:
        """The labels of a video, ascending, each once."""
        start = self.ends[video - 1] if video else 0
        return np.unique(self.classes[start : self.ends[video]])


class VideoObjective:
    """GAP of an ensemble on labelled videos.

    Attributes:
        title: what it is, and on how many videos.
        num_labels: of these videos.

    It looks at no more than 20,000 videos, or 4,000,000 (video, class, file) triples, drawn at
    random, the same ones every time; they take 24 bytes each.

    Args:
        ensemble: the files.
        labels: of the labelled videos that any file has.
        top_k: classes a video that GAP pools.

    Raises:
        UserError: a line is not as it should be.
    """

    def __init__(self, ensemble: VideoEnsemble, labels: VideoLabels, top_k: int):
        self._top_k = top_k
        drawn = np.random.default_rng(0).permutation(len(labels.rows))[:MOST_VIDEOS]
        parts, truth, listings = [], [], 0
        for start in range(0, len(drawn), _BLOCK_VIDEOS):
            own = drawn[start : start + _BLOCK_VIDEOS]
            parts.append(ensemble.join(labels.rows[own]))
            truth += [labels.of(video) for video in own]
            listings += len(parts[-1].entries)
            if listings >= _MOST_LISTINGS:
                break
        self.title = f"GAP@{top_k} on {len(truth)} videos"
        self.num_labels = sum(map(len, truth))
        self._joined = _concatenate(parts)
        size = ensemble.num_classes
        videos = np.repeat(np.arange(len(truth)), [len(classes) for classes in truth])
        positive = videos * size + np.concatenate(truth)
        self._hits = np.isin(self._joined.rows * size + self._joined.classes, positive)

    def __call__(self, weights: np.ndarray) -> float:
        """Returns GAP with these weights (files,)."""
        scores = self._joined.scores(weights)
        best = rank_entries(self._joined, scores, self._top_k)
        scores = scores[best].astype(np.float32)
        return metrics.average_precision(scores, self._hits[best], self.num_labels)


def _concatenate(parts: list[Joined]) -> Joined:
    """Several joined blocks as one."""
    first_rows = np.cumsum([0, *(len(part.bases) for part in parts)])
    first_entries = np.cumsum([0, *(len(part.rows) for part in parts)])
    starts = zip(parts, first_rows.tolist(), first_entries.tolist(), strict=False)
    moved = [
        dataclasses.replace(part, rows=part.rows + row, entries=part.entries + entry)
        for part, row, entry in starts
    ]
    names = [field.name for field in dataclasses.fields(Joined) if field.name != "method"]
    arrays = {name: np.concatenate([getattr(part, name) for part in moved]) for name in names}
    return Joined(parts[0].method, **arrays)


class SegmentObjective:
    """MAP@100000 of an ensemble of segments over the rated ones.

    Attributes:
        title: what it is, and on how many segments.
        num_listed: how many of these any file lists.

    It looks at no more than 250,000 ratings, every so manieth of those sorted by class. That the
    ensemble's lists will be cut is not seen.

    Args:
        ensemble: the files.
        rated: of each rated class its number, its rated segments and which are positive.
        num_ratings: how many segments these are together.
    """

    def __init__(
        self,
        ensemble: SegmentEnsemble,
        rated: Iterable[tuple[int, list[str], np.ndarray]],
        num_ratings: int,
    ):
        every = -(-num_ratings // MOST_RATINGS)
        nothing = np.empty(0, np.int64)
        entries, files, gains = [nothing], [nothing], [np.empty(0)]
        classes, hits, seen, kept = [], [], 0, 0
        for class_id, names, positive in rated:
            own = slice(-seen % every, None, every)
            seen += len(names)
            names, positive = names[own], positive[own]
            for file in range(len(ensemble.paths)):
                found, gained = _gains(ensemble, class_id, file, names)
                entries.append(found + kept)
                files.append(np.full(len(found), file))
                gains.append(gained)
            classes.append(np.full(len(names), class_id))
            hits.append(positive)
            kept += len(names)
        self._entries, self._files = np.concatenate(entries), np.concatenate(files)
        self._gains = np.concatenate(gains)
        self._classes, self._hits = np.concatenate(classes), np.concatenate(hits)
        most = self._classes.max() + 1
        self._positives = np.bincount(self._classes[self._hits], minlength=most)
        self.title = f"MAP@{CUT} on {kept} rated segments"
        self.num_listed = len(np.unique(self._entries))

    def __call__(self, weights: np.ndarray) -> float:
        """Returns MAP@100000 with these weights (files,)."""
        gained = self._gains * weights[self._files]
        scores = np.bincount(self._entries, gained, len(self._hits)).astype(np.float32)
        listed = scores > 0
        precision = metrics.grouped_average_precision(
            scores[listed], self._hits[listed], self._classes[listed], self._positives, CUT
        )
        return float(np.nanmean(precision))


def _gains(
    ensemble: SegmentEnsemble, class_id: int, file: int, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Which of some segments a file lists for a class, and what it adds to their scores."""
    listed = ensemble.lists(class_id, file)
    wanted = set(names)
    place_of = {name: place for place, name in enumerate(listed) if name in wanted}
    places = np.array([place_of.get(name, -1) for name in names], np.int64)
    found = np.flatnonzero(places >= 0)
    return found, ensemble.gains(places[found], len(listed))
