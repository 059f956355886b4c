r"""Kills jobs at random moments, and checks that nothing is lost, left over or half written.

    python -m tools.kill --kills=30 --output_file=kill.json
    python -m tools.kill --jobs=train,export --signals=TERM --seed=7

A job is run once unbroken. Then it is started with the same inputs again and again: each time it is
killed once to three times, somewhere in its time or just before it changes a file, and then it is
started a last time. A job must leave what was there before, or its new output, whole; must end soon
and with the right status and words where it is asked to; and must come to the same result in the
end. The exit status is 1 where anything is wrong. A fault comes with a seed: with it, --kills=1 and
the name of its job the same round is run again.

Processes are forked from one that has imported TensorFlow, except for a share of them (--fresh),
which are started as a user does. It needs Linux.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from absl import flags
from rich.console import Console
from rich.table import Table

from tools.killing.inputs import Inputs
from tools.killing.jobs import JOBS
from tools.killing.plans import Settings
from tools.killing.processes import Starter
from tools.killing.rounds import Killer, Report
from tools.warm_process import WarmProcesses
from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError

_SIGNALS = ("KILL", "TERM", "INT")


def define_flags() -> None:
    """Defines the flags of this tool."""
    known = [name for name, job in JOBS.items() if job.can_run()]
    define.strings("jobs", f"What to kill, of {', '.join(JOBS)}.", known)
    define.integer("kills", "Kills of each job, at least.", 15, at_least=1)
    define.integer("seed", "Of the moments and signals.", 0, at_least=0)
    define.strings("signals", f"What is sent, of {', '.join(_SIGNALS)}.", list(_SIGNALS))
    define.number(
        "within", "Seconds in which a job must end that got a signal.", 30.0, at_least=0.1
    )
    define.number("fresh", "Share of rounds in processes of their own.", 0.1, at_least=0, at_most=1)
    define.path("work_dir", "Folder to work in, which stays; by default a temporary one.", "")
    define.path("output_file", "JSON file to write what was seen to.", "")


def main() -> None:
    """Kills as the flags say."""
    args = flags.FLAGS
    if sys.platform != "linux":
        raise UserError(f"This tool needs Linux. Received: {sys.platform}.")
    _check("jobs", args.jobs, JOBS)
    _check("signals", args.signals, _SIGNALS)
    if args.output_file:
        files.check_output_file(args.output_file)
    signals = tuple(signal.Signals[f"SIG{name}"] for name in args.signals)
    settings = Settings(signals, args.within, args.fresh)
    reports = []
    with _folder(args.work_dir) as folder, WarmProcesses() as warm:
        starter = Starter(folder / "processes", warm)
        inputs = Inputs(folder / "inputs", starter)
        for name in args.jobs:
            killer = Killer(JOBS[name], inputs, starter, folder / name)
            reports.append(killer.run(args.kills, args.seed, settings))
            print(json.dumps(_as_json(reports[-1])), flush=True)
    print_table(reports)
    if args.output_file:
        found = {report.job: _as_json(report) for report in reports}
        files.write_json(args.output_file, {"seed": args.seed, "jobs": found})
        print(f"Wrote {args.output_file}")
    if any(report.faults for report in reports):
        raise UserError("Jobs that were killed did what they must not; it is told above.")


def print_table(reports: list[Report]) -> None:
    """Prints what was seen, a line a job."""
    table = Table()
    table.add_column("job", no_wrap=True)
    for column in ("rounds", "fresh", *_SIGNALS, "too late", "slowest", "faults"):
        table.add_column(column, justify="right")
    for report in reports:
        kills = (report.kills[f"SIG{name}"] for name in _SIGNALS)
        counts = [report.rounds, report.fresh, *kills, report.too_late]
        counts.append(f"{report.slowest:.1f} s")
        kinds = Counter(kind for _, kind, _ in report.faults)
        faults = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        table.add_row(report.job, *map(str, counts), faults or "none")
    Console().print(table)


def _as_json(report: Report) -> dict:
    faults = [{"seed": seed, "kind": kind, "what": what} for seed, kind, what in report.faults]
    return {
        "job": report.job,
        "rounds": report.rounds,
        "fresh": report.fresh,
        "kills": dict(report.kills),
        "too_late": report.too_late,
        "slowest_end_s": round(report.slowest, 1),
        "faults": faults,
    }


@contextlib.contextmanager
def _folder(path: str) -> Iterator[Path]:
    """The folder to work in: a given one, or a temporary one."""
    if path:
        yield Path(path).absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _check(flag: str, given: list[str], known: object) -> None:
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        raise UserError(f"--{flag} takes {', '.join(known)}. Received: {', '.join(given)}.")


if __name__ == "__main__":
    jobs.run(define_flags, main)
