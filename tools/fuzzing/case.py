"""An input and what is expected of the job that gets it."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tools.fuzzing.processes import Outcome
    from tools.fuzzing.samples import Samples

IN, OUT = "in", "out"


class Dice(np.random.Generator):
    """The random numbers of an input: the same target and seed make the same input.

    Of every sixteen inputs the first is not damaged: it tells whether a job that ends with a
    sentence does so for the damage.

    Args:
        target: its name.
        seed: of the input.
    """

    def __init__(self, target: str, seed: int):
        super().__init__(np.random.PCG64([zlib.crc32(target.encode()), seed]))
        self.is_sound = seed % 16 == 0


@dataclasses.dataclass(frozen=True)
class Case:
    """A job to run on a damaged input. Paths are relative to the folder of the case.

    Attributes:
        module: of the job, such as `yt8m.eval`.
        flags: of its command line. The input lies in `in/`, and what the job writes in `out/`.
        may_stay: globs in `out/` of what a job that fails may leave there, such as a run's folder.
        given: what stands on its command line behind the flags.
        check: looks at the outcome, and at the folder, and says what is wrong with the account.
    """

    module: str
    flags: dict[str, object]
    may_stay: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    check: Callable[[Outcome, Path], list[str]] | None = None

    def arguments(self) -> list[str]:
        """The command line behind the module."""
        return [*(f"--{name}={value}" for name, value in self.flags.items()), *self.given]


@dataclasses.dataclass(frozen=True)
class Target:
    """A kind of input.

    Attributes:
        make: writes an input into `in/` of a folder, at random, and returns the case.
        missing: why it cannot be fuzzed here, such as a package that is not installed; empty if
            it can.
    """

    make: Callable[[Dice, Path, Samples], Case]
    missing: str = ""


def chance(dice: Dice, share: float) -> bool:
    """True in a share of the cases."""
    return bool(dice.random() < share)


def pick(dice: Dice, values):
    """One of some values, as it is."""
    values = list(values)
    return values[int(dice.integers(len(values)))]
