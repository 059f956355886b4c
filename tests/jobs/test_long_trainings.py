"""An epoch leaves nothing behind: neither threads nor iterators of its data."""

import json
import os
import sys
from pathlib import Path

import pytest
from job_runner import check, command, run_process
from paths import HELPERS, ROOT

COUNTS = """
import gc, json, os, sys
import job_runner
import tensorflow as tf
from yt8m.training import loop

counted = []
train_epoch = loop._train_epoch


def counting(*arguments):
    train_epoch(*arguments)
    left = sum(isinstance(thing, tf.data.Iterator) for thing in gc.get_objects())
    counted.append((left, len(os.listdir("/proc/self/task"))))


loop._train_epoch = counting
gc.disable()  # It would come now and then.
job_runner.check(job_runner.job_in_process.run(sys.argv[1:]))
print(json.dumps(counted))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds threads in /proc")
def test_iterators_and_threads_do_not_grow_with_epochs(training_flags, tmp_path):
    training = command("yt8m.train", **training_flags | {"num_epochs": 5, "train_dir": tmp_path})
    path = os.pathsep.join(map(str, (ROOT, HELPERS)))
    process = [sys.executable, "-c", COUNTS, *training]
    counted = json.loads(check(run_process(process, PYTHONPATH=path)).splitlines()[-1])
    assert [iterators for iterators, _ in counted] == [0] * 5
    threads = [number for _, number in counted[1:]]
    assert max(threads) <= min(threads) + 2, counted
