"""Late fusion: one score a class of each video, from the scores of several runs.

Files of scores are grouped in splits: the runs of a split have scored the same videos. Needs no
TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
from absl import logging

from yt8m import labels as labels_lib
from yt8m import view_scores
from yt8m.errors import UserError
from yt8m.progress import ProgressReport
from yt8m.view_scores import ViewScores

_MAX_ITERATIONS = 10_000


@dataclasses.dataclass(frozen=True)
class Split:
    """The same videos, scored by several runs.

    Attributes:
        paths: the files, one a run.
        views: what they hold.
        rows: of each file, the rows of the videos in the order of the first file.
    """

    paths: tuple[str, ...]
    views: tuple[ViewScores, ...]
    rows: tuple[np.ndarray, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The videos, in the order of the first file."""
        return self.views[0].ids

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.views[0].classes

    @property
    def labels(self) -> np.ndarray:
        """(videos, most labels) class ids, padded with -1."""
        return self.views[0].labels

    def video_scores(self) -> list[np.ndarray]:
        """Of each run (videos, classes) float32, the mean over its views."""
        pairs = zip(self.views, self.rows, strict=True)
        return [views.video_scores()[rows] for views, rows in pairs]


def parse_files(flag: str, text: str) -> tuple[tuple[str, ...], ...]:
    """The files of each split: `rgb1.npz,flow1.npz;rgb2.npz,flow2.npz` are two of two runs.

    Args:
        flag: the name of the flag, for errors.
        text: its value.

    Raises:
        UserError: a name is empty or comes twice, or splits have different numbers of files.
    """
    splits = tuple(
        tuple(os.path.expanduser(path.strip()) for path in part.split(","))
        for part in text.split(";")
    )
    paths = [path for split in splits for path in split]
    if "" in paths:
        raise UserError(
            f"--{flag} takes files with commas between them, and a semicolon between splits. "
            f"Received: {text!r}, where a name is empty."
        )
    counts = Counter(map(os.path.realpath, paths))
    twice = next((path for path in paths if counts[os.path.realpath(path)] > 1), None)
    if twice:
        raise UserError(f"--{flag} names {twice} twice. Name it once.")
    if len({len(split) for split in splits}) > 1:
        lengths = ", ".join(str(len(split)) for split in splits)
        raise UserError(
            f"--{flag} needs the same number of files in every split, one a run. "
            f"Received: {lengths}."
        )
    return splits


def parse_weights(texts: Sequence[str] | None, num_runs: int) -> np.ndarray:
    """(num_runs,) weights whose sum is 1; equal ones where none are given.

    Raises:
        UserError: they are not one number a run, not finite, negative, or all 0.
    """
    if texts is None:
        return np.full(num_runs, 1 / num_runs)
    received = ",".join(texts)
    try:
        weights = np.array([float(text) for text in texts])
    except ValueError:
        raise UserError(f"--weights takes numbers. Received: {received}.") from None
    if len(weights) != num_runs:
        raise UserError(
            f"--weights needs one number a run. Received: {len(weights)} ({received}) for "
            f"{num_runs} file(s) a split."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise UserError(f"--weights must not be negative or all 0. Received: {received}.")
    return weights / weights.sum()


def load(
    splits: Sequence[Sequence[str]], num_clips: int | None = None, num_crops: int | None = None
) -> list[Split]:
    """Reads the files of splits, and finds the same videos in those of one split.

    Args:
        splits: see `parse_files`.
        num_clips: see `ViewScores.select`.
        num_crops: the same.

    Raises:
        UserError: a file is missing or damaged or has not so many views, or the files of a split
            differ in their videos or labels, or files in their classes.
    """
    loaded = []
    with ProgressReport("Reading", sum(map(len, splits)), "files") as progress:
        for paths in splits:
            views = []
            for path in paths:
                views.append(_read(path, num_clips, num_crops))
                progress.advance(1)
            loaded.append(_match(tuple(paths), tuple(views)))
    check_classes(loaded)
    return loaded


def _read(path: str, num_clips: int | None, num_crops: int | None) -> ViewScores:
    views = view_scores.read(path)
    if not (views.labels >= 0).any():
        raise UserError(f"No video of {path} has a label, so it cannot be judged.")
    try:
        return views.select(num_clips, num_crops)
    except ValueError as error:
        raise UserError(f"{path} does not hold these views: {error}") from None


def _match(paths: tuple[str, ...], views: tuple[ViewScores, ...]) -> Split:
    """Finds the videos of the first file in the others."""
    everything = set().union(*(part.ids for part in views))
    for path, part in zip(paths, views, strict=True):
        lacks = everything.difference(part.ids)
        if lacks:
            raise UserError(
                f"{path} lacks {len(lacks)} of the videos that {' and '.join(paths)} score, such "
                f"as {min(lacks)!r}. Evaluate all runs on the same videos."
            )
        if len(views) > 1 and len(part.ids) > len(everything):
            name = Counter(part.ids).most_common(1)[0][0]
            raise UserError(
                f"{path} has the video {name!r} twice, so it is not clear which of the scores "
                "belong together. Evaluate on a list that names each video once."
            )
    places = [{name: row for row, name in enumerate(part.ids)} for part in views]
    rows = [np.array([place[name] for name in views[0].ids]) for place in places[1:]]
    split = Split(paths, views, (np.arange(len(views[0].ids)), *rows))
    check_classes([split])
    _check_labels(split)
    return split


def _check_labels(split: Split) -> None:
    truth = labels_lib.multi_hot_array(split.labels, len(split.classes))
    for path, part, rows in zip(split.paths, split.views, split.rows, strict=True):
        others = labels_lib.multi_hot_array(part.labels, len(split.classes))[rows]
        differ = np.flatnonzero((truth != others).any(axis=1))
        if len(differ):
            raise UserError(
                f"The labels of {len(differ)} video(s), such as {split.ids[differ[0]]!r}, are "
                f"others in {path} than in {split.paths[0]}. Evaluate all runs on the same list."
            )


def check_classes(splits: Sequence[Split]) -> None:
    """Fails where the files of splits do not have the same classes in the same order.

    Raises:
        UserError: names the first difference.
    """
    first_path, first = splits[0].paths[0], splits[0].classes
    for split in splits:
        for path, views in zip(split.paths, split.views, strict=True):
            if views.classes == first:
                continue
            pairs = list(zip(first, views.classes, strict=False))
            place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
            difference = f"{len(first)} classes there and {len(views.classes)} here"
            if place is not None:
                a, b = pairs[place]
                difference = f"class {place} is {a!r} there and {b!r} here"
            raise UserError(
                f"{path} has other classes than {first_path}: {difference}. Use runs with the same "
                "list of classes."
            )


def check_fit(splits: Sequence[Split], fit_splits: Sequence[Split]) -> None:
    """Fails where an SVM cannot be fitted on some splits to judge others.

    Raises:
        UserError: classes differ, a video that is judged is among those that are fitted on, a
            video has not one label, or those to fit on are all of one class.
    """
    check_classes([*splits, *fit_splits])
    for split, fit_split in zip(splits, fit_splits, strict=True):
        both = set(split.ids).intersection(fit_split.ids)
        if both:
            raise UserError(
                f"{len(both)} video(s) of {split.paths[0]}, such as {min(both)!r}, are in "
                f"{fit_split.paths[0]} too, so the SVM would be judged on what it was fitted on. "
                "Name the scores of the training videos in --fit_scores."
            )
        single_labels(split)
        present = np.unique(single_labels(fit_split))
        if len(present) < 2:
            raise UserError(
                f"All videos of {fit_split.paths[0]} are of one class, "
                f"{split.classes[present[0]]!r}. An SVM needs two at least."
            )


def single_labels(split: Split) -> np.ndarray:
    """(videos,) class ids, where each video has one label.

    Raises:
        UserError: a video has none or several.
    """
    truth = labels_lib.multi_hot_array(split.labels, len(split.classes))
    counts = truth.sum(axis=1)
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        raise UserError(
            f"--method=svm takes videos with one label each, but {split.ids[wrong[0]]!r} in "
            f"{split.paths[0]} has {counts[wrong[0]]}. Use --method=average."
        )
    return truth.argmax(axis=1)


@dataclasses.dataclass(frozen=True)
class Average:
    """The weighted mean of the runs' scores.

    Attributes:
        weights: (runs,) whose sum is 1.
    """

    weights: np.ndarray

    def fuse(self, split: Split, fit_split: Split | None = None) -> np.ndarray:
        """(videos, classes) float32; there is nothing to fit."""
        scores = split.video_scores()
        total = np.zeros(scores[0].shape)
        for weight, part in zip(self.weights, scores, strict=True):
            total += weight * part
        return total.astype(np.float32)


class LinearSvm:
    """A linear SVM on the runs' scores, L2-normalised each by itself and joined.

    As Simonyan and Zisserman, Two-Stream Convolutional Networks for Action Recognition in Videos,
    2014, sections 3 and 6; one against the rest.

    Args:
        c: the penalty of an error on the videos that it is fitted on.

    Raises:
        UserError: c is not positive, or scikit-learn is not installed.
    """

    def __init__(self, c: float = 1.0):
        if not (c > 0 and math.isfinite(c)):
            raise UserError(f"--svm_c must be positive. Received: {c}.")
        try:
            from sklearn import exceptions, svm
        except ImportError:
            raise UserError(
                "--method=svm needs scikit-learn, which is not installed. Install it with "
                "pip install 'yt8m[video]', or use --method=average."
            ) from None
        self.c = c
        self._not_converged = exceptions.ConvergenceWarning
        self._make = svm.LinearSVC

    def fuse(self, split: Split, fit_split: Split) -> np.ndarray:
        """Fits on the videos of one split, and scores those of another; see `check_fit`.

        Returns:
            (videos, classes) float32 from 0 to 1: (1 + d / (1 + |d|)) / 2 of the decision value d,
            which keeps its order. A class that no video is fitted on has 0.

        Raises:
            UserError: a video to fit on has not one label.
        """
        truth = single_labels(fit_split)
        present = np.unique(truth)
        if len(present) < len(split.classes):
            missing = len(split.classes) - len(present)
            logging.warning("%s has no video of %d class(es).", fit_split.paths[0], missing)
        logging.info("Fitting a linear SVM on %d videos.", len(truth))
        model = self._make(C=self.c, dual="auto", random_state=0, max_iter=_MAX_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._not_converged)
            model.fit(_joined(fit_split), truth)
        if np.max(model.n_iter_) >= _MAX_ITERATIONS:
            logging.warning("The SVM did not converge. A smaller --svm_c converges sooner.")
        decisions = model.decision_function(_joined(split))
        if decisions.ndim == 1:  # Of two classes it tells the second.
            decisions = np.stack([-decisions, decisions], axis=1)
        scores = np.zeros((len(split.ids), len(split.classes)), np.float32)
        scores[:, present] = (1 + decisions / (1 + np.abs(decisions))) / 2
        return scores


def _joined(split: Split) -> np.ndarray:
    """(videos, runs * classes) float64, the scores of each run at length 1."""
    scores = [part.astype(np.float64) for part in split.video_scores()]
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in scores]
    pairs = zip(scores, lengths, strict=True)
    return np.concatenate([part / np.where(length > 0, length, 1) for part, length in pairs], 1)
