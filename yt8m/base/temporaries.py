"""Files that are being written: their names say who writes them, so that none stays for ever.

A temporary name is `.tmp-HOST-PID-RANDOM-NAME`: hidden, so that globs do not match it, and with the
extension of the name that the file gets when it is whole, which libraries look at.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shutil
import socket
import time
import zlib

PREFIX = ".tmp-"
_NAME = re.compile(r"\.tmp-([0-9a-f]{8})-(\d{1,9})-[0-9a-f]{16}-(.+)", re.DOTALL)
_LONGEST_NAME = 200  # In bytes: with what stands before it a name keeps below the usual 255.
_LONGEST_PAUSE = 86400.0


def name(target: str) -> str:
    """A new path to write a file or a folder under, beside the one that it gets when it is whole.

    Of a very long name only the end is kept.
    """
    folder, kept = os.path.split(target)
    while len(os.fsencode(kept)) > _LONGEST_NAME:
        kept = kept[1:]
    return os.path.join(folder, f"{PREFIX}{_host()}-{os.getpid()}-{secrets.token_hex(8)}-{kept}")


def target_name(temporary: str) -> str | None:
    """The name without a folder that `name` was asked to make this one for; None of others."""
    found = _NAME.fullmatch(temporary)
    return found[3] if found else None


def remove(path: str) -> None:
    """Removes a file or a folder, if it is there and may be removed."""
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.remove(path)


@functools.cache
def sweep(folder: str) -> None:
    """Does `remove_abandoned` the first time that a process asks for a folder."""
    remove_abandoned(folder)


def remove_abandoned(folder: str) -> None:
    """Removes what jobs that were killed have left half written.

    That is what a process of this host wrote that is gone, or what nobody went on with for a day.

    Args:
        folder: to look in; it need not be there, and what may not be removed stays.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if _is_abandoned(entry):
                    remove(entry.path)


def _is_abandoned(entry: os.DirEntry) -> bool:
    found = _NAME.fullmatch(entry.name)
    if not found:
        return False
    if os.name == "posix" and found[1] == _host():
        try:
            os.kill(int(found[2]), 0)
        except ProcessLookupError:
            return True
    return time.time() - _last_change(entry) > _LONGEST_PAUSE


def _last_change(entry: os.DirEntry) -> float:
    """When a file changed, or a folder or something in it."""
    times = [entry.stat(follow_symlinks=False).st_mtime]
    if entry.is_dir(follow_symlinks=False):
        for folder, _, names in os.walk(entry.path):
            times += [os.lstat(os.path.join(folder, name)).st_mtime for name in names]
    return max(times)


def _host() -> str:
    """Tells hosts apart, and containers of one, for each numbers its processes by itself."""
    host = socket.gethostname()
    with contextlib.suppress(OSError):
        host += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(host.encode()):08x}"
