"""Features of others, a video at a time: folders of arrays, and tables."""

from __future__ import annotations

import dataclasses
import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from absl import logging

from yt8m.base import archives
from yt8m.base.errors import UserError, first_line
from yt8m.conversion import table_files
from yt8m.conversion.table_files import Part, Table

_ID, _LABELS, _GROUP, _SPLIT, _FRAME = "id", "labels", "group", "split", "frame"
_ABOUT = (_ID, _LABELS, _GROUP, _SPLIT)
_NPY, _NPZ = ".npy", ".npz"
_SHOWN = 5
_LONGEST = 300  # Of what a library says, which may quote the file.


@dataclasses.dataclass(frozen=True)
class Listed:
    """What is known of a video besides its features.

    Attributes:
        id: its id.
        labels: the names of its classes.
        group: what it shares with others from the same source.
        split: such as `train`; empty where nothing says it.
        where: it stands, for an error.
    """

    id: str
    labels: tuple[str, ...]
    group: str
    split: str
    where: str


@dataclasses.dataclass(frozen=True)
class Example:
    """The features of a video.

    Attributes:
        id: its id.
        arrays: name -> (size,), or (frames, size).
        where: they stand, for an error.
    """

    id: str
    arrays: dict[str, np.ndarray]
    where: str


class Source(Protocol):
    """Where features are from."""

    def listed(self) -> list[Listed]:
        """The videos.

        Raises:
            UserError: they cannot be read, or an id comes twice.
        """

    def examples(self, wanted: Mapping[str, Listed]) -> Iterator[Example]:
        """The features of the wanted videos, in the order in which they stand there.

        Raises:
            UserError: they cannot be read.
        """


class Folder:
    """A folder of arrays, `.npy` or `.npz`, a file a video. See `Source`.

    The id of a video is the path of its file within the folder, without the ending.

    Args:
        path: the folder.
        labels_file: a table of ids and labels; empty where there are no labels.
        feature_name: what the array of an `.npy` file is called.
    """

    def __init__(self, path: str, labels_file: str, feature_name: str):
        self._path = path
        self._labels_file = labels_file
        self._feature_name = feature_name
        self._files = _array_files(path)

    def listed(self) -> list[Listed]:
        """See `Source`; warns of videos of which only features or only a line is there."""
        if not self._labels_file:
            return [Listed(name, (), name, "", file) for name, file in self._files.items()]
        table = table_files.opened(self._labels_file)
        if _LABELS not in table.names:
            raise UserError(_no_column(table, _LABELS))
        lines = {line.id: line for line in _checked(_listed(table))}
        found = [lines[name] for name in self._files if name in lines]
        if not found:
            raise UserError(
                f"{self._labels_file} and {self._path} have no id in common. The id of a file is "
                f"its path in the folder without the ending, such as {next(iter(self._files))!r}. "
                f"Received: {next(iter(lines))!r}."
            )
        _say_left_out("features and no line in the table", [*self._files], lines)
        _say_left_out("a line in the table and no features", [*lines], self._files)
        return found

    def examples(self, wanted: Mapping[str, Listed]) -> Iterator[Example]:
        """See `Source`."""
        for name, path in self._files.items():
            if name in wanted:
                yield Example(name, self._read(path), path)

    def _read(self, path: str) -> dict[str, np.ndarray]:
        try:
            if path.endswith(_NPY):
                return {self._feature_name: archives.read_npy(path)}
            with archives.opened(path) as archive:
                names = [info.filename for info in archive.infolist()]
                return {_member(n): archives.read_array(archive, n) for n in names}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or first_line(error)[:_LONGEST].rstrip(".")
            raise UserError(f"Cannot read {path}: {reason}.") from None


class TableOfFeatures:
    """A table with a row a video or, with the column `frame`, a row a frame. See `Source`.

    Args:
        path: the table.
        names: the features to take; empty takes all there are.

    Raises:
        UserError: it cannot be read, or has no features.
    """

    def __init__(self, path: str, names: Sequence[str] = ()):
        self._table = table_files.opened(path)
        self._columns = _feature_columns(self._table, names)
        self._is_long = _FRAME in self._table.names
        taken = {column for columns in self._columns.values() for column in columns}
        others = [n for n in self._table.names if n not in taken and n not in (*_ABOUT, _FRAME)]
        if others:
            shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
            logging.info("%s: left out %d column(s): %s", path, len(others), shown)
        deep = next((n for n in self._columns if self._table.depths.get(n, 1) > 1), None)
        if self._is_long and deep is not None:
            raise UserError(
                f"{path} has a row a frame, by its column {_FRAME}, and under {deep} a list of "
                f"frames. Leave out the column {_FRAME}, or give one frame a row."
            )

    def listed(self) -> list[Listed]:
        """See `Source`."""
        return _checked(_listed(self._table))

    def examples(self, wanted: Mapping[str, Listed]) -> Iterator[Example]:
        """See `Source`."""
        rows = (row for row in self._rows() if row.id in wanted)
        return _joined_frames(rows) if self._is_long else rows

    def _rows(self) -> Iterator[Example]:
        columns = [name for columns in self._columns.values() for name in columns]
        for part in self._table.parts([_ID, *columns]):
            arrays = {name: self._arrays(part, name) for name in self._columns}
            for row, name in enumerate(part.texts(_ID)):
                where = f"{self._table.path}, row {part.first + row}"
                yield Example(name, {key: values[row] for key, values in arrays.items()}, where)

    def _arrays(self, part: Part, name: str) -> Sequence[np.ndarray]:
        if name in self._table.depths:
            return part.lists(name)
        return part.numbers(self._columns[name])


def _array_files(folder: str) -> dict[str, str]:
    """Id -> path of the files of arrays in a folder, sorted.

    Raises:
        UserError: there are none, or two have one id.
    """
    if not os.path.isdir(folder):
        raise UserError(f"There is no folder {folder}. Correct --input_dir.")
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            stem, ending = os.path.splitext(name)
            if ending not in (_NPY, _NPZ) or name.startswith("."):
                continue
            path = os.path.join(place, name)
            key = os.path.relpath(os.path.join(place, stem), folder).replace(os.sep, "/")
            if key in found:
                raise UserError(f"{found[key]} and {path} are both of {key!r}. Remove one.")
            found[key] = path
    if not found:
        raise UserError(f"{folder} holds no {_NPY} or {_NPZ} file. Correct --input_dir.")
    return dict(sorted(found.items()))


def _member(name: str) -> str:
    if not name.endswith(_NPY):
        raise ValueError(f"its {name[:80]} is no array")
    return name.removesuffix(_NPY)


def _listed(table: Table) -> Iterator[Listed]:
    """The videos of a table. Rows that follow each other with one id are frames of one video."""
    if _ID not in table.names:
        raise UserError(_no_column(table, _ID))
    about = [name for name in _ABOUT if name in table.names]
    is_long = _FRAME in table.names
    last, frame = None, 0.0
    for part in table.parts([*about, _FRAME] if is_long else about):
        labels = part.labels(_LABELS) if _LABELS in about else [()] * len(part)
        texts = {n: part.texts(n) if n in about else [""] * len(part) for n in (_GROUP, _SPLIT)}
        numbers = part.numbers([_FRAME])[:, 0] if is_long else np.zeros(len(part))
        for row, name in enumerate(part.texts(_ID)):
            where = f"{table.path}, row {part.first + row}"
            if not name:
                raise UserError(f"{where} has no id. Name each video.")
            group = texts[_GROUP][row] or name
            video = Listed(name, labels[row], group, texts[_SPLIT][row], where)
            if is_long and last is not None and last.id == name:
                _check_next_frame(last, video, frame, numbers[row])
            else:
                yield video
                last = video
            frame = numbers[row]


def _check_next_frame(first: Listed, video: Listed, frame: float, number: float) -> None:
    """Fails where a frame does not follow the one before, or is of other labels."""
    if dataclasses.replace(video, where=first.where) != first:
        raise UserError(
            f"{video.where} has other labels, another group or split than {first.where}, and is "
            f"of the same video {video.id}. Give all rows of a video the same."
        )
    if not number > frame:
        raise UserError(
            f"{video.where} is frame {number:g} of {video.id}, behind frame {frame:g}. Sort the "
            f"rows of a video by {_FRAME}."
        )


def _checked(videos: Iterator[Listed]) -> list[Listed]:
    """The videos, each of which may stand there once.

    Raises:
        UserError: one comes twice, or there are none.
    """
    known: dict[str, Listed] = {}
    for video in videos:
        other = known.setdefault(video.id, video)
        if other is not video:
            raise UserError(
                f"{video.where} has the id {video.id!r} of {other.where}. Leave one of them out; "
                f"frames of one video follow each other, with a column {_FRAME}."
            )
    if not known:
        raise UserError("The table holds no rows.")
    return list(known.values())


def _feature_columns(table: Table, names: Sequence[str]) -> dict[str, list[str]]:
    """The columns of each feature: one of lists, or NAME_0, NAME_1 and so on.

    Raises:
        UserError: there are none, or numbers are missing.
    """
    found: dict[str, list[str]] = {
        name: [name] for name in table.depths if name not in (*_ABOUT, _FRAME)
    }
    numbered: dict[str, dict[int, str]] = defaultdict(dict)
    for column in table.names:
        match = re.fullmatch(r"(.+)_(0|[1-9]\d{0,5})", column)
        if match and column not in table.depths:
            numbered[match[1]][int(match[2])] = column
    for name, columns in numbered.items():
        if name in found or (names and name not in names) or (len(columns) == 1 and not names):
            continue
        if sorted(columns) != list(range(len(columns))):
            raise UserError(
                f"{table.path} has the columns {name}_{min(columns)} to {name}_{max(columns)}, "
                f"{len(columns)} in all. Those of a feature are numbered from 0 without a gap. "
                "If it is none, say with --feature_names which are."
            )
        found[name] = [columns[number] for number in range(len(columns))]
    missing = [name for name in names if name not in found]
    if missing or not found:
        raise UserError(
            f"{table.path} holds no feature{f' {missing[0]}' if missing else ''}: neither a column "
            "of lists of numbers, which Parquet may have, nor columns NAME_0, NAME_1 and so on. "
            f"Its columns: {', '.join(table.names)[:200]}."
        )
    return {name: found[name] for name in names or found}


def _joined_frames(rows: Iterator[Example]) -> Iterator[Example]:
    """A video for the rows of its frames, which follow each other."""
    frames: list[Example] = []
    for row in rows:
        if frames and row.id != frames[0].id:
            yield _stacked(frames)
            frames = []
        frames.append(row)
    if frames:
        yield _stacked(frames)


def _stacked(frames: Sequence[Example]) -> Example:
    first = frames[0]
    for name, values in first.arrays.items():
        other = next((f for f in frames if f.arrays[name].shape != values.shape), None)
        if other is not None:
            raise UserError(
                f"{other.where} has {other.arrays[name].size} values of {name}, but {first.where} "
                f"has {values.size}."
            )
    arrays = {name: np.stack([frame.arrays[name] for frame in frames]) for name in first.arrays}
    return Example(first.id, arrays, first.where)


def _say_left_out(what: str, ids: Sequence[str], there: Mapping[str, object]) -> None:
    """Warns of ids that are not on the other side."""
    missing = [name for name in ids if name not in there]
    if missing:
        more = ", ..." if len(missing) > _SHOWN else ""
        logging.warning(
            "%d video(s) have %s; they are left out: %s%s",
            *(len(missing), what, ", ".join(missing[:_SHOWN]), more),
        )


def _no_column(table: Table, name: str) -> str:
    return (
        f"{table.path} has no column {name}. It needs {_ID} and {_LABELS} and may have {_GROUP} "
        f"and {_SPLIT}. Its columns: {', '.join(table.names)[:200]}."
    )
