"""What a job is to be killed: its command, what it writes, and what was there before."""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib.util
from collections.abc import Callable
from pathlib import Path

from tools.killing.contents import Reader
from tools.killing.inputs import Inputs


@dataclasses.dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        name: what it is called in reports.
        command: inputs and the folder to write in -> what stands behind `python`.
        outputs: globs of what it writes there, and what reads them.
        old: inputs and folder -> None; puts what an earlier job wrote there. None where the job
            has a meaning without that alone.
        on_the_way: globs of the outputs that have other values before its end.
        deletes: whether it deletes what was there before it writes.
        keeps: the output that it keeps when it is asked to end, and tells how to go on from.
        needs: packages of extras that it takes.
        writes_once: whether it refuses to start where its whole output is there.
    """

    name: str
    command: Callable[[Inputs, Path], list[str]]
    outputs: dict[str, Reader]
    old: Callable[[Inputs, Path], None] | None = None
    on_the_way: tuple[str, ...] = ()
    deletes: bool = False
    keeps: str = ""
    needs: tuple[str, ...] = ()
    writes_once: bool = False

    def can_run(self) -> bool:
        """Whether the packages that it needs are installed."""
        return all(importlib.util.find_spec(name) for name in self.needs)

    def has_other_values(self, output: str) -> bool:
        """Whether an output has other values before the end."""
        return any(fnmatch.fnmatch(output, pattern) for pattern in self.on_the_way)


def yt8m(name: str, **flags: object) -> list[str]:
    """The command of a job, as a user types it behind `python`."""
    given = (f"--{flag}={value}" for flag, value in flags.items())
    return ["-m", "yt8m", name, *given]
