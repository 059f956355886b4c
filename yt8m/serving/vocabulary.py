"""Names of classes, from the CSV files of YouTube-8M and AudioSet. Needs no TensorFlow."""

from __future__ import annotations

import csv
import re

from absl import logging

from yt8m.base import text_files
from yt8m.base.errors import UserError

_INDEX = ("Index", "index")
_NAME = ("Name", "display_name")
_ENTITY = ("KnowledgeGraphId", "mid")


def read(path: str, num_classes: int) -> list[str]:
    """Reads the name of every class.

    The file has a header with the columns `Index` (or `index`) and `Name` (or `display_name`), in
    any order and among others, and a line a class, in any order. A class whose name is empty is
    called by its `KnowledgeGraphId` (or `mid`), such as `/m/0dxrf`; one without a line, or without
    either, by its number: `class 17`.

    Args:
        path: YouTube-8M's vocabulary.csv, AudioSet's class_labels_indices.csv, or one like them.
        num_classes: the size of the vocabulary.

    Returns:
        A name a class.

    Raises:
        UserError: the file cannot be read, has other columns, or a line is not as it should be.
    """
    names: dict[int, str] = {}
    try:
        with text_files.opened(path) as file:
            rows = csv.DictReader(text_files.lines(path, file), strict=True)
            columns = _columns(path, rows.fieldnames or [])
            for row in rows:
                where = f"{path}, line {rows.line_num},"
                index, name = _parse(row, columns, where, num_classes)
                if index in names:
                    raise UserError(f"{where} is the second one of class {index}. Remove one.")
                names[index] = name
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"Cannot read the vocabulary {path}: {reason}.") from None
    if not names:
        raise UserError(f"The vocabulary {path} names no class. It needs a line a class.")
    if len(names) < num_classes:
        missing = num_classes - len(names)
        first = next(index for index in range(num_classes) if index not in names)
        logging.warning(
            "%s has no line for %d of %d classes; they are called `class %d` and so on.",
            path,
            missing,
            num_classes,
            first,
        )
    return [names.get(index) or f"class {index}" for index in range(num_classes)]


def _columns(path: str, header: list[str]) -> tuple[str, str, str | None]:
    """The columns of the index, the name, and the entity if there is one."""
    found = [next((c for c in names if c in header), None) for names in (_INDEX, _NAME, _ENTITY)]
    if found[0] is None or found[1] is None:
        raise UserError(
            f"{path} is no vocabulary: its first line must name the columns Index and Name, or "
            f"index and display_name. Received: {','.join(header)[:80]!r}."
        )
    return found[0], found[1], found[2]


def _parse(
    row: dict[str, str | None], columns: tuple[str, str, str | None], where: str, num_classes: int
) -> tuple[int, str]:
    index, name, entity = (row.get(column) if column else None for column in columns)
    if name is None or index is None or not re.fullmatch("[0-9]{1,9}", index.strip()):
        shown = None if index is None else index[:80]
        raise UserError(f"{where} must hold a class number and a name. Received: {shown!r}.")
    if "\0" in name + (entity or ""):
        raise UserError(f"{where} names class {int(index)} with a byte of 0. Leave it out.")
    if int(index) >= num_classes:
        raise UserError(
            f"{where} names class {int(index)}, but the run has the classes 0 to "
            f"{num_classes - 1}. Give the vocabulary that it was trained with."
        )
    return int(index), name.strip() or (entity or "").strip()
