"""Jobs that are killed leave nothing half done; the tool that kills them sees where one does."""

import contextlib
import dataclasses
import json
import signal
import sys

import job_with_a_fault
import pytest
from job_runner import expect_error, run_job

from tools import warm_process
from tools.killing import contents, verdict
from tools.killing.inputs import Inputs
from tools.killing.job import Job
from tools.killing.jobs import JOBS
from tools.killing.plans import AtChange, AtTime, Kill, Plan
from tools.killing.processes import Starter
from tools.killing.rounds import Killer, Report

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tool is for Linux")

ALL = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
OUTPUT = "file.txt"
LONG = 120.0


@pytest.fixture(scope="module")
def starter(tmp_path_factory) -> Starter:
    return Starter(tmp_path_factory.mktemp("processes"), warm_process.SERVER)


@pytest.fixture(scope="module")
def inputs(starter, tmp_path_factory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"), starter)


# A kill at a change falls there whatever the speed of the machine. `test_resume` kills trainings.
BROKEN_OFF = {
    "synthetic": (Kill(signal.SIGINT, AtChange(4), LONG), Kill(signal.SIGKILL, AtTime(0.7), LONG)),
    "make_manifest": (Kill(signal.SIGTERM, AtChange(3), LONG),),
}


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_job_that_is_killed_does_no_harm(name, inputs, starter, tmp_path):
    killer = Killer(JOBS[name], inputs, starter, tmp_path)
    killer.round(Plan(BROKEN_OFF[name]))
    assert killer.report.faults == []
    assert killer.report.kills


def writes(how: str) -> Job:
    """The job of `job_with_a_fault`, of which an older file may be there."""

    def command(inputs, folder) -> list[str]:
        return [job_with_a_fault.__file__, how, str(folder / OUTPUT)]

    def old(inputs, folder) -> None:
        (folder / OUTPUT).write_text("an older file\n")

    return Job(how, command, {OUTPUT: contents.of_file}, old=old)


def kill(how: str, number, moment, starter, folder, within=LONG) -> Report:
    """Kills a job of which an older output is there, once."""
    killer = Killer(writes(how), None, starter, folder)
    killer.round(Plan((Kill(number, moment, within),), over_old=True))
    return killer.report


def test_nothing_is_said_of_a_sound_job(starter, tmp_path):
    killer = Killer(writes("soundly"), None, starter, tmp_path)
    kills = [Kill(n, AtChange(change), LONG) for n in ALL for change in (1, 2)]
    killer.round(Plan(tuple(kills), over_old=True))
    assert killer.report.kills == dict.fromkeys((n.name for n in ALL), 2)
    assert killer.report.faults == []


@pytest.mark.parametrize("once", [False, True])
def test_a_job_that_refuses_what_it_has_written(once, starter, tmp_path):
    """Where it is killed after that, it need not start again, if that is known of it."""
    job = dataclasses.replace(writes("never_over_another"), writes_once=once)
    killer = Killer(job, None, starter, tmp_path)
    killer.round(Plan((Kill(signal.SIGKILL, AtChange(3), LONG),) * 2))
    assert {kind for _, kind, _ in killer.report.faults} == (set() if once else {verdict.FAILED})


@pytest.mark.parametrize(
    ("how", "number", "moment", "kinds"),
    [
        ("in_place", signal.SIGKILL, AtChange(2), {verdict.PARTIAL}),
        ("in_place", signal.SIGTERM, AtChange(2), {verdict.PARTIAL}),
        ("after_the_old_one_is_gone", signal.SIGKILL, AtChange(2), {verdict.LOST}),
        ("with_a_leftover", signal.SIGINT, AtChange(1), {verdict.LEFTOVER}),
        ("with_a_memory", signal.SIGKILL, AtChange(2), {verdict.UNEQUAL}),
        ("only_once", signal.SIGKILL, AtChange(2), {verdict.FAILED, verdict.UNEQUAL}),
        ("silent", signal.SIGTERM, AtChange(1), {verdict.STATUS, verdict.UNSAID}),
        (
            "loud",
            signal.SIGTERM,
            AtChange(1),
            {verdict.STATUS, verdict.UNSAID, verdict.TRACEBACK},
        ),
    ],
)
def test_a_fault_is_seen(how, number, moment, kinds, starter, tmp_path):
    report = kill(how, number, moment, starter, tmp_path)
    assert {kind for _, kind, _ in report.faults} == kinds
    assert (tmp_path / "seed-0").is_dir()


def test_a_job_that_does_not_end_is_seen(starter, tmp_path):
    report = kill("deaf", signal.SIGTERM, AtChange(2), starter, tmp_path, within=0.5)
    assert {kind for _, kind, _ in report.faults} == {verdict.LATE}


@pytest.fixture
def no_server_of_its_own(monkeypatch):
    shared = contextlib.nullcontext(warm_process.SERVER)
    monkeypatch.setattr(warm_process, "WarmProcesses", lambda: shared)


@pytest.mark.parametrize(("how", "status"), [("soundly", 0), ("with_a_leftover", 1)])
def test_the_tool_reports_what_it_saw(how, status, no_server_of_its_own, tmp_path, monkeypatch):
    monkeypatch.setitem(JOBS, how, writes(how))
    output = tmp_path / "new" / "kill.json"
    flags = {"kills": 2, "fresh": 0.5, "work_dir": tmp_path / "work", "output_file": output}
    result = run_job("tools.kill", jobs=how, seed=4, **flags)
    assert result.returncode == status, result.stderr
    seen = json.loads(output.read_text())["jobs"][how]
    assert sum(seen["kills"].values()) + seen["too_late"] >= 2
    assert {fault["kind"] for fault in seen["faults"]} == ({"leftover"} if status else set())
    assert ("a temporary file stays after the next start" in result.stdout) == bool(status)


def test_a_job_that_there_is_not():
    expect_error("tools.kill", "--jobs takes train, ", "Received: trai.", jobs="trai")
    expect_error("tools.kill", "--signals takes KILL, TERM, INT.", jobs="train", signals="HUP")
