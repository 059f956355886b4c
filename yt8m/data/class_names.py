"""Names of classes, from the files of YouTube-8M, AudioSet and Kinetics. Needs no TensorFlow."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from absl import logging

from yt8m.base import files, text_files
from yt8m.base.errors import UserError

# What a file of names is called beside shards and in a run.
FILE = "vocabulary.csv"
_INDEX = ("Index", "index")
_NAME = ("Name", "display_name")
_ENTITY = ("KnowledgeGraphId", "mid")
_MOST_CLASSES = 10_000_000


def read(path: str, num_classes: int | None = None) -> list[str]:
    """Reads the name of every class.

    A `.txt` file has a name a line, in the order of the classes, as Kinetics' `label_map.txt` and
    the `labels.txt` of Sports-1M. Another file is a CSV: it has a header with the columns `Index`
    (or `index`) and `Name` (or `display_name`), in any order and among others, and a line a class,
    in any order. A class whose name is empty is called by its `KnowledgeGraphId` (or `mid`), such
    as `/m/0dxrf`; one without a line, or without either, by its number: `class 17`. Either may be
    compressed with gzip.

    Args:
        path: YouTube-8M's vocabulary.csv, AudioSet's class_labels_indices.csv, or one like them.
        num_classes: the size of the vocabulary; by default as many as the file names.

    Returns:
        A name a class.

    Raises:
        UserError: the file cannot be read, has other columns, or a line is not as it should be.
    """
    try:
        with text_files.opened(path) as file:
            lines = text_files.lines(path, file)
            if path.removesuffix(".gz").endswith(".txt"):
                names = _read_lines(path, lines, num_classes)
            else:
                names = _read_table(path, lines, num_classes)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"Cannot read the vocabulary {path}: {reason}.") from None
    if not names:
        raise UserError(f"The vocabulary {path} names no class. It needs a line a class.")
    count = max(names) + 1 if num_classes is None else num_classes
    if len(names) < count:
        missing = count - len(names)
        first = next(index for index in range(count) if index not in names)
        logging.warning(
            "%s has no line for %d of %d classes; they are called `class %d` and so on.",
            path,
            missing,
            count,
            first,
        )
    return [names.get(index) or f"class {index}" for index in range(count)]


def write(path: str, names: Sequence[str]) -> None:
    """Writes the names of all classes as a CSV with the columns `Index` and `Name`.

    Raises:
        UserError: the file cannot be written.
    """
    with files.atomic_file(path) as file:
        csv.writer(file, lineterminator="\n").writerows([("Index", "Name"), *enumerate(names)])


def _read_table(path: str, lines: Iterator[str], num_classes: int | None) -> dict[int, str]:
    """Class -> its name, of a CSV."""
    names: dict[int, str] = {}
    rows = csv.DictReader(lines, strict=True)
    columns = _columns(path, rows.fieldnames or [])
    for row in rows:
        where = f"{path}, line {rows.line_num},"
        index, name = _parse(row, columns, where)
        _check_index(index, num_classes, where)
        if index in names:
            raise UserError(f"{where} is the second one of class {index}. Remove one.")
        names[index] = name
    return names


def _read_lines(path: str, lines: Iterator[str], num_classes: int | None) -> dict[int, str]:
    """Class -> its name, of a file with a name a line."""
    names: dict[int, str] = {}
    for index, line in enumerate(lines):
        where = f"{path}, line {index + 1},"
        _check_text(line, index, where)
        name = line.strip()
        if name:
            _check_index(index, num_classes, where)
            names[index] = name
    return names


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
    row: dict[str, str | None], columns: tuple[str, str, str | None], where: str
) -> tuple[int, str]:
    index, name, entity = (row.get(column) if column else None for column in columns)
    if name is None or index is None or not re.fullmatch("[0-9]{1,9}", index.strip()):
        shown = None if index is None else index[:80]
        raise UserError(f"{where} must hold a class number and a name. Received: {shown!r}.")
    _check_text(name + (entity or ""), int(index), where)
    return int(index), name.strip() or (entity or "").strip()


def _check_text(text: str, index: int, where: str) -> None:
    if "\0" in text:
        raise UserError(f"{where} names class {index} with a byte of 0. Leave it out.")


def _check_index(index: int, num_classes: int | None, where: str) -> None:
    if index >= (_MOST_CLASSES if num_classes is None else num_classes):
        there = f"classes are below {_MOST_CLASSES:,}"
        if num_classes is not None:
            there = f"there are the classes 0 to {num_classes - 1}"
        raise UserError(f"{where} names class {index}, but {there}. Give the vocabulary of these.")
