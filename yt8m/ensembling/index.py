"""Where each row of submissions lies, so that any row is read without holding the files."""

from __future__ import annotations

import array
import csv
import dataclasses
import io
import os
from collections.abc import Iterator

import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.ids import as_bytes, as_text
from yt8m.submissions import video_file

# A location is the offset of a row and, in its low bits, the row's length.
_LENGTH_BITS = 24
_LONGEST_ROW = (1 << _LENGTH_BITS) - 1
# No row begins at 0, where the header is.
MISSING = 0
# Rows closer to each other than this are read together.
_GAP_BYTES = 4096
_PROGRESS_ROWS = 10_000


def key_locations(path: str) -> Iterator[tuple[bytes, int]]:
    """Finds the rows of a submission, of either kind, below its header.

    Rows are parted as `video_file.read_lines` parts them, also where a quoted field holds a comma
    or a line end; what is in them is not looked at.

    Args:
        path: the file.

    Yields:
        The first field of a row, a video's id or a class, and the location of the row.

    Raises:
        UserError: the file cannot be read, or a row is too long.
    """
    csv.field_size_limit(_LONGEST_ROW)
    with video_file.reading(path), open(path, "rb") as file:
        lines = _lines(file)
        end = len(next(lines, b""))
        for line in lines:
            offset, end = end, end + len(line)
            if b'"' in line:
                key, length = _quoted_row(line, lines)
                end = offset + length
            else:
                key, length = line.partition(b",")[0], len(line)
            if length > _LONGEST_ROW:
                raise UserError(
                    f"{path} has a row of more than {_LONGEST_ROW >> 20} MB, at byte {offset}. "
                    "It is no submission, or its line ends are lost."
                )
            if length > 2 or line.strip(b"\r\n"):
                yield key, offset << _LENGTH_BITS | length


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """The lines of a file, each with its end: a line feed, a carriage return or both.

    One that is too long comes in pieces, the first of which is longer than a row may be.
    """
    while line := file.readline(_LONGEST_ROW + 1):
        if b"\r" in line:
            yield from line.splitlines(keepends=True)
        else:
            yield line


def _quoted_row(line: bytes, following: Iterator[bytes]) -> tuple[bytes, int]:
    """The first field and the length of a row with quotes, which may go on in the next lines."""
    length = 0

    def texts() -> Iterator[str]:
        nonlocal length
        text: bytes | None = line
        while text is not None:
            length += len(text)
            yield _decode(text)
            text = next(following, None)

    fields = next(csv.reader(texts()))
    return as_bytes(fields[0]), length


def fields(row: bytes) -> list[str]:
    """The fields of a row of a CSV file."""
    csv.field_size_limit(_LONGEST_ROW)
    return next(csv.reader(io.StringIO(_decode(row), newline="")), [])


def _decode(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def lengths(locations: np.ndarray) -> np.ndarray:
    """The lengths of rows in bytes, int64; 0 for a missing one."""
    return (locations & np.uint64(_LONGEST_ROW)).astype(np.int64)


def read_rows(path: str, locations: np.ndarray) -> list[bytes]:
    """Reads rows of a file, neighbours together.

    Args:
        path: the file.
        locations: (rows,) uint64, in any order.

    Returns:
        The rows with their line ends; an empty one where the location is `MISSING`.

    Raises:
        UserError: the file cannot be read, or is shorter than it was.
    """
    starts = (locations >> np.uint64(_LENGTH_BITS)).astype(np.int64)
    ends = starts + lengths(locations)
    rows = [b""] * len(locations)
    order = np.argsort(starts, kind="stable")[np.count_nonzero(locations == MISSING) :]
    gaps = starts[order[1:]] - ends[order[:-1]]
    with video_file.reading(path), open(path, "rb", buffering=0) as file:
        for run in np.split(order, np.flatnonzero(gaps > _GAP_BYTES) + 1):
            if not len(run):
                continue
            first = int(starts[run[0]])
            text = os.pread(file.fileno(), int(ends[run].max()) - first, first)
            if len(text) < ends[run].max() - first:
                raise UserError(f"{path} became shorter while it was read. Start again.")
            begins, stops = (starts[run] - first).tolist(), (ends[run] - first).tolist()
            for row, begin, stop in zip(run.tolist(), begins, stops, strict=True):
                rows[row] = text[begin:stop]
    return rows


def line_number(path: str, location: int) -> int:
    """The number of the line that a row begins with, from 1."""
    left, number = int(location) >> _LENGTH_BITS, 1
    with video_file.reading(path), open(path, "rb") as file:
        for line in _lines(file):
            left -= len(line)
            if left < 0:
                break
            number += 1
    return number


@dataclasses.dataclass(frozen=True)
class SubmissionIndex:
    """The rows of several submissions, joined by their first field.

    Memory: 8 bytes a row of each file, and about 170 bytes a video.

    Attributes:
        paths: the files.
        rows: id -> number, in the order of the first file, then of what only later ones have.
        locations: for each file (rows,) uint64, where it has each; `MISSING` where it has not.
    """

    paths: list[str]
    rows: dict[bytes, int]
    locations: list[np.ndarray]

    @classmethod
    def build(cls, paths: list[str]) -> SubmissionIndex:
        """Reads through the files.

        Raises:
            UserError: a file cannot be read, has no rows, or has two of one video or class.
        """
        rows: dict[bytes, int] = {}
        with ProgressReport("Indexing", unit="rows") as progress:
            columns = [_join(path, rows, progress) for path in paths]
        missing = [np.full(len(rows) - len(column), MISSING, np.uint64) for column in columns]
        locations = [
            np.concatenate(parts) if len(parts[1]) else parts[0]
            for parts in zip(columns, missing, strict=True)
        ]
        return cls(paths, rows, locations)

    def __len__(self) -> int:
        """Returns the number of rows that any file has."""
        return len(self.rows)

    def blocks(self, most_bytes: int, most_rows: int) -> Iterator[np.ndarray]:
        """Cuts the rows into blocks of neighbours, (rows,) int64 each, by their size in all files.

        Args:
            most_bytes: of a block; a block of one row may have more.
            most_rows: of a block.
        """
        ends = np.cumsum(sum(lengths(column) for column in self.locations))
        start = 0
        while start < len(ends):
            before = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, before + most_bytes, "right"))
            stop = min(max(stop, start + 1), start + most_rows)
            yield np.arange(start, stop)
            start = stop


def _join(path: str, rows: dict[bytes, int], progress: ProgressReport) -> np.ndarray:
    """Numbers the rows of a file, those that no file before it has on from the others.

    Returns:
        (rows so far,) the location of each; `MISSING` where this file has it not.
    """
    numbers, found = array.array("i"), array.array("Q")
    for key, location in key_locations(path):
        numbers.append(rows.setdefault(key, len(rows)))
        found.append(location)
        if not len(found) % _PROGRESS_ROWS:
            progress.advance(_PROGRESS_ROWS)
    progress.advance(len(found) % _PROGRESS_ROWS)
    if not found:
        raise UserError(f"{path} has no rows below its first line.")
    numbers = np.frombuffer(numbers, np.int32)
    times = np.bincount(numbers)
    if times.max() > 1:
        twice = list(rows)[int(np.argmax(times > 1))]
        raise UserError(f"{path} has two rows of {as_text(twice)!r}. Remove one.")
    locations = np.full(len(rows), MISSING, np.uint64)
    locations[numbers] = np.frombuffer(found, np.uint64)
    return locations
