"""Answers as text, CSV and JSON."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from yt8m.base import files
from yt8m.base.errors import UserError, on_one_line
from yt8m.prediction.answers import Answer, Named, Naming

CSV, JSON = ".csv", ".json"


def check_ending(path: str) -> None:
    """Fails where a file of answers has no ending that says what it is to be.

    Raises:
        UserError: it has another.
    """
    if not path.lower().endswith((CSV, JSON)):
        raise UserError(f"--output_file must end in {CSV} or {JSON}. Received: {path}.")


def show(answer: Answer, naming: Naming) -> str:
    """The best classes of a video, one a line, below its path, whatever is in their names."""
    lines = [f"  {named.score:.4f}  {named.name}" for named in naming.best(answer.scores)]
    return "\n".join(on_one_line(line) for line in [answer.video, *lines])


def describe(answer: Answer, naming: Naming) -> dict[str, Any]:
    """What is kept of an answer until `write`: the best classes of the video and of each window."""
    timeline = [
        {"start": window.start, "end": window.end, "classes": _classes(naming.best(scores))}
        for window, scores in zip(answer.windows, answer.window_scores, strict=True)
    ]
    values = {"video": answer.video, "seconds": answer.duration}
    values |= {"classes": _classes(naming.best(answer.scores))}
    return values | ({"timeline": timeline} if timeline else {})


def write(path: str, videos: Sequence[dict[str, Any]], settings: dict[str, Any]) -> None:
    """Writes answers as a table or as JSON, by the ending of the file, see `check_ending`.

    A CSV has a line a video and class. JSON has also the length of each video and, where there are
    windows, the classes of each.

    Args:
        path: the file; it appears when it is whole.
        videos: see `describe`.
        settings: what they were made by, for the JSON.

    Raises:
        UserError: the file cannot be written.
    """
    if path.lower().endswith(JSON):
        files.write_json(path, settings | {"videos": videos})
        return
    with files.atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video", *_COLUMNS])
        for video in videos:
            for row in _rows(video["classes"]):
                writer.writerow([video["video"], *row])


def write_timeline(path: str, answer: Answer, naming: Naming) -> None:
    """Writes the best classes of each window as a CSV, `start` and `end` in seconds.

    Raises:
        UserError: the file cannot be written.
    """
    with files.atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["start", "end", *_COLUMNS])
        for window, scores in zip(answer.windows, answer.window_scores, strict=True):
            times = [f"{window.start:.3f}", f"{window.end:.3f}"]
            for row in _rows(_classes(naming.best(scores))):
                writer.writerow([*times, *row])


_COLUMNS = ("rank", "class", "name", "score")


def _rows(classes: Sequence[dict[str, Any]]) -> list[tuple]:
    return [
        (rank, found["class"], found["name"], f"{found['score']:.6g}")
        for rank, found in enumerate(classes, start=1)
    ]


def _classes(best: Sequence[Named]) -> list[dict[str, Any]]:
    return [{"class": n.number, "name": n.name, "score": n.score} for n in best]
