"""Starts processes that have imported TensorFlow and Keras already, which takes most of a start.

A server imports them, waits on one thread for commands and forks a child for each. A child has the
arguments, the environment, the folder, the output and the exit status of a process of its own, and
Python ends in it as in any other; it imports this project from the beginning. What libraries read
of the environment while they are imported is what the server was started with.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

NEEDED = sys.platform == "linux"  # Elsewhere libraries are less ready to be forked.
# A thread that is left then is there to stay.
_THREADS_SECONDS = 10.0


class WarmProcesses:
    """The server. It starts with the first command; a context manager that ends it."""

    def __init__(self) -> None:
        self._server: subprocess.Popen | None = None

    def __enter__(self) -> WarmProcesses:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends the server, if it runs."""
        if self._server is not None:
            self._server.communicate()
            self._server = None

    def run(self, command: list[str], env: dict[str, str], timeout: int) -> Any:
        """Runs `python -m MODULE`, `python -c SCRIPT` or `python FILE` as `subprocess.run` would.

        Its output is captured as text. A process that hangs is killed after `timeout` seconds.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            paths = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, errors)]
            self.start(command, env, timeout, paths)
            status = self.wait()
            texts = []
            for file in (out, errors):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(command, status, *texts)

    def start(
        self, command: list[str], env: dict[str, str], timeout: int, outputs: Sequence[str]
    ) -> int:
        """Starts a command as `run` does, and returns the number of its process.

        Args:
            command: see `run`.
            env: the environment.
            timeout: likewise.
            outputs: paths of files, to which standard output and standard error are added.
        """
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                # Threads of a library would be in the server, and not in its children.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""},
            )
        asked = {"command": command[1:], "env": env, "folder": os.getcwd(), "timeout": timeout}
        line = json.dumps(asked | {"outputs": list(outputs)}) + "\n"
        self._server.stdin.write(line.encode())
        return int(self._server.stdout.readline())

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status of what was started last; None where it still runs after a time."""
        answered, _, _ = select.select([self._server.stdout], [], [], seconds)
        return int(self._server.stdout.readline()) if answered else None


SERVER = WarmProcesses()


def serve() -> None:
    """Answers each line of the input, a command, with the number of a child and its exit status."""
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    _wait_for_threads()
    gc.freeze()  # The collector of a child need not walk, and so copy, what the server holds.
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            become(**asked)
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _wait_for_threads() -> None:
    """Waits for threads that what was imported has started and that end by themselves."""
    end = time.monotonic() + _THREADS_SECONDS
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < end:
        time.sleep(0.01)


def become(
    command: list[str], env: dict[str, str], folder: str, outputs: list[str], timeout: int
) -> None:
    """Turns a child of the server into what the command starts; it returns where that ends."""
    import numpy as np

    signal.alarm(timeout)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    np.random.seed()
    tempfile.tempdir = None  # It is found where the environment says.
    sys.path[1:1] = dict.fromkeys(filter(None, env.get("PYTHONPATH", "").split(os.pathsep)))
    option, *rest = command
    if option == "-m":
        sys.path[0] = folder
        sys.argv[:] = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif option == "-c":
        sys.path[0] = ""
        sys.argv[:] = ["-c", *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})
    else:
        sys.path[0] = os.path.dirname(option)
        sys.argv[:] = command
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve()
