"""The counts of a campaign, as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from tools.fuzzing.campaign import Result
from tools.fuzzing.judge import FAULTS, SENTENCE, WELL

INPUTS = "inputs"
COLUMNS = (INPUTS, WELL, SENTENCE, *FAULTS)


class Counts:
    """Inputs by target and by how they ended.

    An input that has faults counts for each kind of them, and neither as well nor as a sentence.
    """

    def __init__(self) -> None:
        self.of_target: dict[str, Counter[str]] = {}
        self.failures: list[dict[str, object]] = []

    def add(self, result: Result) -> None:
        """Counts a result."""
        counts = self.of_target.setdefault(result.input.target, Counter())
        counts[INPUTS] += 1
        kinds = {fault.kind for fault in result.faults}
        counts.update(kinds or {SENTENCE if result.outcome.status else WELL})
        if kinds:
            faults = [f"{fault.kind}: {fault.text}" for fault in result.faults]
            where = {"target": result.input.target, "seed": result.input.seed}
            self.failures.append(where | {"job": result.case.module, "faults": faults})

    def as_json(self) -> dict[str, object]:
        """The counts and the inputs that failed."""
        counts = {
            target: {column: counts[column] for column in COLUMNS}
            for target, counts in sorted(self.of_target.items())
        }
        return {"counts": counts, "failures": self.failures}


def print_table(counts: Counts, skipped: Iterable[tuple[str, str]]) -> None:
    """Prints the counts, a line a target, and the inputs that failed."""
    table = Table()
    table.add_column("target")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    rows = sorted(counts.of_target.items())
    for target, row in rows:
        table.add_row(target, *(f"{row[column]:,}" for column in COLUMNS))
    table.add_section()
    total = sum((row for _, row in rows), Counter())
    table.add_row("all", *(f"{total[column]:,}" for column in COLUMNS))
    Console(width=160).print(table)
    for target, reason in skipped:
        print(f"{target} was left out: {reason}.")
    for failure in counts.failures:
        again = f"--targets={failure['target']} --only={failure['seed']}"
        print(f"{again}: {failure['job']}: {'; '.join(map(str, failure['faults']))}")
