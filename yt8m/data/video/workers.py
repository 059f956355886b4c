"""Work in other processes, in order: none of them imports TensorFlow."""

from __future__ import annotations

import atexit
import collections
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import loky
from loky.process_executor import TerminatedWorkerError as TerminatedWorkerError

_MOST = 16
_Result = TypeVar("_Result")


def default_number() -> int:
    """As many as there are cores, 16 at most."""
    return min(loky.cpu_count(), _MOST)


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
        Exception: whatever the function raises, at its place.
    """
    if num_workers == 0:
        for task in tasks:
            yield function(*task)
        return
    pool = loky.get_reusable_executor(max_workers=num_workers, timeout=600, env=_ENVIRONMENT)
    # The process must not wait at its end until the workers have been idle for so long.
    atexit.unregister(pool.shutdown)
    atexit.register(pool.shutdown, wait=True, kill_workers=True)
    waiting: collections.deque = collections.deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(function, *task))
            if len(waiting) > 2 * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


# A worker is one of many: its libraries need no threads of their own.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
