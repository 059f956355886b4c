"""Defines flags: the name, what it does, the default, and what it may be, in this order.

    define.integer("top_k", "Classes to write for each video.", 20, at_least=1)

A flag without a default is left out by its user or required, as `required` says. absl's own
functions put the default before the text, which makes long texts hard to read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags


def integer(
    name: str,
    text: str,
    default: int | None = None,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    required: bool = False,
) -> None:
    """Defines a flag that is an integer."""
    flags.DEFINE_integer(name, default, text, at_least, at_most, required=required)


def number(
    name: str,
    text: str,
    default: float | None = None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    """Defines a flag that is a number."""
    flags.DEFINE_float(name, default, text, at_least, at_most)


def boolean(name: str, text: str, default: bool | None = False) -> None:
    """Defines a flag that is true as `--name`, and false as `--noname`."""
    flags.DEFINE_boolean(name, default, text)


def string(
    name: str,
    text: str,
    default: str | None = None,
    *,
    required: bool = False,
    any_bytes: bool = False,
) -> None:
    """Defines a flag that is text.

    Args:
        name: of the flag.
        text: what it does.
        default: its value where it is left out.
        required: whether it must be given.
        any_bytes: see `path`.
    """
    _define(_TextParser(any_bytes), name, default, text, required)


def choice(name: str, text: str, default: str | None, choices: Sequence[str]) -> None:
    """Defines a flag that is one of some names."""
    flags.DEFINE_enum(name, default, list(choices), text)


def strings(name: str, text: str, default: list[str] | None = None) -> None:
    """Defines a flag that is some texts, with commas between them."""
    parser = _ListParser()
    flags.DEFINE(parser, name, default, text, serializer=flags.CsvListSerializer(","))


def path(name: str, text: str, default: str | None = None, *, any_bytes: bool = False) -> None:
    """Defines a flag that is a local path; without a default it is required.

    Args:
        name: of the flag.
        text: what it does.
        default: its value where it is left out.
        any_bytes: whether a path may have bytes that are no UTF-8: where TensorFlow, which cannot
            take it, is not told of it.
    """
    _define(_PathParser(any_bytes), name, default, text, default is None)


def _define(
    parser: flags.ArgumentParser, name: str, default: str | None, text: str, required: bool
) -> None:
    serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
    flags.DEFINE(parser, name, default, text, serializer=serializer, required=required)


def spec(name: str, text: str, default: str, parse: Callable[[str], Any]) -> None:
    """Defines a flag whose value is a spec; a wrong one fails while flags are parsed.

    Args:
        name: of the flag.
        text: what it does.
        default: a spec.
        parse: from the text of a spec to the flag's value; raises ValueError.
    """
    flags.DEFINE(_SpecParser(parse), name, default, text, serializer=flags.ArgumentSerializer())


def _check_text(text: str, any_bytes: bool = False) -> None:
    """Raises ValueError for text that no file can be called by, or TensorFlow cannot take."""
    if "\0" in text:
        raise ValueError("it holds a byte of 0, which no name can hold. Leave it out.")
    if not any_bytes and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(
            "it holds bytes that are no UTF-8, which TensorFlow cannot take. Rename the file or "
            "the folder, or make a link to it."
        )


class _TextParser(flags.ArgumentParser):
    """Text; bytes of the command line that are no UTF-8 are surrogates in it."""

    def __init__(self, any_bytes: bool):
        super().__init__()
        self._any_bytes = any_bytes

    def parse(self, argument: str) -> str:
        _check_text(argument, self._any_bytes)
        return argument


class _PathParser(_TextParser):
    """A local path; the shell leaves a ~ behind --flag= alone."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        return os.path.expanduser(super().parse(argument))


class _ListParser(flags.ListParser):
    """Texts with commas between them."""

    def parse(self, argument: str | list[str]) -> list[str]:
        parts = super().parse(argument)
        for part in parts:
            _check_text(part)
        return parts


class _SpecParser(flags.ArgumentParser):
    """Parses a flag with a function that raises ValueError."""

    syntactic_help = "a name, or a name with key=value arguments in parentheses"

    def __init__(self, parse: Callable[[str], Any]):
        super().__init__()
        self._parse = parse

    def parse(self, argument: Any) -> Any:
        return self._parse(argument) if isinstance(argument, str) else argument

    def flag_type(self) -> str:
        return "spec"
