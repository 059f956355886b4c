"""Late fusion: one score a class of each video, from the scores of several runs.

Files of scores are grouped in splits: the runs of a split have scored the same videos. Needs no
TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data import labels as labels_lib
from yt8m.fusion import score_file
from yt8m.fusion.score_file import ViewScores


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
    views = score_file.read(path)
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
