"""Runs inputs of targets, several at a time, and keeps those that failed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tools.fuzzing.case import IN, OUT, Case, Dice, Target
from tools.fuzzing.judge import ACCOUNT, Fault, faults, files_in, last_line
from tools.fuzzing.processes import Outcome, Runner
from tools.fuzzing.samples import Samples


@dataclasses.dataclass(frozen=True)
class Input:
    """What makes an input: the same makes the same again.

    Attributes:
        target: its name.
        seed: of its random numbers.
    """

    target: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Result:
    """How a job ended on an input.

    Attributes:
        input: what was made.
        case: the job and its flags.
        outcome: how it ended.
        faults: what was wrong with that.
    """

    input: Input
    case: Case
    outcome: Outcome
    faults: tuple[Fault, ...]


def run(
    targets: Mapping[str, Target],
    inputs: Iterable[Input],
    runners: Sequence[Runner],
    folder: Path,
    failures_dir: Path | None = None,
) -> Iterator[Result]:
    """Runs inputs, one a runner at a time.

    Args:
        targets: by their names.
        inputs: to run.
        runners: each runs one job at a time.
        folder: to work in.
        failures_dir: where the folders of inputs with faults are kept; None keeps none.

    Yields:
        Results, as they come.
    """
    lock = threading.RLock()
    free: queue.SimpleQueue[tuple[Runner, Samples]] = queue.SimpleQueue()
    for runner in runners:
        free.put((runner, Samples(folder / "samples", runner, lock)))
    with ThreadPoolExecutor(len(runners)) as pool, contextlib.ExitStack() as stack:

        def work(one: Input) -> Result:
            runner, samples = free.get()
            try:
                place = folder / f"{one.target}-{one.seed}"
                return run_one(targets[one.target], one, runner, samples, place, failures_dir)
            finally:
                free.put((runner, samples))

        futures = [pool.submit(work, one) for one in inputs]
        stack.callback(lambda: [future.cancel() for future in futures])
        for future in as_completed(futures):
            yield future.result()


def run_one(
    target: Target,
    one: Input,
    runner: Runner,
    samples: Samples,
    folder: Path,
    failures_dir: Path | None = None,
) -> Result:
    """Makes an input in a folder of its own, runs the job, judges it and cleans up."""
    for part in (IN, OUT):
        (folder / part).mkdir(parents=True)
    dice = Dice(one.target, one.seed)
    case = target.make(dice, folder, samples)
    before = files_in(folder / IN)
    outcome = runner.run(case, folder)
    found = tuple(faults(case, outcome, folder, before))
    if dice.is_sound and outcome.status and not found:
        found = (Fault(ACCOUNT, f"nothing is damaged, but: {last_line(outcome.stderr)}"),)
    if found and failures_dir is not None:
        _keep(folder, failures_dir, case, outcome, found)
    shutil.rmtree(folder)
    return Result(one, case, outcome, found)


def _keep(
    folder: Path, failures_dir: Path, case: Case, outcome: Outcome, found: Sequence[Fault]
) -> None:
    """Copies the folder of an input, with a note of what was run and what was wrong."""
    target = failures_dir / folder.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    note = {
        "command": ["python", "-m", case.module, *case.arguments()],
        "faults": [dataclasses.asdict(fault) for fault in found],
        "outcome": dataclasses.asdict(outcome),
    }
    (target / "failure.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
