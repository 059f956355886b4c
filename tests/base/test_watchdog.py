"""A worker ends with what started it, also where that is killed in the middle of its work."""

import os
import signal
import subprocess
import sys
import time

import pytest

WORKER = """
import os, sys, time
from yt8m.base import watchdog
watchdog.end_with(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_worker_ends_after_its_parent_was_killed():
    command = [sys.executable, "-c", PARENT, WORKER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            worker = int(parent.stdout.readline())
            time.sleep(2.5)  # It looks for its parent more than once.
            os.kill(worker, 0)
        finally:
            parent.send_signal(signal.SIGKILL)
        parent.stdout.read()  # It ends with the last process that can write to it.
    assert not os.path.exists(f"/proc/{worker}/fd/1")
