"""Progress of long work: a bar on a terminal, a line every few seconds in a log file."""

from __future__ import annotations

import sys
import time

from absl import logging
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from yt8m.base import interruption

_LOG_SECONDS = 15.0


class ProgressReport:
    """Shows what is done, the rate and the time left. A context manager.

    Args:
        task: what is done, such as `Evaluating`.
        total: how many there are, exact or estimated; None if unknown.
        unit: what is counted, such as `videos`.
    """

    def __init__(self, task: str, total: int | None = None, unit: str = "examples"):
        self.task = task
        self.total = total
        self.unit = unit
        self.done = 0
        self._started = self._logged = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> ProgressReport:
        self._started = self._logged = time.monotonic()
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn(
                    f"{{task.completed:,}} {self.unit}, {{task.fields[rate]}}{{task.fields[note]}}"
                ),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._id = self._bar.add_task(self.task, total=self.total, rate="", note="")
            self._bar.start()
        return self

    def __exit__(self, *exception) -> None:
        if self._bar is not None:
            self._bar.stop()
        if exception[0] is None:
            seconds = time.monotonic() - self._started
            logging.info("%s: %d %s in %.1f s.", self.task, self.done, self.unit, seconds)

    def advance(self, count: int, note: str = "") -> None:
        """Adds what is done; `note` says more, such as the loss.

        Raises:
            Interrupted: the work is to stop here, see `interruption.deferred`.
        """
        self.done += count
        interruption.check()
        now = time.monotonic()
        rate = self.done / max(now - self._started, 1e-9)
        note = f", {note}" if note else ""
        if self._bar is not None:
            total = max(self.total, self.done) if self.total else None
            self._bar.update(
                self._id, completed=self.done, total=total, rate=f"{rate:,.0f}/s", note=note
            )
        elif now - self._logged >= _LOG_SECONDS:
            self._logged = now
            logging.info(
                "%s: %d %s, %.0f/s%s%s.",
                *(self.task, self.done, self.unit, rate, note, self._left(rate)),
            )

    def _left(self, rate: float) -> str:
        if not self.total or not self.done or self.done >= self.total:
            return ""
        return f", about {(self.total - self.done) / rate:.0f} s left"
