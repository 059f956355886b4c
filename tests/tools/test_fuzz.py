"""Damaged inputs: the jobs bear some of each kind, and a fault of theirs is seen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import job_in_process
import pytest
from job_runner import command, run_job

from tools.fuzzing import campaign, judge, report
from tools.fuzzing.campaign import Input
from tools.fuzzing.case import Case, Dice, Target
from tools.fuzzing.processes import Outcome, Processes
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import TARGETS
from yt8m.data import tfrecord

# What a job may do wrong: its code, and the kind of fault that is to be seen.
PLANTED = {
    "raises": ("raise ValueError('oh')", judge.TRACEBACK),
    "hangs": ("import time; time.sleep(60)", judge.HANG),
    "crashes": ("import os; os.kill(os.getpid(), 11)", judge.CRASH),
    "takes_memory": ("import time; x = b'x' * 700_000_000; time.sleep(60)", judge.MEMORY),
    "says_nothing": ("import sys; sys.exit(1)", judge.UNEXPLAINED),
    "says_two_lines": ("import sys; sys.exit('ERROR: one\\ntwo')", judge.UNEXPLAINED),
    "leaves_a_part": ("open('out/.tmp-x', 'w')", judge.LEFTOVER),
    "leaves_a_scratch": ("import tempfile; tempfile.mkstemp()", judge.LEFTOVER),
    "leaves_an_output": (
        "import sys; open('out/a', 'w'); sys.exit('ERROR: It is bad.')",
        judge.LEFTOVER,
    ),
    "changes_its_input": ("open('in/planted.py', 'w')", judge.LEFTOVER),
    "ends_well": ("print('Done.')", None),
    "says_why": ("import sys; sys.exit('ERROR: It is bad.')", None),
}


class InThisProcess:
    """Runs jobs in the process of the tests, where they take a fraction of a second."""

    def run(self, case: Case, folder: Path) -> Outcome:
        """Runs a job to its end, see `Runner`."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            result = job_in_process.run(command(case.module, *case.arguments()))
        return Outcome(result.returncode, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Samples:
    return Samples(tmp_path_factory.mktemp("fuzz") / "samples", InThisProcess())


def run_input(name: str, seed: int, samples: Samples, folder: Path) -> campaign.Result:
    where = folder / f"{name}-{seed}"
    return campaign.run_one(TARGETS[name], Input(name, seed), InThisProcess(), samples, where)


@pytest.mark.parametrize(
    ("name", "seed"),
    [*((name, 1) for name in TARGETS), *((name, 0) for name in list(TARGETS)[::6])],
)
def test_jobs_bear_damaged_inputs(name, seed, samples, tmp_path):
    """The input of seed 0 is not damaged."""
    if TARGETS[name].missing:
        pytest.skip(TARGETS[name].missing)
    result = run_input(name, seed, samples, tmp_path)
    assert not result.faults, result.outcome.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []


def planted(source: str) -> Target:
    """A target whose job is some lines of Python."""

    def make(dice, folder: Path, samples: Samples) -> Case:
        (folder / "in" / "planted.py").write_text("# Of a test.\n")
        (folder / "planted_job.py").write_text(source + "\n")
        return Case("planted_job", {})

    return Target(make)


@pytest.fixture(scope="module")
def processes():
    with Processes(seconds=2, megabytes=300) as runner:
        yield runner


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_seen(name, processes, tmp_path):
    source, kind = PLANTED[name]
    kept = tmp_path / "failures"
    targets, inputs = {name: planted(source)}, [Input(name, 1)]
    (result,) = campaign.run(targets, inputs, [processes], tmp_path, kept)
    assert [fault.kind for fault in result.faults] == ([kind] if kind else [])
    counts = report.Counts()
    counts.add(result)
    assert counts.of_target[name]["inputs"] == 1
    assert sum(counts.of_target[name].values()) == 2
    if kind:
        note = json.loads((kept / f"{name}-1" / "failure.json").read_text())
        assert note["faults"][0]["kind"] == kind
        assert counts.failures[0]["seed"] == 1


def damaged_input(samples: Samples, folder: Path, job: str, mode: str) -> int:
    """The seed of a shard with damage before an undamaged record, which a job is to read so."""
    for seed in range(1, 200):
        where = folder / str(seed)
        for part in ("in", "out"):
            (where / part).mkdir(parents=True)
        case = TARGETS["video_shards"].make(Dice("video_shards", seed), where, samples)
        shutil.rmtree(where)
        if case.module == job and case.flags["on_corrupt_shard"] == mode and case.check:
            account = case.check.args[0]
            if account.is_certain and account.found and account.found[0][0] and account.least_lost:
                return seed
    raise AssertionError("no such input")


@pytest.mark.parametrize("job", ["yt8m.inference", "yt8m.eval"])
def test_a_wrong_account_is_seen(job, samples, tmp_path, monkeypatch):
    seed = damaged_input(samples, tmp_path, job, "skip")
    salvage = tfrecord.salvage

    def plant(number: slice, lost: int) -> list[str]:
        """The faults that are seen of a reader that finds some records and counts otherwise."""

        def planted(*arguments):
            found = salvage(*arguments)
            return tfrecord.Salvage(found.records[number], found.offsets, found.lost + lost)

        monkeypatch.setattr(tfrecord, "salvage", planted)
        return [fault.kind for fault in run_input("video_shards", seed, samples, tmp_path).faults]

    assert plant(slice(None), 0) == []
    assert plant(slice(None), 16) == [judge.ACCOUNT]
    assert plant(slice(None), -16) == [judge.ACCOUNT]
    assert judge.ACCOUNT in plant(slice(1, None), 0)


def test_going_on_where_the_job_is_to_fail_is_seen(samples, tmp_path, monkeypatch):
    seed = damaged_input(samples, tmp_path, "yt8m.inference", "fail")
    assert run_input("video_shards", seed, samples, tmp_path).faults == ()
    monkeypatch.setattr("yt8m.data.read_log.FAIL", "never")
    (fault,) = run_input("video_shards", seed, samples, tmp_path).faults
    assert fault.kind == judge.ACCOUNT and "went on" in fault.text


class Failing(contextlib.nullcontext):
    """Runs nothing, and says that it ended with a traceback."""

    def __enter__(self) -> Failing:
        return self

    def run(self, case: Case, folder: Path) -> Outcome:
        """How no job may end."""
        return Outcome(1, "", "Traceback (most recent call last):\nValueError: oh")


def test_the_tool_counts_and_fails_where_a_job_does(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.fuzzing.processes.Processes", lambda *limits: Failing())
    monkeypatch.setitem(TARGETS, "planted", planted(PLANTED["raises"][0]))
    output, kept = tmp_path / "counts.json", tmp_path / "kept"
    flags = {"targets": "planted", "rounds": 2, "processes": 1, "output_file": output}
    result = run_job("tools.fuzz", failures_dir=kept, **flags)
    assert result.returncode == 1, result.stderr
    assert "--targets=planted --only=1: planted_job: traceback" in result.stdout
    found = json.loads(output.read_text())
    assert found["counts"]["planted"]["traceback"] == 2
    assert sorted(os.listdir(kept)) == ["planted-0", "planted-1"]


def test_an_unknown_target():
    result = run_job("tools.fuzz", targets="shard")
    assert result.returncode == 1
    assert "ERROR: There is no target 'shard'. Choose: video_shards," in result.stderr
