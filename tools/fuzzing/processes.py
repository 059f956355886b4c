"""Runs each job in a process of its own, which a crash, a hang or a lack of memory ends alone."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from tools.fuzzing.case import Case
from tools.fuzzing.server import EXIT
from yt8m.base.errors import UserError

_ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: of the exit; minus the signal that ended it.
        stdout: what it printed.
        stderr: what it said of it.
        ended: `exit`, or `hang` or `memory` where it was ended for that.
        seconds: that it took.
        megabytes: that it took beyond those that a job starts with.
    """

    status: int
    stdout: str
    stderr: str
    ended: str = EXIT
    seconds: float = 0.0
    megabytes: float = 0.0


class Runner(Protocol):
    """Runs the job of a case in the case's folder."""

    def run(self, case: Case, folder: Path) -> Outcome:
        """Runs it to its end.

        Args:
            case: its module and its flags.
            folder: to work in, an absolute path.
        """


class Processes:
    """A server, see `server`, that starts with the first job; a context manager that ends it.

    Args:
        seconds: that a job may take.
        megabytes: that it may take beyond those that it starts with.
    """

    def __init__(self, seconds: float = 60, megabytes: float = 4000):
        self._limits = {"seconds": seconds, "megabytes": megabytes}
        self._server: subprocess.Popen | None = None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.communicate()
            self._server = None

    def run(self, case: Case, folder: Path) -> Outcome:
        """Runs a job to its end, see `Runner`."""
        if self._server is None:
            self._server = _start()
        scratch = folder / "tmp"
        scratch.mkdir(exist_ok=True)
        asked = {
            "module": case.module,
            "arguments": case.arguments(),
            "folder": str(folder),
            "environment": {"TMPDIR": str(scratch)},
        }
        print(json.dumps(asked | self._limits), file=self._server.stdin, flush=True)
        line = self._server.stdout.readline()
        if not line:
            raise UserError("The server of the processes has ended. Start again.")
        answer = json.loads(line)
        texts = [
            (folder / name).read_text(encoding="utf-8", errors="replace")
            for name in ("stdout.txt", "stderr.txt")
        ]
        return Outcome(
            answer["status"], *texts, *map(answer.get, ("ended", "seconds", "megabytes"))
        )


def _start() -> subprocess.Popen:
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    # Threads of a library would be in the server, and not in its children.
    quiet = {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-m", "tools.fuzzing.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tempfile.gettempdir(),
        env=os.environ | quiet,
    )
