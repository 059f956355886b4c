"""Runs jobs in children of one process that has imported TensorFlow and Keras already.

Many tests start jobs, and most of the time of a small job goes into importing TensorFlow. So each
worker of pytest has a server: a process that imports TensorFlow and Keras, waits, and forks a
child for each job. It is the standard library's fork server (`multiprocessing`), which starts with
the first job and ends with the worker, however that ends.

Why this tests the same as `python -m`:

- A job is a process. Arguments, environment, working directory, import path, output, exit status
  and signals are its own, and it imports this project and runs its module from the beginning.
  `test_job_server.py` compares the two.
- It is forked before TensorFlow has done anything. Importing starts no thread, finds no device and
  fixes no random number; a test sees to it that the server has one thread only.

What it cannot show, and needs a process of its own (`job_runner.run_process`): a job whose
environment is another, as libraries read theirs when they are imported; Python's shutdown, which
a child skips; and what differs from process to process, such as the order of a set, which is the
same in all children. The demo starts each job as a user does, and jobs that are killed from
outside are processes of their own, so all of this is tested too.
"""

from __future__ import annotations

import functools
import json
import math
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tensorflow", "keras"])


def run(
    command: list[str], environment: dict[str, str], timeout: float
) -> subprocess.CompletedProcess:
    """Runs a command as `subprocess.run` would, and captures its output as text.

    Args:
        command: `python -m MODULE ARGUMENTS` or `python -c SCRIPT ARGUMENTS`.
        environment: of the job. Libraries see that of the first call, which starts the server.
        timeout: in seconds.

    Raises:
        subprocess.TimeoutExpired: the job was killed after `timeout`.
    """
    folders = os.getcwd(), _import_path(environment["PYTHONPATH"])
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in outputs:
            path.touch()
        arguments = (command[1:], environment, *folders, outputs, math.ceil(timeout) + 1)
        job = _CONTEXT.Process(target=_become_job, args=arguments)
        # The BLAS of NumPy would start its threads in the server.
        with mock.patch.dict(os.environ, environment | {"OPENBLAS_NUM_THREADS": "1"}, clear=True):
            job.start()
        try:
            job.join(timeout)
        finally:
            in_time = job.exitcode is not None
            job.kill()
            job.join()
        texts = [path.read_text() for path in outputs]
    if not in_time:
        raise subprocess.TimeoutExpired(command, timeout, *texts)
    return subprocess.CompletedProcess(command, job.exitcode, *texts)


@functools.cache
def _import_path(python_path: str) -> list[str]:
    """Where Python looks for modules, after the working directory."""
    script = "import json, sys; print(json.dumps(sys.path[1:]))"
    variables = os.environ | {"PYTHONPATH": python_path}
    return json.loads(subprocess.check_output([sys.executable, "-c", script], env=variables))


def _become_job(
    command: list[str],
    environment: dict[str, str],
    working_directory: str,
    import_path: list[str],
    outputs: list[Path],
    limit: int,
) -> None:
    """Turns a child of the server into what the command starts."""
    signal.alarm(limit)  # Ends it also where the worker that should is gone.
    for number, path in enumerate(outputs, start=1):
        with open(path, "w") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(working_directory)
    np.random.seed()
    option, what, *sys.argv[1:] = command
    sys.path[:] = [working_directory if option == "-m" else "", *import_path]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = "-c"
        exec(what, {"__name__": "__main__"})
