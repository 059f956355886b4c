"""Runs Apache Beam pipelines: in processes of this machine, or wherever Beam's options say.

On one machine, Beam itself can start several processes too. But it waits for ever where one of them
dies, as a damaged video or want of memory can make it, and deals out the work beforehand. So here
each part of the work is a pipeline of its own, run in one of several processes.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool

import apache_beam as beam
from apache_beam.runners.runner import PipelineState

from yt8m.base import jobs, watchdog
from yt8m.base.errors import UserError
from yt8m.extraction import beam_pipeline

_WAIT_SECONDS = 0.25

# A transform, and the elements that it is applied to.
Part = tuple[beam.PTransform, list[str]]


@contextlib.contextmanager
def processes(number: int) -> Iterator[concurrent.futures.Executor]:
    """Processes for `run_in_processes`. They end with the block, and with this process.

    Each is a fresh one: TensorFlow cannot be used in a copy of a process that has used it.
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = concurrent.futures.ProcessPoolExecutor(
        number, mp_context=context, initializer=watchdog.end_with, initargs=(os.getpid(),)
    )
    try:
        yield pool
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()  # Where the block failed, in the middle of its work.
        pool.shutdown(cancel_futures=True)


def run_in_processes(
    pool: concurrent.futures.Executor,
    parts: list[Part],
    arguments: tuple[str, ...],
    progress: Callable[[], None],
) -> None:
    """Runs a pipeline for each part, several at a time.

    Args:
        pool: the processes.
        parts: the work.
        arguments: options of Beam.
        progress: called now and then.

    Raises:
        UserError: something is not as it should be, or a process died.
    """
    try:
        waiting = {pool.submit(_run_part, part, arguments) for part in parts}
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, _WAIT_SECONDS)
            for future in done:
                future.result()
            progress()
    except BrokenProcessPool:
        raise UserError(
            "A worker process died, perhaps for want of memory (then use fewer --num_workers) or "
            "of a damaged video. What is finished stays: start again."
        ) from None


def run_here(part: Part, arguments: tuple[str, ...], progress: Callable[[], None]) -> None:
    """Runs one pipeline, in this process or where the options say, as `run_in_processes`."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            _run_part(part, arguments)
        except BaseException as error:  # noqa: BLE001  It is raised again where it is waited for.
            errors.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(_WAIT_SECONDS)
            progress()
    except BaseException:  # Such as Ctrl-C. There is no way to end a thread.
        jobs.leave_behind(worker)
        raise
    if errors:
        raise errors[0]


def _run_part(part: Part, arguments: tuple[str, ...]) -> None:
    transform, elements = part
    options = beam_pipeline.parse_options(arguments)
    try:
        made = beam.Pipeline(options=options)
        _ = made | beam.Create(elements, reshuffle=False) | transform
        state = made.run().wait_until_finish()
    except Exception as error:
        found = _user_error(error)
        if found is None:
            raise
        raise found from None
    if state != PipelineState.DONE:
        raise UserError(f"The pipeline of Apache Beam ended as {state}; its runner says why.")


def _user_error(error: Exception) -> UserError | None:
    """The UserError of a worker, which Beam hands on with the name of the step behind its text."""
    text = str(error)
    if isinstance(error, UserError):
        return UserError(text.partition(" [while running ")[0])
    found = re.search(r"UserError: (.+?) \[while running ", text, re.DOTALL)
    return UserError(found[1]) if found else None
