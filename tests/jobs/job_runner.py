"""Starts jobs as a user does: as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NUM_CLASSES = 12


def environment(**variables: str) -> dict[str, str]:
    """The environment of a job, in which the checkout can be imported."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | variables


def command(module: str, **flags: object) -> list[str]:
    """The command line of a job."""
    return [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in flags.items())]


def run_job(
    module: str, *, env: dict[str, str] | None = None, **flags
) -> subprocess.CompletedProcess:
    """Runs a job to its end."""
    return subprocess.run(
        command(module, **flags),
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(**(env or {})),
        check=False,
    )


def succeed(module: str, **flags) -> str:
    """Runs a job that must succeed and returns what it printed."""
    result = run_job(module, **flags)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout
