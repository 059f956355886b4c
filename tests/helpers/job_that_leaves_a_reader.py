"""A job that ends, as its first argument says, while a thread of tf.data is calling Python.

Its second argument says what becomes of the reader: `left` by the function that read, `kept` by the
module, or `slow`, where the call takes longer than a job waits. `none` reads nothing.
"""

import atexit
import errno
import os
import signal
import sys
import time

import tensorflow as tf

from yt8m.base import jobs
from yt8m.base.errors import UserError

jobs._READERS_SECONDS = 3.0  # The tests need not wait for longer.
kept = []


def slow(value):
    """Gives Python away, and wants it back when the job has ended."""
    time.sleep(0.3 if reader != "slow" or not value else 600)
    return value


def main():
    """Reads one value and leaves the others being read."""
    atexit.register(print, "end of Python", flush=True)
    if reader != "none":
        values = tf.data.Dataset.range(1000).map(
            lambda value: tf.numpy_function(slow, [value], tf.int64), num_parallel_calls=8
        )
        reading = iter(values.prefetch(8))
        assert int(next(reading)) == 0
        kept.extend([reading] * (reader == "kept"))
    print("read", flush=how != "pipe")
    if how == "error":
        raise UserError("No more.")
    if how == "memory":
        raise MemoryError("Unable to allocate 3.5 TiB")
    if how == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "events.log")
    if how == "bug":
        raise ZeroDivisionError
    if how == "gpu":
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor[9]\nlong")
    if how == "status":
        sys.exit("A message.")
    if how == "terminated":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)


reader, how = sys.argv.pop(), sys.argv.pop()
jobs.run(lambda: None, main)
