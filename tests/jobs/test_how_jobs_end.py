"""Jobs end soon, and with the right exit status, whatever their readers are doing."""

import os
import signal
import subprocess
import sys

import pytest
from job_runner import HANGS, environment, run_process
from paths import HELPERS

LEAVING = [sys.executable, str(HELPERS / "job_that_leaves_a_reader.py")]


@pytest.mark.parametrize(
    ("how", "reader", "code", "message"),
    [
        ("end", "none", 0, ""),
        ("end", "left", 0, ""),
        ("end", "kept", 0, ""),
        ("error", "left", 1, "ERROR: No more."),
        ("memory", "none", 1, "ERROR: Out of memory: Unable to allocate 3.5 TiB. Choose a smaller"),
        ("disk", "none", 1, "ERROR: The disk is full: events.log. Make room and start again."),
        ("bug", "left", 1, "ZeroDivisionError"),
        ("gpu", "none", 1, "ERROR: Out of memory: OOM when allocating tensor[9]. Choose a smaller"),
        ("status", "none", 1, "A message."),
        ("terminated", "left", 128 + signal.SIGTERM, ""),
        ("terminated", "kept", 128 + signal.SIGTERM, ""),
        ("terminated", "thread", 128 + signal.SIGTERM, "Ended by SIGTERM."),
    ],
)
def test_a_job_ends_while_a_reader_reads(how, reader, code, message):
    result = run_process([*LEAVING, how, reader])
    # Only a reader that nobody can close, or a thread at work, costs Python's shutdown.
    expected = "read\n" + "end of Python\n" * (reader not in ("kept", "thread"))
    assert (result.returncode, result.stdout) == (code, expected), result.stderr[-3000:]
    assert message in result.stderr
    assert result.stderr.count("Traceback") == (how == "bug")


def test_a_job_that_is_stopped_does_not_wait_for_a_reader_that_takes_long():
    result = run_process([*LEAVING, "terminated", "slow"])
    assert (result.returncode, result.stdout) == (128 + signal.SIGTERM, "read\n")


def test_a_job_whose_output_nobody_reads_fails_without_a_word_about_python():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write) as pipe:
        process = subprocess.Popen(
            [*LEAVING, "pipe", "left"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=environment(PYTHONUNBUFFERED=""),
        )
    _, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 1 and b"BrokenPipe" not in errors
