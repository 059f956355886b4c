"""Predictions of videos as files: a submission for Kaggle, or a Parquet table for everybody."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from yt8m.base import files, parquet
from yt8m.submissions import video_file

# A group of rows has so many values at least.
_ROWS = 1 << 17

# Takes ids, (videos, k) classes and (videos, k) scores, best first.
Add = Callable[[Sequence[str], np.ndarray, np.ndarray], None]


@contextlib.contextmanager
def opened(path: str, names: Sequence[str] | None = None) -> Iterator[Add]:
    """Opens a file of predictions: a function that adds videos.

    Args:
        path: the file, which appears when the block ends without an error. One that ends in
            .parquet is a table, see `table`; every other is a submission.
        names: of the classes, for a table; None where nothing names them.

    Raises:
        UserError: it cannot be written.
    """
    if parquet.is_named(path):
        with table(path, names) as add:
            yield add
        return
    with files.atomic_file(path) as file:
        file.write(video_file.HEADER + "\n")

        def add_lines(ids: Sequence[str], classes: np.ndarray, scores: np.ndarray) -> None:
            file.writelines(video_file.format_rows(ids, classes, scores))

        yield add_lines


@contextlib.contextmanager
def table(path: str, names: Sequence[str] | None = None) -> Iterator[Add]:
    """Opens a Parquet file with a row a video and class: id, rank, class, score and name, if known.

    The rank of the best class is 1. See `opened`.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {
        "id": pa.string(),
        "rank": pa.int32(),
        "class": pa.int32(),
        "score": pa.float32(),
    }
    if names is not None:
        columns["name"] = pa.string()
    kept: list[tuple[list[str], np.ndarray, np.ndarray]] = []
    with parquet.writing(path, columns) as write:

        def flush() -> None:
            if kept:
                write(_rows(kept, names))
                kept.clear()

        def add(ids: Sequence[str], classes: np.ndarray, scores: np.ndarray) -> None:
            if not len(ids):
                return
            kept.append(([parquet.check_text(name) for name in ids], classes, scores))
            if sum(part[1].size for part in kept) >= _ROWS:
                flush()

        yield add
        flush()


def _rows(
    kept: Sequence[tuple[list[str], np.ndarray, np.ndarray]], names: Sequence[str] | None
) -> dict[str, Any]:
    """The columns of some videos, a row a class."""
    ids = [name for part in kept for name in part[0]]
    classes = np.concatenate([part[1] for part in kept])
    scores = np.concatenate([part[2] for part in kept])
    videos, length = classes.shape
    values = {
        "id": [name for name in ids for _ in range(length)],
        "rank": np.tile(np.arange(1, length + 1, dtype=np.int32), videos),
        "class": classes.ravel().astype(np.int32),
        "score": scores.ravel().astype(np.float32),
    }
    if names is not None:
        values["name"] = [names[number] for number in classes.ravel()]
    return values
