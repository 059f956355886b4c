"""A child of the job server does what a process of its own does, and never hangs the tests."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import job_runner
import pytest
from job_runner import command, environment, run_child, run_process
from paths import HELPERS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is used on Linux only")

JOB = """
import os, signal, subprocess, sys

print(__name__, sys.argv, os.getcwd(), sys.path, sorted(os.environ.items()))
print([name for name in sys.modules if name.startswith(("yt8m", "_pytest"))])
print(os.isatty(1), os.isatty(2), signal.getsignal(signal.SIGINT), "é", "x" * 100_000, flush=True)
os.write(2, b"to the descriptor\\n")
subprocess.run(["echo", "from a child"])
"""
ENDINGS = {
    "its end": "",
    "a status": "sys.exit(3)",
    "a message": "sys.exit('no')",
    "at once": "os._exit(7)",
    "an error": "raise ValueError('odd')",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "crashed": "os.abort()",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a script as a module of the working directory."""
    monkeypatch.chdir(tmp_path)

    def run(script: str, how=run_child) -> subprocess.CompletedProcess:
        (tmp_path / "job.py").write_text(script)
        return how(command("job", "odd é", number=1))

    return run


@pytest.mark.parametrize("name", ENDINGS)
def test_a_child_is_like_a_process(name, run):
    script = JOB + ENDINGS[name]
    child, process = run(script), run(script, run_process)
    assert child.returncode == process.returncode
    assert child.stdout == process.stdout
    assert child.stderr.splitlines()[-1] == process.stderr.splitlines()[-1]


def test_a_child_runs_a_script_like_a_process(run):
    def command(parts):
        return [sys.executable, "-c", JOB, *parts[3:]]

    child = run("", lambda parts: run_child(command(parts)))
    process = run("", lambda parts: run_process(command(parts)))
    assert (child.returncode, child.stdout) == (process.returncode, process.stdout)


def test_the_server_has_one_thread(run):
    """Only then is it sound to fork."""
    printed = run("import os; print(os.getppid(), os.listdir(f'/proc/{os.getppid()}/task'))").stdout
    server, threads = printed.split(maxsplit=1)
    assert threads == f"['{server}']\n"
    assert "tensorflow" in Path(f"/proc/{server}/maps").read_text()


def test_children_draw_random_numbers_of_their_own(run):
    script = "import random, numpy; print(random.random(), numpy.random.random())"
    first, second = (run(script).stdout.split() for _ in range(2))
    assert first[0] != second[0] and first[1] != second[1]


HANGING = """
import os, time
print("begun", flush=True)
with open("new", "w") as file:
    print(os.getpid(), os.getppid(), file=file)
os.replace("new", "pids")
time.sleep(600)
"""


def is_gone(pid: int, seconds: float) -> bool:
    """Whether a process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_job_that_hangs_is_killed_and_its_output_shown(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(job_runner, "_SECONDS", 3)
    with pytest.raises(subprocess.TimeoutExpired):
        run(HANGING)
    assert "begun\n" in capsys.readouterr().out
    job, server = map(int, (tmp_path / "pids").read_text().split())
    assert is_gone(job, 0.1)
    assert not is_gone(server, 0.1)


WORKER = """
import os, signal, threading, time
import job_server

def end():
    while not os.path.exists("pids"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

job_server._CONTEXT.set_forkserver_preload([])
threading.Thread(target=end).start()
job_server.run(["python", "-m", "job"], dict(os.environ), 2)
"""


def test_server_and_job_end_with_a_worker_that_is_killed(run, tmp_path):
    """The job when its time is over, as a child of `subprocess.run` would not even then."""
    path = os.pathsep.join([str(HELPERS), environment()["PYTHONPATH"]])
    worker = [sys.executable, "-c", WORKER]
    with tempfile.TemporaryDirectory() as folder:
        variables = {"PYTHONPATH": path, "TMPDIR": folder}
        result = run(HANGING, lambda parts: run_process(worker, timeout=60, **variables))
    assert result.returncode == -signal.SIGKILL, result.stderr
    for pid in (tmp_path / "pids").read_text().split():
        assert is_gone(int(pid), 10)
