"""A round: a job is started and killed, once or some times, and then started a last time."""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections import Counter
from pathlib import Path

from tools.killing import contents, plans, verdict
from tools.killing.contents import Unreadable
from tools.killing.inputs import Inputs
from tools.killing.job import Job
from tools.killing.plans import Kill, Plan, Settings
from tools.killing.processes import Ended, Starter
from yt8m.base.errors import UserError


@dataclasses.dataclass
class Report:
    """What was seen of a job.

    Attributes:
        job: its name.
        rounds: how many there were.
        fresh: how many of them were in processes that import TensorFlow themselves.
        kills: signal -> how often it was sent before the job ended.
        too_late: how often the job had ended before.
        slowest: the most seconds from a signal to the end.
        faults: seed of the round, kind of fault and what was seen.
    """

    job: str
    rounds: int = 0
    fresh: int = 0
    kills: Counter[str] = dataclasses.field(default_factory=Counter)
    too_late: int = 0
    slowest: float = 0.0
    faults: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)


class Killer:
    """Kills one job again and again.

    Args:
        job: the job.
        inputs: what it reads.
        starter: starts it.
        folder: to work in; what is left of a round with a fault stays there.

    Attributes:
        report: what was seen so far.
    """

    def __init__(self, job: Job, inputs: Inputs, starter: Starter, folder: Path):
        self.report = Report(job.name)
        self._job = job
        self._inputs = inputs
        self._starter = starter
        self._folder = folder
        self._work = folder / "work"  # Always the same, because files hold paths.
        self._command = job.command(inputs, self._work)
        self._new: verdict.Found = {}
        self._num_changes = 0
        self._seconds: dict[bool, float] = {}  # Of an unbroken run, in each kind of process.
        self._seed = 0

    def run(self, num_kills: int, seed: int, settings: Settings) -> Report:
        """Runs rounds until there were so many kills; each has a seed, from `seed` on.

        Raises:
            UserError: the job fails where nobody kills it.
        """
        self._run_unbroken(fresh=False)
        while self.report.kills.total() < num_kills and self.report.rounds < 2 * num_kills:
            self._seed = seed + self.report.rounds
            rng = random.Random(f"{self._job.name} {self._seed}")
            self.round(plans.draw(rng, settings, self._num_changes))
        return self.report

    def round(self, plan: Plan) -> None:
        """Does what a plan says, and reports what was wrong.

        Raises:
            UserError: the job fails where nobody kills it.
        """
        if plan.fresh not in self._seconds:
            self._run_unbroken(plan.fresh)
        before = len(self.report.faults)
        self._empty()
        if self._job.old is not None and plan.over_old:
            self._job.old(self._inputs, self._work)
        for kill in plan.kills:
            if self._is_over() or self._kill(kill, plan.fresh).status == 0:
                break
        else:
            if not self._is_over():
                self._check_success(self._start(plan.fresh))
        temporary = contents.leftovers(self._work)
        self._add(verdict.of_result(self._read(), self._new, temporary))
        self.report.rounds += 1
        self.report.fresh += plan.fresh
        if len(self.report.faults) > before:
            kept = self._folder / f"seed-{self._seed}"
            shutil.copytree(self._work, kept, symlinks=True, dirs_exist_ok=True)

    def _run_unbroken(self, fresh: bool) -> None:
        """Runs the job as it is meant to be."""
        self._empty()
        ended = self._start(fresh)
        if ended.status != 0:
            raise UserError(f"{self._job.name} failed by itself: {ended.errors[-2000:]}")
        found = self._read()
        unread = [name for name, what in found.items() if isinstance(what, Unreadable)]
        if unread or not found:
            raise UserError(f"{self._job.name} wrote nothing that can be read: {unread}")
        self._num_changes, self._seconds[fresh] = ended.num_changes, ended.seconds
        if self._new:
            self._add(verdict.of_result(found, self._new, contents.leftovers(self._work)))
        else:
            self._new = found

    def _kill(self, kill: Kill, fresh: bool) -> Ended:
        before = self._read()
        ended = self._starter.run(
            self._command, self._work, fresh=fresh, kill=kill, seconds=self._seconds[fresh]
        )
        if not ended.signalled:
            self.report.too_late += 1
            # The machine was slower before.
            self._seconds[fresh] = min(self._seconds[fresh], ended.seconds)
            self._check_success(ended)
            return ended
        self.report.kills[kill.number.name] += 1
        self.report.slowest = max(self.report.slowest, ended.leaving)
        now = self._read()
        faults = verdict.of_ending(self._job, kill, ended, before, now)
        faults += verdict.of_outputs(self._job, before, now, self._new)
        self._add([(kind, f"{kill}: {text}") for kind, text in faults])
        return ended

    def _start(self, fresh: bool) -> Ended:
        return self._starter.run(self._command, self._work, fresh=fresh)

    def _is_over(self) -> bool:
        """Whether the job would refuse to start because all is there."""
        return self._job.writes_once and self._read() == self._new

    def _check_success(self, ended: Ended) -> None:
        if ended.status != 0:
            said = ended.errors.splitlines()[-3:]
            self._add([(verdict.FAILED, f"status {ended.status}; its last words: {said}")])

    def _read(self) -> verdict.Found:
        return contents.read(self._work, self._job.outputs)

    def _empty(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)

    def _add(self, faults: list[verdict.Fault]) -> None:
        for kind, text in faults:
            self.report.faults.append((self._seed, kind, text))
            meaning = verdict.KINDS[kind]
            print(f"{self._job.name}, seed {self._seed}: {meaning}: {text}", flush=True)
