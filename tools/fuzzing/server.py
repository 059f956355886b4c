"""Runs jobs in forked children of a process that has imported everything, and watches each.

A line of the input is a job to run, in JSON; the answer is how it ended. The server itself computes
nothing: the threads of TensorFlow would be in it, and not in its children.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import tempfile
import time
import warnings

# What the jobs use, so that a child has nothing left to import.
IMPORTED = (
    *("keras", "tensorflow", "yt8m.train", "yt8m.eval", "yt8m.inference", "yt8m.score"),
    *("yt8m.ensemble", "yt8m.export", "yt8m.teach", "yt8m.late_fusion", "yt8m.make_manifest"),
    *("yt8m.import_checkpoint", "yt8m.quantize_features", "yt8m.serving.saved_model"),
)
# Those of an extra that may not be installed.
OPTIONAL = ("yt8m.training.clips", "yt8m.evaluation.clips", "yt8m.submissions.predict_clips")
EXIT, HANG, MEMORY = "exit", "hang", "memory"
_PAUSE = 0.01


def serve() -> None:
    """Answers each line of the input, a job, with how its child ended."""
    for name in IMPORTED:
        importlib.import_module(name)
    for name in OPTIONAL:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    importlib.import_module("yt8m.runs").register_layers()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.freeze()  # The collector of a child need not walk, and so copy, what the server holds.
    for line in sys.stdin:
        asked = json.loads(line)
        limits = asked.pop("seconds"), asked.pop("megabytes")
        child = os.fork()
        if not child:
            become(**asked)
            return
        print(json.dumps(watch(child, *limits)), flush=True)


def become(module: str, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Turns a child of the server into `python -m MODULE ARGUMENTS`, started in a folder.

    Args:
        module: the job.
        arguments: of its command line.
        folder: where it works; what it prints goes to `stdout.txt` and `stderr.txt` there.
        environment: variables that are changed.
    """
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout.txt"), (2, "stderr.txt")):
        path = os.path.join(folder, name)
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), number)
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None  # It is found where the environment says.
    faulthandler.enable()
    warnings.filterwarnings("ignore", ".* found in sys.modules after import", RuntimeWarning)
    sys.path.insert(0, folder)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def watch(child: int, seconds: float, megabytes: float) -> dict[str, object]:
    """Waits for the end of a child, and ends it where it takes too long or too much memory.

    Args:
        child: its number.
        seconds: that it may take.
        megabytes: that it may take beyond those that it was forked with.

    Returns:
        `ended` (exit, hang or memory), `status` (that of the exit, or minus the signal), `seconds`
        and `megabytes`.
    """
    start, before, most, ended = time.monotonic(), None, 0.0, EXIT
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        held = _resident_megabytes(child)
        before = held if before is None else before
        most = max(most, held - before)
        if time.monotonic() - start > seconds:
            ended = HANG
        elif most > megabytes:
            ended = MEMORY
        if ended != EXIT:
            _kill(child)
            status = os.waitpid(child, 0)[1]
            break
        time.sleep(_PAUSE)
    _kill(child)  # What it may have started and left.
    return {
        "ended": ended,
        "status": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - start, 2),
        "megabytes": round(most),
    }


def _kill(group: int) -> None:
    """Kills a child and all that it started; before it has a group of its own, itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(group) != group:
            os.kill(group, signal.SIGKILL)


def _resident_megabytes(process: int) -> float:
    try:
        with open(f"/proc/{process}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except (OSError, IndexError):  # It has just ended.
        return 0.0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve()
