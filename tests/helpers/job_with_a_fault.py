"""A job that writes two lines to a file, and does it wrong: what `tools.kill` must see."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from yt8m.base import files, interruption, temporaries


def soundly(path: str) -> None:
    """As a job should."""
    with files.atomic_file(path) as file:
        file.write("one\ntwo\n")


def in_place(path: str) -> None:
    """Under the name that only the whole file should have."""
    for mode, line in (("w", "one\n"), ("a", "two\n")):
        with open(path, mode, encoding="utf-8") as file:
            file.write(line)


def after_the_old_one_is_gone(path: str) -> None:
    """The old file is lost where the new one does not come."""
    Path(path).unlink(missing_ok=True)
    soundly(path)


def with_a_leftover(path: str) -> None:
    """A temporary file stays."""
    Path(temporaries.name(path)).touch()
    soundly(path)


def with_a_memory(path: str) -> None:
    """Started again, it writes something else."""
    started = Path(f"{path}.started")
    again = started.exists()
    started.touch()
    with files.atomic_file(path) as file:
        file.write("three\n" if again else "one\ntwo\n")


def only_once(path: str) -> None:
    """Started again, it fails."""
    if Path(f"{path}.started").exists():
        sys.exit(3)
    with_a_memory(path)


def never_over_another(path: str) -> None:
    """It refuses a file that is there."""
    if Path(path).exists():
        sys.exit(3)
    soundly(path)


def deaf(path: str) -> None:
    """Asked to end, it does not."""
    with files.atomic_file(path):
        signal.signal(signal.SIGTERM, lambda *_: time.sleep(600))
    soundly(path)


def silent(path: str) -> None:
    """Asked to end, it does without a word."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    soundly(path)


def loud(path: str) -> None:
    """Asked to end, it fails as a bug does."""

    def fail(number: int, frame: object) -> None:
        raise ValueError("odd")

    signal.signal(signal.SIGTERM, fail)
    soundly(path)


_HOWS = (
    soundly,
    in_place,
    after_the_old_one_is_gone,
    with_a_leftover,
    with_a_memory,
    only_once,
    never_over_another,
    deaf,
    silent,
    loud,
)
HOWS = {how.__name__: how for how in _HOWS}


def main() -> None:
    """Writes the file that is named last, as is named first; ends as `yt8m.base.jobs` does."""
    how, path = sys.argv[1:]
    try:
        with interruption.handled():
            HOWS[how](path)
    except interruption.Interrupted as error:
        print(f"Ended by {signal.Signals(error.number).name}.", file=sys.stderr)
        sys.exit(error.status)


if __name__ == "__main__":
    main()
