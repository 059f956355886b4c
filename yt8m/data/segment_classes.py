"""The list of the classes that segments are rated for, such as segment_label_ids.csv of 2019."""

from __future__ import annotations

import re

import numpy as np

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
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from None
    header = lines[0] if lines else ""
    if header != LABEL_IDS_HEADER:
        raise UserError(
            f"{path} is no list of segment labels: its first line must be {LABEL_IDS_HEADER}, and "
            f"each line below a class id. Received: {header[:80]!r}."
        )
    ids: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if not re.fullmatch("[0-9]{1,9}", line):
            raise UserError(f"{path}, line {number} must be a class id. Received: {line[:80]!r}.")
        ids.append(int(line))
        if ids[-1] >= num_classes:
            raise UserError(
                f"{path}, line {number} names class {line}, but the vocabulary has {num_classes} "
                f"classes (0 to {num_classes - 1})."
            )
    if not ids:
        raise UserError(f"{path} lists no class below its first line.")
    if len(set(ids)) < len(ids):
        repeated = next(c for i, c in enumerate(ids) if c in ids[:i])
        raise UserError(f"{path} lists class {repeated} twice.")
    return np.sort(np.array(ids, np.int64))


def read_if_given(path: str, num_classes: int) -> tuple[int, ...] | None:
    """The classes that a file lists, see `read_label_ids`; None, for all, without a file."""
    return tuple(read_label_ids(path, num_classes).tolist()) if path else None
