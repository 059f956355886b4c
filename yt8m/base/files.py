"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any

from absl import logging

from yt8m.base import temporaries
from yt8m.base.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_TRIES = 100
# Of Linux: paths are as they stand; a rename exchanges them.
_AT_FDCWD = -100
_EXCHANGE = 2


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
def atomic_file(path: str, mode: str = "w") -> Iterator[Any]:
    """Opens a file that appears under its name only when the block ends without an error.

    Args:
        path: see `atomic_path`.
        mode: `w` for text, which is written as UTF-8 with its line ends as they are, or `wb`.

    Raises:
        UserError: the file cannot be written.
    """
    text = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    how: dict[str, Any] = {} if "b" in mode else text
    with atomic_path(path) as temporary, open(temporary, mode, **how) as file:
        yield file


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """Gives a path to write a file to, which becomes `path` when the block ends without an error.

    Processes that write the same file at once do no harm: each writes one of its own, and the last
    to end wins. A symbolic link stays, and what it names is replaced. What is there and is no
    regular file, such as /dev/null or a named pipe, is written to as it is.

    Args:
        path: the file; its folder is made.

    Yields:
        A path beside it with the same extension, or `path` itself where it is no regular file.

    Raises:
        UserError: the file cannot be written.
    """
    with writing(path):
        replaceable = _is_replaceable(path)
    if not replaceable:
        with writing(path):
            yield path
        return
    with scratch_path(path) as temporary:
        yield temporary
        put(temporary, path)


@contextlib.contextmanager
def atomic_folder(path: str) -> Iterator[str]:
    """Gives an empty folder to write to, which becomes `path` when the block ends without an error.

    Args:
        path: the folder; one that is there is replaced, and its content deleted. A link stays.

    Raises:
        UserError: the folder cannot be written.
    """
    with scratch_path(path) as temporary:
        os.mkdir(temporary)
        yield temporary
        _put_folder(temporary, os.path.realpath(path))


@contextlib.contextmanager
def scratch_path(path: str) -> Iterator[str]:
    """Gives a new path beside `path`: what is written there is gone when the block ends.

    What jobs that were killed left beside `path` is removed on the first call of a process.

    Raises:
        UserError: an OSError inside the block, as one about `path`.
    """
    target = os.path.realpath(path)
    temporary = temporaries.name(target)
    try:
        with writing(path):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            temporaries.sweep(os.path.dirname(target))
            yield temporary
    finally:
        temporaries.remove(temporary)


def put(temporary: str, path: str) -> None:
    """Puts a file of `scratch_path` in its place, as `atomic_path` does at its end."""
    os.replace(temporary, os.path.realpath(path))


def _is_replaceable(path: str) -> bool:
    """Whether a regular file is at `path`, or nothing yet.

    Raises:
        OSError: a folder is there, or the path cannot be looked at.
    """
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        kind = stat.S_IFREG if os.path.basename(path) else stat.S_IFDIR
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(kind)


def _put_folder(temporary: str, target: str) -> None:
    """Puts a folder in the place of another one, in one step where the system can."""
    if os.path.isdir(target) and _exchange(temporary, target):
        temporaries.remove(temporary)  # What was there before.
        return
    for attempt in range(1, _TRIES + 1):
        earlier = temporaries.name(target)
        if os.path.isdir(target):
            with contextlib.suppress(FileNotFoundError):  # Another process does the same.
                os.replace(target, earlier)
        try:
            os.replace(temporary, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _TRIES:
                raise
        else:
            return
        finally:
            temporaries.remove(earlier)


def _exchange(one: str, other: str) -> bool:
    """Exchanges two paths that are there in one step, which Linux does and Python does not offer.

    False where the system, the file system or one of the paths is not such, and nothing changed.
    """
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:  # A C library from before 2018.
        return False
    return rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0


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


def _nearest(folder: str, path: str) -> str:
    """The folder, or where it is not there yet, the nearest one above it that is."""
    while True:
        try:
            os.lstat(folder)
        except FileNotFoundError:
            folder = os.path.dirname(folder)
        except OSError as error:
            raise UserError(f"Cannot write {path}: {error.strerror} ({folder}).") from None
        else:
            return folder


def check_output_file(path: str) -> None:
    """Fails before the work, not after it, where an output file cannot be written.

    Nothing is made: a job that fails before it writes leaves no folder behind.

    Raises:
        UserError: the path is a folder, or its folder cannot be made or written.
    """
    if "://" in path:
        raise UserError(f"Cannot write {path}: name a local file, and copy it afterwards.")
    if os.path.isdir(path):
        raise UserError(f"Cannot write {path}: it is a folder. Name a file.")
    if os.path.exists(path) and not os.path.isfile(path):  # Such as /dev/null.
        if not os.access(path, os.W_OK):
            raise UserError(f"Cannot write {path}: no permission.")
        return
    folder = _nearest(os.path.dirname(os.path.realpath(path)), path)
    if not os.path.isdir(folder):
        raise UserError(f"Cannot write {path}: {folder} is no folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"Cannot write {path}: no permission to write in {folder}.")
