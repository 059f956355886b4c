"""Rows of a submission of videos as arrays: many numbers are parsed at once."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from yt8m.base.errors import UserError
from yt8m.ensembling import index
from yt8m.submissions import video_file

_NUMBERS = b"0123456789.eE+- "
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The (class, score) pairs of some rows of one file.

    Attributes:
        rows: (pairs,) int64, the row of each pair, ascending.
        places: (pairs,) int64, its place in the row, from 0.
        classes: (pairs,) int64.
        scores: (pairs,) float64.
    """

    rows: np.ndarray
    places: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


def read_pairs(path: str, locations: np.ndarray, num_classes: int) -> Pairs:
    """Reads rows of a submission.

    That a row names a class twice is not checked here.

    Args:
        path: the file.
        locations: (rows,) uint64, see `index`; a missing row has no pairs.
        num_classes: the size of the vocabulary.

    Raises:
        UserError: a row is not as it should be; its line is named.
    """
    rows = index.read_rows(path, locations)
    counts, numbers = _parse(rows)
    if numbers is None or not _sound(counts, numbers, num_classes):
        counts, numbers = _parse_each(rows, path, locations, num_classes)
    counts = counts // 2
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return Pairs(
        rows=np.repeat(np.arange(len(rows)), counts),
        places=np.arange(len(starts)) - starts,
        classes=numbers[0::2].astype(np.int64),
        scores=numbers[1::2],
    )


def _parse(rows: list[bytes]) -> tuple[np.ndarray, np.ndarray | None]:
    """Parses rows as a writer of submissions writes them.

    Returns:
        How many numbers each row has, and all of them in a row; None for what has quotes, spaces
        side by side or anything else that needs a closer look.
    """
    lists = [row.partition(b",")[2].strip() for row in rows]
    counts = np.array([text.count(b" ") + 1 if text else 0 for text in lists], np.int64)
    text = b" ".join(filter(None, lists))
    without_comma = any(row and b"," not in row for row in rows)
    if without_comma or b"  " in text or text.translate(None, _NUMBERS):
        return counts, None
    if not text:
        return counts, np.empty(0)
    with warnings.catch_warnings():
        # What NumPy did before it raised a ValueError where a word is no number.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return counts, np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning):
            return counts, None


def _sound(counts: np.ndarray, numbers: np.ndarray, num_classes: int) -> bool:
    """Whether every row has pairs of a class of the vocabulary and a finite score."""
    classes, scores = numbers[0::2], numbers[1::2]
    return bool(
        not (counts % 2).any()
        and (classes == np.floor(classes)).all()
        and ((classes >= 0) & (classes < num_classes)).all()
        and (np.abs(scores) <= _LARGEST).all()
    )


def _parse_each(
    rows: list[bytes], path: str, locations: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parses rows one by one, as `video_file.read_rows` does.

    Returns:
        How many numbers each row has, and all of them in a row.

    Raises:
        UserError: a row is not as it should be; its line is named.
    """
    counts, numbers = np.zeros(len(rows), np.int64), []
    for row, (text, location) in enumerate(zip(rows, locations, strict=True)):
        if location == index.MISSING:
            continue
        fields = index.fields(text)
        try:
            _, classes, scores = video_file.parse_row(fields, path, num_classes)
        except UserError:
            line = index.line_number(path, location)
            video_file.parse_row(fields, f"{path}, line {line}", num_classes)
            raise
        counts[row] = 2 * len(classes)
        numbers.append(np.stack([classes, scores], axis=1).reshape(-1))
    return counts, np.concatenate([np.empty(0), *numbers])
