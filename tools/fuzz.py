r"""Feeds damaged inputs to the jobs, and looks at how they end.

    python -m tools.fuzz --rounds=100 --output_file=fuzz.json --failures_dir=failures
    python -m tools.fuzz --targets=video_shards --only=17

A job must end well or with one sentence: without a traceback, a crash, a hang, memory without end,
or a file left behind. What it reads of a damaged shard, and what it says is lost, must be right.
The second line repeats an input that failed; in --failures_dir lie all files of each.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from absl import flags

from tools.fuzzing import campaign, report
from tools.fuzzing.campaign import Input
from tools.fuzzing.processes import Processes
from tools.fuzzing.targets import TARGETS
from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport


def define_flags() -> None:
    """Defines the flags of this tool."""
    define.strings("targets", f"What to fuzz, of {', '.join(TARGETS)}.", list(TARGETS))
    define.integer("rounds", "Inputs of each target.", 20, at_least=1)
    define.integer("seed", "Of the first input; the next ones follow.", 0, at_least=0)
    define.integer("only", "Runs the input of this seed alone.", at_least=0)
    define.integer("processes", "Jobs at a time; by default one a core.", at_least=1)
    define.number("time_limit", "Seconds that a job may take.", 60.0, at_least=0)
    define.number("memory_limit", "Megabytes that a job may take.", 4000.0, at_least=0)
    define.path("failures_dir", "Folder to keep the inputs in that failed.", "")
    define.path("output_file", "JSON file to write the counts to.", "")


def main() -> None:
    """Fuzzes as the flags say."""
    args = flags.FLAGS
    if args.output_file:
        files.check_output_file(args.output_file)
    seeds = [args.only] if args.only is not None else range(args.seed, args.seed + args.rounds)
    known, skipped = choose(args.targets)
    inputs = [Input(target, seed) for seed in seeds for target in known]
    counts = report.Counts()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runners = [
            stack.enter_context(Processes(args.time_limit, args.memory_limit))
            for _ in range(args.processes or os.cpu_count() or 1)
        ]
        failures_dir = Path(args.failures_dir).absolute() if args.failures_dir else None
        stack.callback(report.print_table, counts, skipped)  # Also of a campaign that is stopped.
        progress = stack.enter_context(ProgressReport("Fuzzing", len(inputs), "inputs"))
        for result in campaign.run(TARGETS, inputs, runners, folder, failures_dir):
            counts.add(result)
            progress.advance(1)
    if args.output_file:
        files.write_json(args.output_file, counts.as_json())
    if counts.failures:
        sys.exit(1)


def choose(names: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The targets that can be fuzzed here, and those that cannot, with the reason.

    Raises:
        UserError: a name is unknown.
    """
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        raise UserError(f"There is no target {unknown[0]!r}. Choose: {', '.join(TARGETS)}.")
    can = [name for name in names if not TARGETS[name].missing]
    return can, [(name, TARGETS[name].missing) for name in names if TARGETS[name].missing]


if __name__ == "__main__":
    jobs.run(define_flags, main)
