"""The list of the classes that segments are rated for, such as segment_label_ids.csv of 2019."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from yt8m.base import text_files
from yt8m.base.errors import UserError

LABEL_IDS_HEADER = "Index"


def read_label_ids(path: str, num_classes: int) -> np.ndarray:
    """Reads the classes that segments are rated for, such as `segment_label_ids.csv` of 2019.

    Args:
        path: a text file: `Index`, then a class id a line.
        num_classes: the size of the model's vocabulary.

    Returns:
        (listed classes,) int64, ascending.

    Raises:
        UserError: the file cannot be read, has another header, lists no class, one twice or one
            that the model does not have.
    """
    try:
        with text_files.opened(path, errors="replace") as file:
            lines = (line.strip() for line in text_files.lines(path, file))
            header = next(lines, "")
            if header != LABEL_IDS_HEADER:
                raise UserError(
                    f"{path} is no list of segment labels: its first line must be "
                    f"{LABEL_IDS_HEADER}, and each line below a class id. "
                    f"Received: {header[:80]!r}."
                )
            ids = _parse(path, lines, num_classes)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not ids:
        raise UserError(f"{path} lists no class below its first line.")
    return np.array(sorted(ids), np.int64)


def _parse(path: str, lines: Iterator[str], num_classes: int) -> set[int]:
    """The class ids of the lines below the header.

    Raises:
        UserError: a line is none, or one that came before.
    """
    ids: set[int] = set()
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        if not re.fullmatch("[0-9]{1,9}", line):
            raise UserError(f"{path}, line {number} must be a class id. Received: {line[:80]!r}.")
        if int(line) >= num_classes:
            raise UserError(
                f"{path}, line {number} names class {line}, but the vocabulary has {num_classes} "
                f"classes (0 to {num_classes - 1})."
            )
        if int(line) in ids:
            raise UserError(f"{path} lists class {int(line)} twice.")
        ids.add(int(line))
    return ids


def read_if_given(path: str, num_classes: int) -> tuple[int, ...] | None:
    """The classes that a file lists, see `read_label_ids`; None, for all, without a file."""
    return tuple(read_label_ids(path, num_classes).tolist()) if path else None
