"""Starts jobs as processes, as a user does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import job_server
from paths import ROOT

NUM_CLASSES = 12
_SECONDS = 300


def environment(**variables: str) -> dict[str, str]:
    """The environment of a job, in which the checkout can be imported."""
    root = str(ROOT)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | variables


def command(module: str, *arguments: str, **flags: object) -> list[str]:
    """The command line of a job."""
    given = (f"--{name}={value}" for name, value in flags.items())
    return [sys.executable, "-m", module, *given, *arguments]


@contextlib.contextmanager
def _showing_what_it_said() -> Iterator[None]:
    """Prints the output of a job that takes too long: pytest shows it with the failure."""
    try:
        yield
    except subprocess.TimeoutExpired as error:
        print(error.stdout, error.stderr)
        raise


@_showing_what_it_said()
def run_process(
    command: list[str], timeout: float = _SECONDS, **variables: str
) -> subprocess.CompletedProcess:
    """Runs a command to its end, with some environment variables changed."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**variables),
        check=False,
    )


@_showing_what_it_said()
def run_child(command: list[str]) -> subprocess.CompletedProcess:
    """Does the same, sooner, in a child of a process that has imported TensorFlow before."""
    if sys.platform != "linux":  # Elsewhere libraries are less ready to be forked.
        return run_process(command)
    return job_server.run(command, environment(), _SECONDS)


def run_job(module: str, *arguments: str, **flags: object) -> subprocess.CompletedProcess:
    """Runs a job to its end, see `run_child`."""
    return run_child(command(module, *arguments, **flags))


def check(result: subprocess.CompletedProcess) -> str:
    """Returns what a job that must have succeeded printed."""
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def succeed(module: str, **flags: object) -> str:
    """Runs a job that must succeed and returns what it printed."""
    return check(run_job(module, **flags))


def expect_error(module: str, *parts: object, **flags) -> None:
    """Runs a job that must fail with one line that holds all of `parts`."""
    result = run_job(module, **flags)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith(("ERROR:", "FATAL"))]
    assert len(errors) == 1, result.stderr
    for part in parts:
        assert str(part) in errors[0], errors[0]
