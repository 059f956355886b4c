"""Runs jobs: in this process where that shows the same, and as processes, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import job_in_process
from paths import ROOT

from tools import warm_process

NUM_CLASSES = 12
HANGS = 800  # Seconds; less than the limit of a test, so that its output is shown.


def environment(**variables: str) -> dict[str, str]:
    """The environment of a job, in which the checkout can be imported."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | variables


def command(module: str, *arguments: str, **flags: object) -> list[str]:
    """The command line of a job."""
    given = (f"--{name}={value}" for name, value in flags.items())
    return [sys.executable, "-m", module, *given, *arguments]


def run_process(command: list[str], **variables: str) -> subprocess.CompletedProcess:
    """Runs Python to its end in a process that has imported TensorFlow, see `warm_process`.

    Some environment variables are changed for it: none that a library reads on import.
    """
    if warm_process.NEEDED:
        return warm_process.SERVER.run(command, environment(**variables), HANGS)
    return run_alone(command, **variables)


def run_alone(command: list[str], **variables: str) -> subprocess.CompletedProcess:
    """Runs a command to its end as a shell would, with some environment variables changed."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=HANGS,
            env=environment(**variables),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        print(error.stdout, error.stderr)  # pytest shows it with the failure.
        raise


def run_job(module: str, *arguments: str, **flags: object) -> subprocess.CompletedProcess:
    """Runs a job to its end in this process, see `job_in_process`."""
    return job_in_process.run(command(module, *arguments, **flags))


def check(result: subprocess.CompletedProcess) -> str:
    """Returns what a job that must have succeeded printed."""
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def succeed(module: str, **flags: object) -> str:
    """Runs a job that must succeed and returns what it printed."""
    return check(run_job(module, **flags))


def measure(module: str, **flags: object) -> dict:
    """Runs a job that measures and returns the metrics that it writes to its results file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        succeed(module, results_file=path, **flags)
        return json.loads(path.read_text())


def check_error(result: subprocess.CompletedProcess, *parts: object) -> None:
    """Checks that a job failed with one line that holds all of `parts`."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith(("ERROR:", "FATAL"))]
    assert len(errors) == 1, result.stderr
    for part in parts:
        assert str(part) in errors[0], errors[0]


def expect_error(module: str, *parts: object, **flags: object) -> None:
    """Runs a job that must fail with one line that holds all of `parts`."""
    check_error(run_job(module, **flags), *parts)
