"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from absl import logging

from yt8m.base.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextlib.contextmanager
def locked(train_dir: str, work: str = "training", flag: str = "train_dir") -> Iterator[None]:
    """Keeps a second training out of a run while the block runs, or other work out of its folder.

    The system gives the lock up when the process ends, however it ends. Where it has no such
    locks, nothing is locked.

    Args:
        train_dir: the folder.
        work: what it is called in an error.
        flag: that names the folder.

    Raises:
        UserError: another one holds it, or the folder cannot be written.
    """
    check_local(train_dir)
    if fcntl is None:
        yield
        return
    with writing(train_dir):
        os.makedirs(train_dir, exist_ok=True)
        file = open(os.path.join(train_dir, LOCK), "w", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another {work} is writing to {train_dir}. Wait for its end, stop it, or choose "
                f"another --{flag}."
            ) from None
        except OSError:
            logging.warning("%s cannot be locked: take care to write there only once.", train_dir)
        yield


def write_json(path: str, values: dict) -> None:
    """Writes a JSON file that appears whole."""
    with atomic_file(path) as file:
        json.dump(values, file, indent=2)
        file.write("\n")


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[Any]:
    """Opens a text file that appears under its name only when the block ends without an error.

    Raises:
        UserError: the file cannot be written.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".tmp-{name}")
    with writing(path):
        if folder:
            os.makedirs(folder, exist_ok=True)
        file = open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="")
    try:
        with writing(path):
            with file:
                yield file
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turns an error of the file system into one sentence.

    Raises:
        UserError: in place of an OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
        raise UserError(
            f"Cannot write {path}: {reason}. Check the folder, its permissions and the disk."
        ) from None


def check_local(train_dir: str) -> None:
    """Fails where a run is to be on a bucket.

    Raises:
        UserError: the path is no local one.
    """
    if "://" in train_dir:
        raise UserError(
            f"--train_dir must be a local folder. Received: {train_dir}. Train on a local disk, "
            "and copy the run to the bucket afterwards."
        )


def check_output_file(path: str) -> None:
    """Fails before the work, not after it, where an output file cannot be written.

    Raises:
        UserError: the path is a folder, or its folder cannot be made or written.
    """
    if "://" in path:
        raise UserError(f"Cannot write {path}: name a local file, and copy it afterwards.")
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror} ({folder}).") from None
    if os.path.isdir(path):
        raise UserError(f"Cannot write {path}: it is a folder. Name a file.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"Cannot write {path}: no permission to write in {folder}.")
