"""Judges what is left of a job that was killed, and how it ended."""

from __future__ import annotations

import signal
from typing import Any

from tools.killing import contents
from tools.killing.contents import Unreadable
from tools.killing.job import Job
from tools.killing.plans import Kill
from tools.killing.processes import Ended

# What may be wrong.
LATE = "late"
STATUS = "status"
UNSAID = "unsaid"
TRACEBACK = "traceback"
LOST = "lost"
PARTIAL = "partial"
LEFTOVER = "leftover"
UNEQUAL = "unequal"
FAILED = "failed"
KINDS = {
    LATE: "it did not end in time",
    STATUS: "it ended with another status",
    UNSAID: "it did not say what ended it, or how to go on",
    TRACEBACK: "it ended with a traceback",
    LOST: "what was there before is gone",
    PARTIAL: "a file is neither the old one nor the new one",
    LEFTOVER: "a temporary file stays after the next start",
    UNEQUAL: "the result is not that of the unbroken job",
    FAILED: "started again, it failed",
}
_CONTROL_C = 130
_SHOWN = 3

Found = dict[str, Any]
# Kind of fault and what was seen.
Fault = tuple[str, str]


def of_ending(job: Job, kill: Kill, ended: Ended, before: Found, now: Found) -> list[Fault]:
    """Judges how a job ended that got a signal.

    Args:
        job: the job.
        kill: how it was killed.
        ended: its process.
        before: its outputs before.
        now: its outputs after.
    """
    if ended.status is None:
        return [(LATE, f"it ran {kill.within:.0f} s after {kill.number.name}")]
    if kill.number == signal.SIGKILL:
        return []
    if not ended.caught:
        # While Python starts, Ctrl-C is its own exception; then it is the system's until a job
        # handles it, and again after its end.
        good = {0, -kill.number, 1 if kill.number == signal.SIGINT else 0, _CONTROL_C}
        return _wrong_status(ended, good)
    faults = _wrong_status(ended, {0, 128 + kill.number})
    if "Traceback" in ended.errors:
        faults.append((TRACEBACK, ended.errors[-2000:]))
    if ended.status == 0:
        return faults
    lines = ended.errors.splitlines()
    if f"Ended by {kill.number.name}." not in lines and "It did not leave" not in ended.errors:
        faults.append((UNSAID, f"its last words: {lines[-3:]}"))
    goes_on = job.keeps in now and now[job.keeps] != before.get(job.keeps)
    if goes_on and "To go on: yt8m " not in ended.errors and "Trained " not in ended.output:
        faults.append((UNSAID, f"it kept {job.keeps} and did not say so: {lines[-3:]}"))
    return faults


def _wrong_status(ended: Ended, good: set[int]) -> list[Fault]:
    if ended.status in good:
        return []
    said = ended.errors.splitlines()[-3:]
    return [(STATUS, f"{ended.status}, which is none of {sorted(good)}; its last words: {said}")]


def of_outputs(job: Job, before: Found, now: Found, new: Found) -> list[Fault]:
    """Judges the outputs of a job that was killed.

    Args:
        job: the job.
        before: its outputs before it was started.
        now: its outputs after it was killed.
        new: its outputs after an unbroken run.
    """
    faults = []
    for name, content in now.items():
        if isinstance(content, Unreadable):
            faults.append((PARTIAL, f"{name}: {content.reason}"))
        elif not job.has_other_values(name) and content not in (before.get(name), new.get(name)):
            faults.append((PARTIAL, _differences(name, new.get(name), content)))
    if not job.deletes:
        lost = [name for name in before if name not in now and name in new]
        faults += [(LOST, name) for name in lost]
        if _step(job, now) < _step(job, before):
            faults.append((LOST, f"the checkpoint of step {_step(job, before)}"))
    return faults


def _step(job: Job, found: Found) -> int:
    """The step of the checkpoint that a training keeps; -1 of others, and where there is none."""
    content = found.get(job.keeps)
    return content["state"]["step"] if isinstance(content, dict) else -1


def of_result(now: Found, new: Found, temporary: list[str]) -> list[Fault]:
    """Judges the outputs of a job that was started again and came to its end.

    Args:
        now: its outputs.
        new: its outputs after an unbroken run.
        temporary: what there is under temporary names.
    """
    faults = [(LEFTOVER, name) for name in temporary]
    for name in sorted(new.keys() | now.keys()):
        if now.get(name) != new.get(name):
            faults.append((UNEQUAL, _differences(name, new.get(name), now.get(name))))
    return faults


def _differences(name: str, one: Any, other: Any) -> str:
    return "; ".join(contents.differences(one, other, name)[:_SHOWN])
