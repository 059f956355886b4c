"""Runs jobs in the process of the tests, where TensorFlow has been imported and warmed up.

Most of the time of a small job goes into importing this project and into TensorFlow's start. What
a job does to its process is undone after it: flags, streams, signal handlers, logging, environment,
working directory, random numbers and the global state of Keras, which a job finds empty.

What it cannot show, and needs a process (`job_runner.run_process`): other devices, death by a
signal, the end of Python and of what was left running. `test_processes.py` starts each job as a
user does; `JaxProcess.run_job` runs jobs on JAX.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from typing import NoReturn
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from absl import logging as absl_logging
from absl.testing import flagsaver

from yt8m.base import jobs

app.define_help_flags()  # Else the first job defines them, and they go with its flags.


def run(command: list[str]) -> subprocess.CompletedProcess:
    """Runs `python -m MODULE ARGUMENTS` as `subprocess.run` would, its output captured as text."""
    _, option, module, *arguments = command
    assert option == "-m", command
    texts: list[str] = []
    with _as_it_was(), _output(texts), mock.patch.object(sys, "argv", [module, *arguments]):
        status = _status(module)
    return subprocess.CompletedProcess(command, status, *texts)


def _status(module: str) -> int:
    """Runs a module as the main one, and returns the exit status that its process would have."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001 - a process would end here.
        traceback.print_exc()
        return 1
    return 0


def _leave(status: int) -> NoReturn:
    raise SystemExit(status)


@contextlib.contextmanager
def _output(texts: list[str]) -> Iterator[None]:
    """Adds to `texts` what goes to standard output and to standard error, from C++ too."""
    with contextlib.ExitStack() as stack:
        files = []
        for name, number in (("stdout", 1), ("stderr", 2)):
            file = stack.enter_context(tempfile.TemporaryFile())
            files.append(file)
            getattr(sys, name).flush()
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            os.dup2(file.fileno(), number)
            stream = stack.enter_context(open(number, "w", encoding="utf-8", closefd=False))
            stack.enter_context(mock.patch.object(sys, name, stream))
        handler = absl_logging.get_absl_handler().python_handler
        stack.enter_context(mock.patch.object(handler, "stream", sys.stderr))
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for file in files:
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Gives a job a process as good as new, and undoes afterwards what the job did to it."""
    given = flagsaver.save_flag_values()
    folder, policy = os.getcwd(), keras.config.dtype_policy()
    verbosity, root = absl_logging.get_verbosity(), logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    states = random.getstate(), np.random.get_state()
    gc.collect()  # A job freezes what is there: see `jobs.run`.
    handled = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(os, "_exit", _leave),
        mock.patch.object(jobs, "_close_readers", return_value=True),  # It looks at all there is.
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")  # As Python does, and not as pytest.
        # Of runpy, which runs a module anew that the tests have imported.
        warnings.filterwarnings("ignore", ".* found in sys.modules after import", RuntimeWarning)
        for category in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        keras.utils.clear_session(free_memory=False)
        flags.FLAGS.unparse_flags()
        root.handlers[:] = []
        try:
            yield
        finally:
            flags.FLAGS.unparse_flags()
            flagsaver.restore_flag_values(given)
            for number, handler in handled.items():
                signal.signal(number, handler)
            os.chdir(folder)
            absl_logging.set_verbosity(verbosity)
            root.setLevel(level)
            root.handlers[:] = handlers
            keras.utils.clear_session(free_memory=False)
            keras.config.set_dtype_policy(policy)
            random.setstate(states[0])
            np.random.set_state(states[1])
            tf.random.set_seed(None)
