"""What the readers of official lists share: the line of a list, and files of text, CSV and JSON."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from absl import logging

from yt8m.base import json_files, text_files
from yt8m.base.errors import UserError
from yt8m.data.video import spans
from yt8m.data.video.spans import Span

# Behind the name of a file that gzip may have compressed.
GZIP = r"(?:\.gz)?"
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Line:
    """A video, or a part of one, as an official list names it.

    Attributes:
        name: what the list calls the video.
        files: what its file may be called, without extension, and the part of such a file that is
            meant; None is the whole. The first that is there counts.
        labels: the names of its classes.
        group: what it shares with videos from the same source.
        split: on which side it is.
    """

    name: str
    files: tuple[tuple[str, Span | None], ...]
    labels: tuple[str, ...]
    group: str
    split: str


def files(path: str, pattern: str, example: str) -> list[tuple[str, re.Match[str]]]:
    """The files of a list: the one that is named, or those of a folder that have the right names.

    Args:
        path: a file or a folder.
        pattern: what the whole name of such a file matches.
        example: such a name, for the error.

    Returns:
        The paths, sorted, and how their names match.

    Raises:
        UserError: there is no such file.
    """
    path = os.path.expanduser(path)
    folder, names = os.path.dirname(path), [os.path.basename(path)]
    if os.path.isdir(path):
        with _explained(path):
            folder, names = path, sorted(os.listdir(path))
    found = [(name, re.fullmatch(pattern, name)) for name in names]
    matches = [(os.path.join(folder, name), match) for name, match in found if match]
    if not matches:
        where = f"{path} holds no list" if os.path.isdir(path) else f"{path} is not named as a list"
        raise UserError(f"{where} of this data set: one is called {example}.")
    return matches


def beside(path: str, name: str) -> str | None:
    """A file in the folder of another one, gzip may have compressed it; None if there is none."""
    there = os.path.join(os.path.dirname(path), name)
    return next((found for found in (there, f"{there}.gz") if os.path.isfile(found)), None)


def lines(path: str) -> Iterator[tuple[str, str]]:
    """The lines of a text, without space around them: where each is, and what it says.

    Raises:
        UserError: it cannot be read, or is no text in UTF-8.
    """
    with _explained(path), text_files.opened(path) as file:
        for number, line in enumerate(text_files.lines(path, file), 1):
            yield f"{path}, line {number}", line.strip()


def rows(path: str, needed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV file below its header: where each is, and its fields by their columns.

    Args:
        path: the file.
        needed: columns that it must have; others are allowed.

    Raises:
        UserError: it cannot be read, lacks a column, or a row has not as many fields.
    """
    with _explained(path), text_files.opened(path) as file:
        reader = csv.reader(text_files.lines(path, file), strict=True)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in needed if name not in header]
        if missing:
            raise UserError(
                f"{path} has no column {missing[0]}. Its first line must name the columns "
                f"{','.join(needed)}. Received: {','.join(header)[:80]!r}."
            )
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{where} must have {len(header)} fields, as the first line. "
                    f"Received: {','.join(row)[:80]!r}."
                )
            yield where, {k: v.strip() for k, v in zip(header, row, strict=True)}


def read_object(path: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    with _explained(path):
        return json_files.read_object(path)


def read_list(path: str) -> list[Any]:
    """The list that a JSON file holds.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    with _explained(path):
        return json_files.read_list(path)


def field(values: Any, name: str, kind: type, where: str) -> Any:
    """A field of an object of JSON. Others beside it are not looked at.

    Args:
        values: the object.
        name: of the field.
        kind: its type.
        where: what to call the object in the error.

    Raises:
        UserError: there is no object, or no such field of that type in it.
    """
    value = values.get(name) if isinstance(values, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        received = json_files.kind(values if not isinstance(values, dict) else value)
        if isinstance(values, dict) and name not in values:
            received = f"fields {', '.join(map(str, values))[:80]!r}"
        raise UserError(
            f"{where} must have a field {name!r}, {json_files.NAMES[kind]}. Received: {received}."
        )
    return value


def span(start: str, end: str, where: str) -> Span | None:
    """The part of a video between two times; None where it ends before it begins.

    Raises:
        UserError: one is no number of seconds.
    """
    try:
        first, stop = spans.parse_seconds(start), spans.parse_seconds(end)
        if first is None or stop is None or not all(0 <= v < math.inf for v in (first, stop)):
            raise ValueError
    except ValueError:
        raise UserError(
            f"{where}: the times of a part must be seconds from 0 on. "
            f"Received: {start[:40]!r} and {end[:40]!r}."
        ) from None
    return Span(first, stop) if first < stop else None


def warn_of_backward(names: Sequence[str]) -> None:
    """Says which parts end before they begin, if any does: the lists have a few of them."""
    if names:
        more = ", ..." if len(names) > _SHOWN else ""
        logging.warning(
            "%d part(s) that end before they begin are left out: %s%s",
            *(len(names), ", ".join(names[:_SHOWN]), more),
        )


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: byte {error.start} is none.") from None
    except csv.Error as error:
        raise UserError(f"Cannot read {path} as CSV: {error}.") from None
    except ValueError as error:
        raise UserError(f"Cannot read {path}: {error}.") from None
