"""A job that ends, as its first argument says, while a thread of tf.data is calling Python."""

import sys
import time

import tensorflow as tf

from yt8m.base import jobs
from yt8m.base.errors import UserError


def slow(value):
    """Gives Python away, and wants it back when the job has ended."""
    time.sleep(0.3)
    return value


def main():
    """Reads one value and leaves the others being read."""
    values = tf.data.Dataset.range(1000).map(
        lambda value: tf.numpy_function(slow, [value], tf.int64), num_parallel_calls=8
    )
    reading = iter(values.prefetch(8))
    assert int(next(reading)) == 0
    print("read")
    if how == "error":
        raise UserError("No more.")
    if how == "bug":
        raise ZeroDivisionError


how = sys.argv.pop()
jobs.run(lambda: None, main)
