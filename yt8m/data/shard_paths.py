"""Patterns to lists of shards, on a local disk or a bucket."""

from __future__ import annotations

import glob
import os

import tensorflow as tf

from yt8m.base.errors import UserError, first_line
from yt8m.data import tfrecord


def resolve(pattern: str) -> list[str]:
    """Lists the shards that a pattern names, sorted within each glob, each once.

    Args:
        pattern: a glob, a comma-separated list of globs, or a text file with one path or glob a
            line (blank lines and lines that begin with `#` are left out; a relative path is
            relative to the file). What exists by that very name is taken literally, also where it
            looks like a glob.

    Raises:
        UserError: where nothing matches, or a folder or an unreadable place is named.
    """
    parts = [pattern] if _is_there(pattern) else pattern.split(",")
    globs = [os.path.expanduser(part.strip()) for part in parts if part.strip()]
    if not globs:
        raise UserError("The data pattern is empty. Give a glob such as data/train*.tfrecord.")
    paths: dict[str, str] = {}
    for part in globs:
        for path in _expand(part):
            # `*.tfrecord` gives `./a.tfrecord`, which is also `a.tfrecord`.
            paths.setdefault(path if "://" in path else os.path.realpath(path), path)
    return list(paths.values())


def _is_there(pattern: str) -> bool:
    return os.path.exists(os.path.expanduser(pattern.strip()))


def _expand(pattern: str) -> list[str]:
    matches = _glob(pattern)
    if len(matches) == 1 and matches[0] == pattern:
        listed = _read_listing(pattern)
        if listed is not None:
            return listed
    return matches


def _glob(pattern: str) -> list[str]:
    try:
        # A teacher's scores lie beside the shards.
        found = tf.io.gfile.glob(_with_literal_start(pattern))
        matches = sorted(m for m in found if not m.endswith(".npz"))
    except (tf.errors.OpError, OSError) as error:
        raise UserError(f"Cannot list {pattern}: {first_line(error)}") from None
    if not matches:
        raise UserError(f"No file matches {pattern}. Check the folder and the pattern.")
    if len(matches) == 1 and tf.io.gfile.isdir(matches[0]):
        raise UserError(
            f"{pattern} is a folder. Name the shards in it: {os.path.join(pattern, '*.tfrecord')}."
        )
    return matches


def _with_literal_start(pattern: str) -> str:
    """The glob with as many folders at its start escaped as there are by those very names."""
    start = pattern
    while start and not os.path.exists(start):
        start = start.rpartition("/")[0]
    return glob.escape(start) + pattern[len(start) :]


def _read_listing(path: str) -> list[str] | None:
    """The shards that a text file lists; None for a file that is no such list."""
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            head = file.read(1 << 16)
    except (tf.errors.OpError, OSError) as error:
        raise UserError(f"Cannot read {path}: {first_line(error)}") from None
    if not head or b"\0" in head or tfrecord.has_valid_header(head):
        return None
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            lines = [line.strip() for line in file.read().decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        return None
    entries = [line for line in lines if line and not line.startswith("#")]
    paths: list[str] = []
    for entry in entries:
        entry = os.path.expanduser(entry)
        absolute = entry if "://" in entry else os.path.join(os.path.dirname(path), entry)
        try:
            paths.extend(_glob(absolute))
        except UserError:
            raise UserError(
                f"{path} is neither a TFRecord file (its first bytes are no record header) nor a "
                f"list of shards: no file matches its line {entry[:80]!r}."
            ) from None
    return paths or None
