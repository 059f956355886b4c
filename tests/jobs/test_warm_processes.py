"""A process that was forked from a warm one does what one of its own does."""

import itertools
import sys
from pathlib import Path

import pytest
from job_runner import environment, run_alone, run_process

from tools import warm_process

pytestmark = pytest.mark.skipif(not warm_process.NEEDED, reason="it is used on Linux only")

JOB = """
import atexit, os, signal, subprocess, sys

atexit.register(print, "the end of Python")
print(__name__, sys.argv, os.getcwd(), sys.path, sorted(os.environ.items()))
print([name for name in sys.modules if name.startswith(("yt8m", "_pytest"))])
print(os.isatty(1), signal.getsignal(signal.SIGINT), "é", "x" * 100_000, flush=True)
os.write(2, b"to the descriptor\\n")
subprocess.run(["echo", "from a child"])
"""
ENDINGS = {
    "its end": "",
    "a status": "sys.exit(3)",
    "a message": "sys.exit('no')",
    "an error": "raise ValueError('odd')",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.mark.parametrize(
    ("name", "how"), list(zip(ENDINGS, itertools.cycle(["-m", "-c", "file"]), strict=False))
)
def test_a_warm_process_is_like_one_of_its_own(name, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = JOB + ENDINGS[name]
    (tmp_path / "job.py").write_text(script)
    what = {"-m": ["-m", "job"], "-c": ["-c", script], "file": [str(tmp_path / "job.py")]}[how]
    command = [sys.executable, *what, "odd é", "--number=1"]
    warm, own = run_process(command), run_alone(command)
    assert warm.returncode == own.returncode
    assert warm.stdout == own.stdout
    assert warm.stderr.splitlines()[-1:] == own.stderr.splitlines()[-1:]


def test_the_server_has_one_thread():
    """Only then is it sound to fork."""
    script = "import os; print(os.getppid(), os.listdir(f'/proc/{os.getppid()}/task'))"
    printed = run_process([sys.executable, "-c", script]).stdout
    server, threads = printed.split(maxsplit=1)
    assert threads == f"['{server}']\n"
    assert "tensorflow" in Path(f"/proc/{server}/maps").read_text()


def test_random_numbers_differ():
    script = "import random, numpy; print(random.random(), numpy.random.random())"
    first, second = (run_process([sys.executable, "-c", script]).stdout.split() for _ in range(2))
    assert first[0] != second[0] and first[1] != second[1]


def test_a_process_that_hangs_is_killed():
    slow = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)"]
    result = warm_process.SERVER.run(slow, environment(), timeout=1)
    assert result.returncode < 0 and result.stdout == "begun\n"
