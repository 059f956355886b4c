"""A teacher's scores beside the shards: one small file a shard, so that no shard is rewritten.

The file of `train0000.tfrecord` is `train0000.tfrecord.NAME.npz`. It holds, for each video, a
64-bit hash of its id and the classes that the teacher finds likeliest with their scores: 4 bytes
a class. Scores go by id and not by place, so damaged records or another order do no harm.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from yt8m.base import archives, files, temporaries
from yt8m.base.errors import UserError, first_line

_FIELDS = ("ids", "classes", "scores", "num_classes")
_PADDING = -1


def sidecar_path(shard: str, name: str, folder: str = "") -> str:
    """The path of a shard's file: beside the shard, or in `folder` where that is given."""
    path = f"{shard}.{name}.npz"
    return os.path.join(folder, os.path.basename(path)) if folder else path


def check_names(shards: list[str], name: str, folder: str = "") -> None:
    """Fails where two shards would share a file, or the name is no part of a file name.

    Raises:
        UserError: as above.
    """
    if not name or "/" in name:
        raise UserError(
            f"A teacher's name is a part of file names, without a slash. Received: {name!r}."
        )
    owner: dict[str, str] = {}
    for shard in shards:
        path = sidecar_path(shard, name, folder)
        if path in owner:
            raise UserError(
                f"{owner[path]} and {shard} would share {path}. Keep the scores beside the shards, "
                "or those of each folder of shards in a folder of their own."
            )
        owner[path] = shard


def hash_ids(ids: Iterable[bytes]) -> np.ndarray:
    """(videos,) uint64, a hash of each id."""
    digests = b"".join(hashlib.blake2b(i, digest_size=8).digest() for i in ids)
    return np.frombuffer(digests, np.uint64)


@dataclasses.dataclass(frozen=True)
class TeacherScores:
    """What a teacher says of videos: 88 bytes each at 20 classes.

    Attributes:
        ids: (videos,) uint64, sorted hashes.
        classes: (videos, k) int32 or smaller, padded with -1.
        scores: (videos, k) float16, from 0 to 1.
        num_classes: the size of the teacher's vocabulary.
    """

    ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    num_classes: int

    @classmethod
    def make(
        cls, ids: Iterable[bytes], classes: np.ndarray, scores: np.ndarray, num_classes: int
    ) -> TeacherScores:
        """Of videos in any order; of one that comes twice the first counts, see `yt8m.data.ids`.

        Args:
            ids: one a video.
            classes: (videos, k) class ids, padded with -1.
            scores: (videos, k) probabilities.
            num_classes: the size of the vocabulary.
        """
        hashes, first = np.unique(hash_ids(ids), return_index=True)
        kind = np.int16 if num_classes <= np.iinfo(np.int16).max else np.int32
        return cls(hashes, classes[first].astype(kind), scores[first].astype("f2"), num_classes)

    @classmethod
    def read(
        cls, shards: list[str], name: str, num_classes: int, folder: str = ""
    ) -> TeacherScores:
        """Reads the files of shards.

        Args:
            shards: the shards to train on.
            name: of the teacher, see `sidecar_path`.
            num_classes: the size of the vocabulary, which must be the teacher's.
            folder: where the files are, if not beside the shards.

        Raises:
            UserError: a shard has no such file, a file is damaged or of another vocabulary, or
                none of them holds a video.
        """
        parts = [_read(sidecar_path(shard, name, folder), num_classes) for shard in shards]
        width = max(part.classes.shape[1] for part in parts)
        padded = [
            np.pad(part.classes, _to(width, part), constant_values=_PADDING) for part in parts
        ]
        scores = np.concatenate([np.pad(part.scores, _to(width, part)) for part in parts])
        ids, first = np.unique(np.concatenate([part.ids for part in parts]), return_index=True)
        if not len(ids):
            raise UserError(
                f"The teacher {name!r} knows no video of the {len(shards)} shard(s) from "
                f"{shards[0]} on. Make its scores of these shards with `yt8m teach`."
            )
        return cls(ids, np.concatenate(padded)[first], scores[first], num_classes)

    def write(self, path: str) -> None:
        """Writes the file, on a local disk or a bucket; it appears whole.

        Raises:
            UserError: it cannot be written.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{field: getattr(self, field) for field in _FIELDS})
        if "://" in path:
            _write_to_bucket(path, buffer.getvalue())
            return
        with files.atomic_file(path, "wb") as file:
            file.write(buffer.getvalue())

    def look_up(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the teacher says of the videos of a batch.

        Args:
            ids: (batch,) byte strings.

        Returns:
            Classes (batch, k) int32 and scores (batch, k) float32; -1 and 0 of a video that the
            teacher does not know.
        """
        hashes = hash_ids(ids)
        rows = np.minimum(np.searchsorted(self.ids, hashes), len(self.ids) - 1)
        known = (self.ids[rows] == hashes)[:, None]
        classes = np.where(known, self.classes[rows], _PADDING).astype(np.int32)
        return classes, np.where(known, self.scores[rows], 0).astype(np.float32)

    def add_to(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """A batch of the reader with `teacher_classes` and `teacher_scores`."""
        found = tf.numpy_function(self.look_up, [batch["ids"]], [tf.int32, tf.float32])
        for part in found:
            part.set_shape([batch["ids"].shape[0], self.classes.shape[1]])
        return batch | {"teacher_classes": found[0], "teacher_scores": found[1]}


def _write_to_bucket(path: str, content: bytes) -> None:
    """Does what `files.atomic_file` does, where only TensorFlow can write."""
    temporary = temporaries.name(path)
    try:
        tf.io.gfile.makedirs(os.path.dirname(path))
        with tf.io.gfile.GFile(temporary, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(temporary, path, overwrite=True)
    except (tf.errors.OpError, OSError) as error:
        with contextlib.suppress(tf.errors.OpError, OSError):
            tf.io.gfile.remove(temporary)
        raise UserError(f"Cannot write {path}: {first_line(error)}. Name another folder.") from None


def _read(path: str, num_classes: int) -> TeacherScores:
    """Reads the file of a shard, and looks at all that it holds."""
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            ids, classes, scores, size = archives.read_arrays(file, _FIELDS)
        _check_shapes(ids, classes, scores, size)
        if int(size) != num_classes:
            raise UserError(
                f"{path} is of a teacher with {int(size)} classes, but this training has "
                f"{num_classes}."
            )
        _check_values(ids, classes, scores, num_classes)
    except tf.errors.NotFoundError:
        raise UserError(
            f"There is no {path}. Make the teacher's scores of these shards with "
            "`yt8m teach`, or correct --teacher and --teacher_dir."
        ) from None
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as a teacher's scores: {first_line(error).rstrip('.')}. Make "
            "it anew with `yt8m teach --overwrite`."
        ) from None
    return TeacherScores(ids, classes, scores, num_classes)


def _check_shapes(
    ids: np.ndarray, classes: np.ndarray, scores: np.ndarray, num_classes: np.ndarray
) -> None:
    """Raises ValueError where the parts are not such as `TeacherScores.make` makes them."""
    parts = {"ids": ids, "classes": classes, "scores": scores, "num_classes": num_classes}
    held = ", ".join(f"{name} {part.dtype}{list(part.shape)}" for name, part in parts.items())
    if [part.ndim for part in parts.values()] != [1, 2, 2, 0] or not classes.shape[1]:
        raise ValueError(f"it holds {held}, not a row of classes and of scores for each id")
    if not (len(ids) == len(classes) and classes.shape == scores.shape):
        raise ValueError(f"its parts do not fit each other: {held}")
    if ids.dtype != np.uint64 or (classes.dtype.kind, scores.dtype.kind) != ("i", "f"):
        raise ValueError(f"it holds {held}, but ids are uint64, classes integers, scores floats")
    if num_classes.dtype.kind != "i":
        raise ValueError(f"its num_classes must be an integer, but it holds {held}")


def _check_values(
    ids: np.ndarray, classes: np.ndarray, scores: np.ndarray, num_classes: int
) -> None:
    """Raises ValueError where a value is none that `TeacherScores.make` writes."""
    if (ids[1:] <= ids[:-1]).any():
        raise ValueError("its ids are not in ascending order, each once")
    outside = classes[(classes < _PADDING) | (classes >= num_classes)]
    if len(outside):
        raise ValueError(
            f"it names class {outside[0]}, outside 0 to {num_classes - 1} and {_PADDING} for none"
        )
    in_order = np.sort(classes, axis=1)
    if ((in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] != _PADDING)).any():
        raise ValueError("it names a class of a video twice")
    wrong = scores[~((scores >= 0) & (scores <= 1))]
    if len(wrong):
        raise ValueError(f"it holds the score {wrong[0]}, which is not from 0 to 1")


def _to(width: int, part: TeacherScores) -> list[tuple[int, int]]:
    return [(0, 0), (0, width - part.classes.shape[1])]
