"""When a job is killed, and with what."""

from __future__ import annotations

import dataclasses
import random
import signal

_MOST_KILLS = 3
_AT_CHANGES = 0.5


@dataclasses.dataclass(frozen=True)
class AtTime:
    """At a time, whatever the job does then.

    Attributes:
        share: of the time that the unbroken job takes from its start, from 0 to 1.
    """

    share: float

    def __str__(self) -> str:
        return f"at {self.share:.3f} of its time"


@dataclasses.dataclass(frozen=True)
class AtChange:
    """Just before the job changes something among its files, see `at_change`.

    Attributes:
        number: of the change, from 1.
    """

    number: int

    def __str__(self) -> str:
        return f"before change {self.number}"


@dataclasses.dataclass(frozen=True)
class Kill:
    """How a job is killed.

    Attributes:
        number: the signal.
        moment: when it is sent.
        within: seconds in which the job must end then.
    """

    number: signal.Signals
    moment: AtTime | AtChange
    within: float

    def __str__(self) -> str:
        return f"{self.number.name} {self.moment}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What happens to a job in one round.

    Attributes:
        kills: one after the other, each in another start of the job.
        over_old: whether an older output is there, for jobs that may replace one.
        fresh: whether its processes import TensorFlow themselves.
    """

    kills: tuple[Kill, ...]
    over_old: bool = False
    fresh: bool = False


@dataclasses.dataclass(frozen=True)
class Settings:
    """What plans are drawn from.

    Attributes:
        signals: that are sent.
        within: seconds in which a job must end then.
        fresh: share of the rounds in processes that import TensorFlow themselves.
    """

    signals: tuple[signal.Signals, ...]
    within: float
    fresh: float


def draw(rng: random.Random, settings: Settings, num_changes: int) -> Plan:
    """Draws a plan for a job that changes its files so many times: half of its kills are there."""

    def kill() -> Kill:
        share = rng.random()
        at_change = num_changes and rng.random() < _AT_CHANGES
        moment = AtChange(1 + int(share * num_changes)) if at_change else AtTime(share)
        return Kill(rng.choice(settings.signals), moment, settings.within)

    kills = tuple(kill() for _ in range(rng.randint(1, _MOST_KILLS)))
    return Plan(kills, over_old=rng.random() < 0.5, fresh=rng.random() < settings.fresh)
