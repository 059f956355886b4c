"""Files that are being written: their names say who writes them, so that none stays for ever."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
import uuid
import zlib
from collections.abc import Iterable

# The host and the process that write it, and a number of its own. Once there was that number only.
_NAME = re.compile(r"\.(?:([0-9a-f]{8})-(\d{1,9})-)?[0-9a-f]{32}\.tmp$")
_LONGEST_PAUSE = 86400.0


def name(target: str) -> str:
    """A new name to write a file under, beside the one that it gets when it is whole."""
    return f"{target}.{_host()}-{os.getpid()}-{uuid.uuid4().hex}.tmp"


def remove_abandoned(folders: Iterable[str]) -> None:
    """Removes what jobs that were killed have left half written.

    That is what a process of this host wrote that is gone, or what nobody went on with for a day.

    Args:
        folders: to look in; they need not be there, and what may not be removed stays.
    """
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as files:
            for file in files:
                with contextlib.suppress(OSError):
                    if _is_abandoned(file):
                        os.remove(file.path)


def _is_abandoned(file: os.DirEntry) -> bool:
    found = _NAME.search(file.name)
    if not found:
        return False
    if found[1] == _host():
        try:
            os.kill(int(found[2]), 0)
        except ProcessLookupError:
            return True
    return time.time() - file.stat().st_mtime > _LONGEST_PAUSE


def _host() -> str:
    """Tells hosts apart, and containers of one, for each numbers its processes by itself."""
    host = socket.gethostname()
    with contextlib.suppress(OSError):
        host += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(host.encode()):08x}"
