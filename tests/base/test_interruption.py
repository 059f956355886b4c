"""A signal ends the work, wherever Python raises it and whoever swallows it."""

import signal
import sys
import time

import pytest
from job_runner import run_process

from yt8m.base import interruption
from yt8m.base.progress import ProgressReport

WORK = """
import gc, os, signal, sys, time
from yt8m.base import interruption
interruption._SECONDS = 1.0
ask = lambda number=signal.SIGTERM: os.kill(os.getpid(), number)
"""
HOWS = {
    "plainly": "ask(); time.sleep(60)",
    "by Ctrl-C": "ask(signal.SIGINT); time.sleep(60)",
    # Python drops the exception: it can raise none there.
    "in __del__": """
class Deleted:
    def __del__(self):
        ask()
        for _ in range(1000): pass
Deleted()
time.sleep(60)
""",
    "in a callback of the collector": """
def callback(phase, info):
    gc.callbacks.remove(callback)
    ask()
    for _ in range(1000): pass
gc.callbacks.append(callback)
gc.collect()
time.sleep(60)
""",
    # A library swallows it, or does not come back to Python.
    "and is swallowed": """
try:
    ask()
    time.sleep(60)
except BaseException:
    time.sleep(60)
""",
    "in a call that does not return": """
import ctypes, threading
threading.Timer(0.3, ask).start()
mutex = ctypes.create_string_buffer(128)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
""",
}


@pytest.mark.skipif(sys.platform != "linux", reason="calls functions of its C library")
@pytest.mark.parametrize("how", HOWS)
def test_a_process_leaves(how):
    lines = "\n    ".join(HOWS[how].strip().splitlines())
    end = "\nexcept interruption.Interrupted as error:\n    sys.exit(error.status)\n"
    script = f"{WORK}try:\n  with interruption.handled():\n    {lines}{end}"
    start = time.monotonic()
    result = run_process([sys.executable, "-c", script])
    number = signal.SIGINT if "Ctrl-C" in how else signal.SIGTERM
    assert result.returncode == 128 + number, result.stderr
    assert time.monotonic() - start < 30
    assert "Traceback" not in result.stderr


def raise_signal() -> None:
    signal.raise_signal(signal.SIGTERM)


def test_a_signal_waits_for_the_next_step():
    done = []
    with (
        interruption.handled(),
        pytest.raises(interruption.Interrupted) as caught,
        interruption.deferred(),
        ProgressReport("Working") as progress,
    ):
        for step in range(5):
            if step == 2:
                raise_signal()
            done.append(step)
            progress.advance(1)
    assert done == [0, 1, 2]
    assert caught.value.status == 128 + signal.SIGTERM


def test_a_second_signal_does_not_wait():
    done = []
    with (
        interruption.handled(),
        pytest.raises(interruption.Interrupted),
        interruption.deferred(),
    ):
        raise_signal()
        done.append("waited")
        raise_signal()
        done.append("never")
    assert done == ["waited"]


def test_a_signal_in_the_last_step_is_not_forgotten():
    with (
        interruption.handled(),
        pytest.raises(interruption.Interrupted),
        interruption.deferred(),
    ):
        raise_signal()


def test_everything_is_as_it_was_afterwards():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook
    with interruption.handled():
        assert signal.getsignal(signal.SIGTERM) != before[0][1]
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook
    assert after == before
    assert signal.set_wakeup_fd(-1) == -1
    interruption.check()  # Outside a job it does nothing.
