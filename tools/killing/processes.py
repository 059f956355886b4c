"""Starts jobs as processes and kills them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tools.killing import at_change
from tools.killing.plans import AtChange, AtTime, Kill
from tools.warm_process import WarmProcesses

_ROOT = Path(__file__).resolve().parents[2]
_HANGS = 600  # Seconds after which a job that nobody asked to end is taken to hang.
_LOOK_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        status: its exit status, minus the number of the signal that killed it; None where it did
            not end in time.
        output: what it printed.
        errors: what it printed to standard error.
        seconds: how long it ran.
        num_changes: how many changes of its files were seen, where these were looked for.
        signalled: whether the signal was sent before it ended.
        caught: whether the job handled signals then.
        leaving: seconds from the signal to its end.
    """

    status: int | None
    output: str
    errors: str
    seconds: float
    num_changes: int = 0
    signalled: bool = False
    caught: bool = False
    leaving: float = 0.0


class Starter:
    """Starts one process at a time.

    Args:
        folder: for the output of the processes.
        warm: forks them, where they need not import TensorFlow themselves.
    """

    def __init__(self, folder: Path, warm: WarmProcesses):
        self._folder = folder
        self._warm = warm

    def run(
        self,
        command: list[str],
        watched: Path,
        *,
        fresh: bool = False,
        kill: Kill | None = None,
        seconds: float = 0.0,
    ) -> Ended:
        """Runs a command of Python to its end, or to a kill.

        Args:
            command: what stands behind `python`: `-m MODULE ...` or `FILE ...`.
            watched: the folder whose changes are counted, except for a kill at a time.
            fresh: in a process of its own, which imports TensorFlow first.
            kill: how it is killed; None for not.
            seconds: how long it takes unbroken, for a kill at a time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        *texts, log = (self._folder / name for name in ("output", "errors", "log"))
        for path in (*texts, log):
            path.write_bytes(b"")
        at_time = kill is not None and isinstance(kill.moment, AtTime)
        if not at_time:
            command = _watched(command, watched, log, kill)
        start = time.monotonic()
        with self._started([sys.executable, *command], texts, fresh) as process:
            if at_time:
                status, sent, caught = _kill_at(process, kill, start + seconds)
            else:
                status, sent, caught = _wait(process, log, kill)
        end = time.monotonic()
        leaving = 0.0 if sent is None else end - sent
        output, errors = (path.read_text(errors="replace") for path in texts)
        changes = log.read_bytes().count(at_change.CHANGE)
        return Ended(
            status, output, errors, end - start, changes, sent is not None, caught, leaving
        )

    @contextlib.contextmanager
    def _started(self, command: list[str], texts: list[Path], fresh: bool) -> Iterator[_Process]:
        """A process, which is gone at the end."""
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        env = os.environ | {"PYTHONPATH": path}
        process = (_Fresh if fresh else _Warm)(command, env, texts, self._warm)
        try:
            yield process
        finally:
            process.kill()


class _Warm:
    """A process forked from one that has imported TensorFlow."""

    def __init__(self, command: list[str], env: dict, texts: list[Path], warm: WarmProcesses):
        self._warm = warm
        self._status: int | None = None
        self.number = warm.start(command, env, _HANGS, [str(path) for path in texts])
        self._descriptor: int | None = None
        with contextlib.suppress(ProcessLookupError):  # It has ended already.
            # Unlike its number, this never names another process.
            self._descriptor = os.pidfd_open(self.number)

    def wait(self, seconds: float) -> int | None:
        """Its status; None where it still runs."""
        if self._status is None:
            self._status = self._warm.wait(max(seconds, 0))
        return self._status

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        """Ends it."""
        if self._status is None:
            self.send(signal.SIGKILL)
            self._status = self._warm.wait()
        if self._descriptor is not None:
            os.close(self._descriptor)


class _Fresh:
    """A process of its own."""

    def __init__(self, command: list[str], env: dict, texts: list[Path], warm: WarmProcesses):
        del warm
        with open(texts[0], "ab") as output, open(texts[1], "ab") as errors:
            self._process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
            )
        self.number = self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Its status; None where it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(max(seconds, 0))
        return None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()


_Process = _Warm | _Fresh


def _watched(command: list[str], watched: Path, log: Path, kill: Kill | None) -> list[str]:
    """The command that counts the changes of a folder, and kills itself before one of them."""
    number, name = 0, signal.SIGKILL.name
    if kill is not None and isinstance(kill.moment, AtChange):
        number, name = kill.moment.number, kill.number.name
    return ["-m", "tools.killing.at_change", f"{log}", f"{watched}", f"{number}", name, *command]


# The status, when the signal was sent if it was, and whether it was handled.
_Seen = tuple[int | None, float | None, bool]


def _kill_at(process: _Process, kill: Kill, when: float) -> _Seen:
    """Sends a signal at a time, and waits for the end no longer than allowed."""
    status = process.wait(when - time.monotonic())
    if status is not None:
        return status, None, False
    before = _catches(process.number)
    sent = time.monotonic()
    process.send(kill.number)
    caught = before and _catches(process.number)  # In between, the job may have come to its end.
    return process.wait(kill.within), sent, caught


def _wait(process: _Process, log: Path, kill: Kill | None) -> _Seen:
    """Waits for the end; after the signal that it sends itself, no longer than allowed."""
    end = time.monotonic() + _HANGS
    sent, caught = None, False
    while time.monotonic() < end:
        status = process.wait(_LOOK_SECONDS)
        said = log.read_bytes().replace(at_change.CHANGE, b"")
        if kill is not None and said and sent is None:
            sent, caught = time.monotonic(), said == at_change.CAUGHT
            end = sent + kill.within
        if status is not None:
            return status, sent, caught
    return None, sent, caught


def _catches(number: int) -> bool:
    """Whether a process handles SIGTERM, as every job does from its start to its end."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{number}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
