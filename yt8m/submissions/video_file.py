"""Kaggle submissions: `VideoId,LabelConfidencePairs`, then `id,class score class score ...`."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np

from yt8m.base import text_files
from yt8m.base.errors import UserError

HEADER = "VideoId,LabelConfidencePairs"
# 100,000 segments of a class are about a megabyte, which is more than csv takes by itself.
_LONGEST_LINE = 1 << 28


def format_rows(ids: Iterable[str], classes: np.ndarray, scores: np.ndarray) -> Iterator[str]:
    """Formats lines of a submission as the starter code does: class `%d`, score `%g`, best first.

    Args:
        ids: video ids, one a row.
        classes: (videos, k) class ids, best first.
        scores: (videos, k) their scores.

    Yields:
        One line a video, with its line end.
    """
    pattern = " ".join(["%d %g"] * classes.shape[1])
    pairs = np.empty((len(classes), 2 * classes.shape[1]), dtype=object)
    pairs[:, 0::2], pairs[:, 1::2] = classes, scores
    for video_id, row in zip(ids, pairs.tolist(), strict=True):
        yield f"{_quoted(video_id)},{pattern % tuple(row)}\n"


def _quoted(video_id: str) -> str:
    """An id as a CSV field; those of YouTube-8M stand as they are."""
    if not set(video_id) & set(',"\r\n'):
        return video_id
    return '"' + video_id.replace('"', '""') + '"'


def read_rows(path: str, num_classes: int) -> Iterator[tuple[str, list[int], list[float]]]:
    """Reads a submission.

    Args:
        path: the file, which may be compressed with gzip.
        num_classes: the size of the vocabulary.

    Yields:
        The video's id, its class ids and their scores, as they stand in the file.

    Raises:
        UserError: the file cannot be read, or a line is not as it should be; it is named.
    """
    for line_number, row in read_lines(path, HEADER):
        yield parse_row(row, f"{path}, line {line_number}", num_classes)


def read_header(path: str) -> str:
    """The first line of a CSV file, without quotes and line end; the kind of a submission.

    Raises:
        UserError: the file cannot be read, or only once.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise UserError(f"{path} is a pipe or a device, which is not read twice. Name a file.")
    with _opened(path) as file:
        return ",".join(next(csv.reader([file.readline(len(HEADER) + 80).strip()]), []))


def read_lines(path: str, header: str) -> Iterator[tuple[int, list[str]]]:
    """Reads the lines of a CSV file below its header.

    Args:
        path: the file.
        header: what its first line must be.

    Yields:
        The number of the line, from 1, and its fields; empty lines are left out.

    Raises:
        UserError: the file cannot be read, or has another header.
    """
    csv.field_size_limit(_LONGEST_LINE)
    with _opened(path) as file:
        rows = csv.reader(text_files.lines(path, file, _LONGEST_LINE))
        received = ",".join(next(rows, []))
        if received != header:
            raise UserError(
                f"{path} is no such submission: its first line must be {header}. "
                f"Received: {received[:80]!r}."
            )
        for row in rows:
            if row:
                yield rows.line_num, row


@contextlib.contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    with reading(path), text_files.opened(path, errors="surrogateescape") as file:
        yield file


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns an error of reading a CSV file into one sentence.

    Raises:
        UserError: in place of an error of the file system, of the encoding or of the CSV format.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"Cannot read {path}: {reason}.") from None


def parse_row(row: list[str], where: str, num_classes: int) -> tuple[str, list[int], list[float]]:
    """Parses the fields of one line.

    Args:
        row: the fields.
        where: the file and the line, for the error.
        num_classes: the size of the vocabulary.

    Returns:
        The video's id, its class ids and their scores, as they stand in the file.

    Raises:
        UserError: the line is not as it should be.
    """
    fields = row[1].split() if len(row) == 2 else []
    if len(row) != 2 or len(fields) % 2:
        raise UserError(
            f"{where} must be `id,class score class score ...`. Received: {','.join(row)[:80]!r}."
        )
    if "_" in row[1] or not row[1].isascii():  # Python reads 1_0 as 10, and the digits of all.
        raise UserError(f"{where} must hold pairs of a class and a score: {row[1][:80]!r}.")
    try:
        classes = [int(field) for field in fields[0::2]]
        scores = [float(field) for field in fields[1::2]]
    except ValueError as error:
        said = str(error)[:120]
        raise UserError(f"{where} must hold pairs of a class and a score: {said}.") from None
    outside = [c for c in classes if not 0 <= c < num_classes]
    if outside:
        shown = str(outside[0])[:80]
        raise UserError(f"{where} names class {shown}, outside 0 to {num_classes - 1}.")
    if len(set(classes)) < len(classes):
        raise UserError(f"{where} names a class twice: {row[1][:80]!r}.")
    if not (np.abs(scores) <= np.finfo(np.float32).max).all():
        raise UserError(f"{where} holds a score that is no finite float32: {row[1][:80]!r}.")
    return row[0], classes, scores
