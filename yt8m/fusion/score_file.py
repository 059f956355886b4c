"""The scores of the views of videos: a file that an evaluation of clips keeps.

A view is one crop of one clip. The file is a plain .npz that `np.load` reads:

    ids      (videos,) text
    labels   (videos, most labels) int32 class ids, padded with -1
    scores   (videos, clips, crops, classes) float32, from 0 to 1
    classes  (classes,) text, the names

With the scores of all views, protocols with fewer of them and fusions of several models can be
tried without the models. Needs no TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import types
import zipfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from yt8m.base import archives, files
from yt8m.base.errors import UserError, first_line
from yt8m.fusion import npz
from yt8m.metrics.inputs import as_probabilities
from yt8m.metrics.views import ViewEvaluation, as_class_ids, mean_of_views, widened

_FIELDS = ("ids", "labels", "classes")
_SCORES = "scores.npy"
# Scores that are read at a time, in bytes.
_BLOCK = 1 << 22
# Of the crops of an evaluation, the indices of those of an evaluation with fewer. Five are the
# centre and the corners, ten are these and their mirror images; of three the centre is second.
_CROPS = {
    10: {1: (0,), 5: tuple(range(5)), 10: tuple(range(10))},
    5: {1: (0,), 5: tuple(range(5))},
    3: {1: (1,), 3: tuple(range(3))},
}


class ScoreWriter:
    """Writes the file, while an evaluation goes on: a context manager.

    Memory does not grow with the number of videos. The file appears whole when the block ends
    without an error, and not at all otherwise.

    Args:
        path: the file, named .npz; one that is there is replaced.
        num_videos: how many will come; fewer may.
        num_clips: of a video.
        num_crops: of a clip.
        classes: the names of the classes.

    Raises:
        ValueError: a number is not positive, or there is no class.
        UserError: on entering, where the file cannot be written or the disk has no room for it.
    """

    def __init__(
        self, path: str, num_videos: int, num_clips: int, num_crops: int, classes: Sequence[str]
    ):
        counts = {"num_videos": num_videos, "num_clips": num_clips, "num_crops": num_crops}
        for name, value in (counts | {"len(classes)": len(classes)}).items():
            if value < 1:
                raise ValueError(f"{name} must be positive. Received: {name}={value}.")
        self.path = path
        self.num_videos = num_videos
        self.num_clips = num_clips
        self.num_crops = num_crops
        self.classes = tuple(classes)
        self._ids: list[str] = []
        self._labels: list[np.ndarray] = []
        self._open = contextlib.ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> ScoreWriter:
        with self._open:
            part = self._open.enter_context(files.scratch_path(f"{self.path}.npy"))
            with files.writing(self.path):
                self._check_space(os.path.dirname(part))
                self._file = self._open.enter_context(open(part, "w+b"))
                self._write_header(self.num_videos)
            self._open = self._open.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        with self._open:
            if kind is None:
                self._finish()

    def add(self, ids: Sequence[str], labels: np.ndarray, scores: np.ndarray) -> None:
        """Adds some videos.

        Args:
            ids: of the videos.
            labels: (videos, num_classes) bool, or (videos, width) integers: class ids padded
                with -1.
            scores: (videos, num_clips, num_crops, num_classes), from 0 to 1.

        Raises:
            ValueError: on shapes that do not fit, scores or labels out of range, or more videos
                than were announced.
            UserError: the file cannot be written.
        """
        expected = (len(ids), self.num_clips, self.num_crops, len(self.classes))
        if np.shape(scores) != expected:
            raise ValueError(
                f"scores must be of shape {expected}. Received: shape={np.shape(scores)}."
            )
        if len(self._ids) + len(ids) > self.num_videos:
            raise ValueError(
                f"There must be no more than num_videos={self.num_videos} videos. "
                f"Received: {len(self._ids) + len(ids)}."
            )
        rows = np.reshape(scores, (-1, len(self.classes)))
        content = np.ascontiguousarray(as_probabilities(rows, len(self.classes)), "<f4")
        class_ids = as_class_ids(labels, len(ids), len(self.classes))
        with files.writing(self.path):
            self._file.write(content.data)
        self._ids += ids
        self._labels.append(class_ids)

    def _check_space(self, folder: str) -> None:
        """Fails where the disk has no room for the file and for the part that it is made of."""
        views = self.num_videos * self.num_clips * self.num_crops
        needed = 2 * 4 * views * len(self.classes)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise UserError(
                f"The scores of {views} views need {needed / 1e9:.1f} GB in {folder} while "
                f"they are written, which has {free / 1e9:.1f} GB left. Make room or name another "
                "folder."
            )

    def _finish(self) -> None:
        if not self._ids:
            raise ValueError(f"{self.path} needs a video. Received: no call of add with one.")
        width = max(labels.shape[1] for labels in self._labels)
        fields = {
            "ids": np.array(self._ids, str),
            "labels": np.concatenate([widened(labels, width) for labels in self._labels]),
            "classes": np.array(self.classes, str),
        }
        with files.atomic_path(self.path) as whole:
            self._write_header(len(self._ids))
            self._file.flush()
            with open(whole, "wb") as file:
                np.savez(file, **fields)
            with zipfile.ZipFile(whole, "a") as archive:
                archive.write(self._file.name, _SCORES)

    def _write_header(self, num_videos: int) -> None:
        """Writes what a .npy file has before its values; NumPy leaves room for any first size."""
        shape = (num_videos, self.num_clips, self.num_crops, len(self.classes))
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclasses.dataclass(frozen=True)
class ViewScores:
    """The scores of the views of videos, or of some of the views, see `select`.

    Attributes:
        ids: of the videos.
        labels: (videos, most labels) int32 class ids, padded with -1.
        stored: (videos, clips, crops, classes), those of the file; on the disk where the file is
            not compressed.
        classes: the names of the classes.
        clips, crops: the indices of those that count.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    stored: np.ndarray
    classes: tuple[str, ...]
    clips: tuple[int, ...]
    crops: tuple[int, ...]

    @property
    def num_clips(self) -> int:
        """Clips of a video that count."""
        return len(self.clips)

    @property
    def num_crops(self) -> int:
        """Crops of a clip that count."""
        return len(self.crops)

    @property
    def scores(self) -> np.ndarray:
        """(videos, num_clips, num_crops, classes); of a selection it is a copy in memory."""
        if (self.num_clips, self.num_crops) == self.stored.shape[1:3]:
            return self.stored
        return self._selected(slice(None))

    def select(self, num_clips: int | None = None, num_crops: int | None = None) -> ViewScores:
        """The same videos with fewer views.

        Of N clips the n nearest to n places are taken that are spread evenly from the first clip
        to the last; one clip is the middle one, or the first behind the middle. With clips that
        an evaluation took so from videos, these are about those that it takes with `num_clips`
        of n.

        Args:
            num_clips: of a video; None for all.
            num_crops: of a clip; None for all. One is the centre, five are the centre and the
                corners, out of ten.

        Raises:
            ValueError: there are not so many, or not these crops.
        """
        clips, crops = self.clips, self.crops
        if num_clips is not None:
            if not 1 <= num_clips <= len(clips):
                raise ValueError(
                    f"num_clips must be from 1 to {len(clips)}, the clips that there are. "
                    f"Received: num_clips={num_clips}."
                )
            places = _spread(len(clips), num_clips)
            clips = tuple(clips[place] for place in places)
        if num_crops is not None:
            known = _CROPS.get(len(crops), {len(crops): tuple(range(len(crops)))})
            if num_crops not in known:
                raise ValueError(
                    f"num_crops must be one of {', '.join(map(str, known))}, which can be taken of "
                    f"the {len(crops)} crop(s) that there are. Received: num_crops={num_crops}."
                )
            crops = tuple(crops[place] for place in known[num_crops])
        return dataclasses.replace(self, clips=clips, crops=crops)

    def video_scores(self) -> np.ndarray:
        """(videos, classes) float32, the mean over the views."""
        return np.concatenate([mean_of_views(scores) for _, scores in self._blocks()])

    def evaluate(self, top_k: int = 20) -> ViewEvaluation:
        """The metrics of the views and of the videos.

        Args:
            top_k: see `ViewEvaluation`.
        """
        state = ViewEvaluation(len(self.classes), top_k)
        for rows, scores in self._blocks():
            state.update(scores, self.labels[rows])
        return state

    def check(self) -> None:
        """Looks at every score.

        Raises:
            ValueError: one is NaN or not from 0 to 1.
        """
        for _, scores in self._blocks():
            as_probabilities(scores.reshape(-1, len(self.classes)), len(self.classes))

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their scores, a few videos at a time."""
        step = max(1, _BLOCK // (4 * int(np.prod(self.stored.shape[1:]))))
        for start in range(0, len(self.ids), step):
            rows = slice(start, start + step)
            yield rows, self._selected(rows)

    def _selected(self, rows: slice) -> np.ndarray:
        part = np.array(self.stored[rows], np.float32)
        if (self.num_clips, self.num_crops) == part.shape[1:3]:
            return part
        return part[:, list(self.clips)][:, :, list(self.crops)]


def _spread(count: int, wanted: int) -> list[int]:
    if wanted == 1:
        return [count // 2]
    return [int(place + 0.5) for place in np.linspace(0, count - 1, wanted)]


def read(path: str) -> ViewScores:
    """Reads the file; the scores stay on the disk where it is not compressed.

    Raises:
        UserError: it is not there, is damaged, or holds something else.
    """
    try:
        with archives.opened(path) as archive:
            damaged = archive.testzip()
            if damaged:
                raise ValueError(f"{damaged} is damaged")
            stored = npz.map_array(path, archive, _SCORES)
            ids, labels, classes = (
                archives.read_array(archive, f"{field}.npy") for field in _FIELDS
            )
        _check(ids, labels, stored, classes)
        clips, crops = (tuple(range(count)) for count in stored.shape[1:3])
        views = ViewScores(
            tuple(ids.tolist()), labels, stored, tuple(classes.tolist()), clips, crops
        )
        views.check()
    except FileNotFoundError:
        raise UserError(f"There is no file of scores {path}. Check the name.") from None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except ValueError as error:
        reason = first_line(error).rstrip(".")
        raise UserError(
            f"{path} is damaged, or is no file of the scores of views: {reason}. Evaluate again to "
            "write it."
        ) from None
    return views


def _check(ids: np.ndarray, labels: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> None:
    """Raises ValueError where the parts do not fit together."""
    found = (
        f"ids {ids.shape}, labels {labels.shape}, scores {scores.shape}, classes {classes.shape}"
    )
    if (ids.ndim, labels.ndim, scores.ndim, classes.ndim) != (1, 2, 4, 1):
        raise ValueError(f"it holds {found}")
    if not len(ids) == len(labels) == len(scores) or scores.shape[3] != len(classes):
        raise ValueError(f"its parts do not fit: {found}")
    if 0 in scores.shape:
        raise ValueError(f"it is empty: {found}")
    if ids.dtype.kind != "U" or classes.dtype.kind != "U" or scores.dtype.kind != "f":
        raise ValueError("ids and classes must be text, scores floats")
    as_class_ids(labels, len(ids), len(classes))
