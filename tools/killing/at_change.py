"""Runs a command that kills itself just before it changes something in a folder.

    python -m tools.killing.at_change LOG FOLDER NUMBER SIGNAL -m yt8m train --train_dir=...

Python tells of each file that it opens to write, renames or removes (`sys.addaudithook`), so that a
kill falls between two changes whatever the speed of the machine. What libraries write without
Python is not seen.

A dot is added to the LOG for each change, and before the signal `CAUGHT` where the job handles
signals, or else `FATAL`. The signal comes before change NUMBER, counted from 1; 0 sends none.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Any

CHANGE, CAUGHT, FATAL = b".", b"c", b"f"
# Event -> how many of its first arguments are paths.
_CHANGES = {
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.truncate": 1,
    "shutil.rmtree": 1,
}
_EXCHANGE = "renameat2"


def main() -> None:
    """Does what the command line says."""
    log, folder, number, name, *command = sys.argv[1:]
    _watch(log, os.path.abspath(folder), int(number), signal.Signals[name])
    if command[0] == "-m":
        sys.argv[:] = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = command
        runpy.run_path(command[0], run_name="__main__")


def _watch(log: str, folder: str, number: int, asked: signal.Signals) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    process = os.getpid()
    count = 0

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if not _is_change(event, arguments, folder) or os.getpid() != process:
            return
        count += 1
        os.write(descriptor, CHANGE)
        if count == number:
            caught = signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            os.write(descriptor, CAUGHT if caught else FATAL)
            os.kill(process, asked)

    sys.addaudithook(see)


def _is_change(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    """Whether an event of Python changes something in a folder."""
    if event == "open":
        return _writes(*arguments[1:3]) and _is_within(arguments[0], folder)
    if event == "ctypes.dlsym":  # `yt8m.base.files` exchanges folders so.
        return arguments[1] == _EXCHANGE
    paths = arguments[: _CHANGES.get(event, 0)]
    return any(_is_within(path, folder) for path in paths)


def _writes(mode: str | None, flags: int) -> bool:
    if mode is None:  # Of `os.open`.
        return flags & (os.O_WRONLY | os.O_RDWR) != 0
    return any(letter in mode for letter in "wax+")


def _is_within(path: Any, folder: str) -> bool:
    """Whether a path is in a folder, or a name that is relative to an open folder."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    name = os.fsdecode(path)
    return not os.path.dirname(name) or os.path.abspath(name).startswith(folder + os.sep)


if __name__ == "__main__":
    main()
