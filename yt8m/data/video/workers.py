"""Work in other processes, in order: none of them imports TensorFlow."""

from __future__ import annotations

import atexit
import collections
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import loky
from loky.process_executor import TerminatedWorkerError

from yt8m.base import watchdog
from yt8m.base.errors import UserError

_MOST = 16
_IDLE_SECONDS = 600
# A worker is one of many: its libraries need no threads of their own.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_Result = TypeVar("_Result")

# tf.data asks from a thread of its own for each data set, and they share the workers.
_pools: dict[int, loky.ProcessPoolExecutor] = {}
_lock = threading.Lock()


def default_number() -> int:
    """As many as there are cores, 16 at most."""
    return min(loky.cpu_count(), _MOST)


def new_pool(num_workers: int) -> loky.ProcessPoolExecutor:
    """Processes that use one thread each, and end soon after this one, also where it is killed.

    Args:
        num_workers: how many, 1 or more. They begin with the first task.

    Returns:
        The pool, which the caller shuts down.
    """
    return loky.ProcessPoolExecutor(
        num_workers,
        timeout=_IDLE_SECONDS,
        env=_ENVIRONMENT,
        initializer=watchdog.end_with,
        initargs=(os.getpid(),),
    )


def ordered(
    function: Callable[..., _Result], tasks: Iterable[tuple], num_workers: int
) -> Iterator[_Result]:
    """Calls a function with the arguments of each task, several at a time.

    The workers outlive the call, so that the next one begins at once.

    Args:
        function: of a module that can be imported.
        tasks: arguments; they are taken as the results are used, a few ahead.
        num_workers: how many processes; 0 calls the function here.

    Yields:
        The results, in the order of the tasks.

    Raises:
        UserError: a worker was ended from outside, or by a crash.
        Exception: whatever the function raises, at its place.
    """
    if num_workers == 0:
        for task in tasks:
            yield function(*task)
        return
    waiting: collections.deque = collections.deque()
    try:
        for task in tasks:
            waiting.append(_pool(num_workers).submit(function, *task))
            if len(waiting) > 2 * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except TerminatedWorkerError as error:
        with _lock:
            _pools.pop(num_workers, None)
        raise UserError(
            "A process that decodes videos was ended, most likely for want of memory. Lower "
            f"--num_workers; with 0 the job itself decodes. Received: --num_workers={num_workers}."
        ) from error
    finally:
        for future in waiting:
            future.cancel()


def _pool(num_workers: int) -> loky.ProcessPoolExecutor:
    """The workers, who begin with the first task and end with the job."""
    with _lock:
        if num_workers not in _pools:
            pool = new_pool(num_workers)
            atexit.register(pool.shutdown, wait=True, kill_workers=True)
            _pools[num_workers] = pool
        return _pools[num_workers]
