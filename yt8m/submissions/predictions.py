"""The best classes of videos, as a submission holds them, in memory. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses

import numpy as np

from yt8m.base.errors import UserError
from yt8m.submissions import video_file


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A submission in memory: about 160 bytes a video at 20 classes, and its id.

    Attributes:
        row: video id -> row.
        classes: (videos, length) int32, padded with -1.
        scores: (videos, length) float32, best first.
    """

    row: dict[str, int]
    classes: np.ndarray
    scores: np.ndarray

    @classmethod
    def read(cls, path: str, num_classes: int, length: int) -> Predictions:
        """Reads a submission, and of each video its `length` best classes.

        Raises:
            UserError: the file cannot be read, is no submission, or names a video twice.
        """
        row: dict[str, int] = {}
        classes, scores = _Rows(length, -1, np.int32), _Rows(length, 0, np.float32)
        for video_id, row_classes, row_scores in video_file.read_rows(path, num_classes):
            if video_id in row:
                raise UserError(f"{path} names the video {video_id!r} twice.")
            row[video_id] = len(row)
            order = np.argsort(-np.asarray(row_scores), kind="stable")[:length]
            classes.append(np.asarray(row_classes, np.int32)[order])
            scores.append(np.asarray(row_scores, np.float32)[order])
        return cls(row, classes.array(), scores.array())


class _Rows:
    """Rows of at most `width` values, in an array that doubles as it fills."""

    def __init__(self, width: int, padding: float, dtype: type):
        self._values = np.full((1024, width), padding, dtype)
        self._padding = padding
        self._count = 0

    def append(self, values: np.ndarray) -> None:
        if self._count == len(self._values):
            more = np.full_like(self._values, self._padding)
            self._values = np.concatenate([self._values, more])
        self._values[self._count, : len(values)] = values
        self._count += 1

    def array(self) -> np.ndarray:
        return self._values[: self._count]
