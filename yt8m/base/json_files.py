"""JSON files that a job wrote and reads again, or that others publish: they may hold anything."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Mapping
from typing import Any

# What any of them takes is far below; of this size, JSON takes a second and a gigabyte.
MOST_BYTES = 64 << 20


def read_object(path: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file of JSON in UTF-8, holds something else, or is too large.
    """
    return parse_object(_read(path))


def read_list(path: str) -> list[Any]:
    """Reads a JSON file that holds a list.

    Raises:
        OSError: it cannot be read.
        ValueError: as `read_object`.
    """
    values = _parse(_read(path))
    if not isinstance(values, list):
        raise ValueError(f"it must hold a list [...], not {kind(values)}")
    return values


def _read(path: str) -> bytes:
    with open(path, "rb", opener=_opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        if status.st_size > MOST_BYTES:
            raise ValueError(f"it takes {status.st_size:,} bytes; {MOST_BYTES:,} are the most")
        return file.read()


def _opener(path: str, how: int) -> int:
    """Opens a file; a named pipe without waiting for somebody to write to it."""
    return os.open(path, how | getattr(os, "O_NONBLOCK", 0))


def parse_object(content: bytes) -> dict[str, Any]:
    """The object that the bytes of a JSON file hold.

    Raises:
        ValueError: they are no JSON in UTF-8, or hold something else.

    Example:
        >>> parse_object(b'{"a": 1}')
        {'a': 1}
    """
    values = _parse(content)
    if not isinstance(values, dict):
        raise ValueError(f"it must hold an object {{...}}, not {kind(values)}")
    return values


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is no JSON ({error.msg}: {where})") from None
    except RecursionError:
        raise ValueError("it nests too deep") from None


def check_fields(
    where: str, values: Any, kinds: Mapping[str, type], optional: Collection[str] = ()
) -> None:
    """Looks at the names and the types of the fields of an object.

    Args:
        where: what the object is called in an error, such as `schema`.
        values: the object.
        kinds: name -> type, of every field there is.
        optional: the fields that may be missing.

    Raises:
        ValueError: it is no object, or a field is missing, unknown or of another type.

    Example:
        >>> check_fields("it", {"a": "1"}, {"a": int})
        Traceback (most recent call last):
        ...
        ValueError: a of it must be an integer, not a text ('1')
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be {NAMES[dict]}, not {kind(values)}")
    missing = [name for name in kinds if name not in values and name not in optional]
    if missing:
        raise ValueError(f"{where} has no {missing[0]}")
    unknown = [name for name in values if name not in kinds]
    if unknown:
        raise ValueError(f"{where} has {unknown[0][:80]!r}, which this version does not know")
    for name, value in values.items():
        if not isinstance(value, kinds[name]) or isinstance(value, bool) != (kinds[name] is bool):
            raise ValueError(f"{name} of {where} must be {NAMES[kinds[name]]}, not {kind(value)}")


def check_texts(where: str, values: list[Any]) -> None:
    """Raises ValueError where a list holds something else than texts, or one of them twice."""
    other = next((value for value in values if not isinstance(value, str)), None)
    if other is not None:
        raise ValueError(f"{where} must hold texts, not {kind(other)}")
    if len(set(values)) < len(values):
        raise ValueError(f"{where} must differ from each other")


NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def kind(value: Any) -> str:
    """What a value of JSON is, with its beginning where it is short by nature.

    Example:
        >>> kind([1]), kind(None), kind(2.5)
        ('a list', 'null', 'a number (2.5)')
    """
    name = NAMES[type(value)]
    return name if value is None or isinstance(value, (dict, list)) else f"{name} ({value!r:.40})"
