"""What is wrong with how a job ended: the faults of an input, by kind."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

from tools.fuzzing.case import IN, OUT, Case
from tools.fuzzing.processes import Outcome
from tools.fuzzing.server import HANG, MEMORY

WELL, SENTENCE = "ended well", "one sentence"
TRACEBACK, UNEXPLAINED, CRASH, ACCOUNT, LEFTOVER = (
    *("traceback", "unexplained", "crash", "wrong account", "leftover"),
)
FAULTS = (TRACEBACK, UNEXPLAINED, CRASH, HANG, MEMORY, ACCOUNT, LEFTOVER)
_SENTENCES = ("ERROR: ", "FATAL Flags parsing error:")
# A longer one is the input and not what is wrong with it.
_LONGEST = 3000


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that must not happen.

    Attributes:
        kind: of `FAULTS`.
        text: what was seen.
    """

    kind: str
    text: str


def files_in(folder: Path) -> dict[str, int]:
    """The files of a folder, however deep, and their sizes."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def faults(case: Case, outcome: Outcome, folder: Path, inputs: dict[str, int]) -> list[Fault]:
    """Judges the end of a job.

    Args:
        case: what was run.
        outcome: how it ended.
        folder: of the case.
        inputs: what `files_in` said of its inputs before.
    """
    found = _of_the_end(case, outcome)
    if not found:
        found += [Fault(LEFTOVER, text) for text in _left_behind(case, outcome, folder, inputs)]
        if case.check is not None:
            found += [Fault(ACCOUNT, text) for text in case.check(outcome, folder)]
    return found


def _of_the_end(case: Case, outcome: Outcome) -> list[Fault]:
    if outcome.ended == HANG:
        return [Fault(HANG, f"after {outcome.seconds:.0f} s: {last_line(outcome.stderr)}")]
    if outcome.ended == MEMORY:
        return [Fault(MEMORY, f"{outcome.megabytes:,.0f} MB: {last_line(outcome.stderr)}")]
    if outcome.status < 0:
        name = signal.Signals(-outcome.status).name
        return [Fault(CRASH, f"{name}: {last_line(outcome.stderr)}")]
    for sign in ("Traceback (most recent call last)", "Exception ignored in", "Fatal Python error"):
        if sign in outcome.stderr:
            return [Fault(TRACEBACK, last_line(outcome.stderr))]
    problem = _problem_of_sentence(case, outcome) if outcome.status else None
    return [Fault(UNEXPLAINED, problem)] if problem else []


def _problem_of_sentence(case: Case, outcome: Outcome) -> str | None:
    """What is wrong with how a failure is told; None where it is one sentence."""
    lines = outcome.stderr.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_SENTENCES)]
    if len(starts) != 1:
        return f"{len(starts)} sentences and status {outcome.status}: {last_line(outcome.stderr)}"
    said = [line for line in lines[starts[0] :] if not line.startswith("Pass --help")]
    # absl quotes a flag as it is, on lines of their own.
    allowed = 2 + "".join(case.arguments()).count("\n") if said[0].startswith("FATAL") else 1
    if len([line for line in said if line]) > allowed:
        return f"a sentence of {len(said)} lines: {' / '.join(said)[:300]}"
    if len(said[0]) > _LONGEST + sum(map(len, case.arguments())):
        return f"a sentence of {len(said[0])} letters: {said[0][:200]}"
    if not " ".join(said).partition(": ")[2].strip():
        return "a sentence without a word"
    return None


def _left_behind(case: Case, outcome: Outcome, folder: Path, inputs: dict[str, int]) -> list[str]:
    """What a job left that it must not leave, in a few words each."""
    texts = [f"{name} in the inputs" for name in _changes(files_in(folder / IN), inputs)]
    texts += [f"tmp/{name}" for name in files_in(folder / "tmp")]
    written = files_in(folder / OUT)
    texts += [f"{OUT}/{name}" for name in written if "/.tmp-" in f"/{name}"]
    if outcome.status:
        kept = {path for glob in case.may_stay for path in (folder / OUT).glob(glob)}
        texts += [
            f"{OUT}/{name}, though the job failed"
            for name in written
            if "/.tmp-" not in f"/{name}" and folder / OUT / name not in kept
        ]
    return texts


def _changes(now: dict[str, int], before: dict[str, int]) -> list[str]:
    return sorted(name for name in {*now, *before} if now.get(name) != before.get(name))


def last_line(text: str) -> str:
    """The beginning of the last line that is no part of a stack."""
    lines = [line for line in text.splitlines() if line.strip()] or ["nothing was said"]
    error = next((line for line in reversed(lines) if not line.startswith(" ")), lines[-1])
    return error[:300]
