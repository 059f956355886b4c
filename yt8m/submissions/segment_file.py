"""The files of 2019: submissions of segments, and the list of the classes they are about.

A submission is `Class,Segments`, then `class,id:start id:start ...`, best first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from yt8m.base.errors import UserError
from yt8m.submissions import video_file

HEADER = "Class,Segments"
# Starts have one spelling, so that a segment has one name.
_SEGMENT = re.compile(r"[^\s,]+:(?:0|[1-9][0-9]*)")


def format_row(class_id: int, segments: Iterable[str]) -> str:
    """Formats one line: the class and its segments, each `id:start`, best first."""
    field = " ".join(segments)
    if '"' in field:
        field = '"' + field.replace('"', '""') + '"'
    return f"{class_id},{field}\n"


def can_be_named(video_id: str) -> bool:
    """Whether a segment of the video has a name in such a file, where spaces and commas part."""
    return _SEGMENT.fullmatch(f"{video_id}:0") is not None


def read_rows(path: str, num_classes: int) -> Iterator[tuple[int, list[str]]]:
    """Reads a submission of segments.

    Args:
        path: the file.
        num_classes: the size of the vocabulary.

    Yields:
        A class and its segments, each `id:start` (seconds), best first.

    Raises:
        UserError: the file cannot be read, a line is not as it should be, a class has two lines
            or a line names a segment twice; it is named.
    """
    seen: set[int] = set()
    for line_number, row in video_file.read_lines(path, HEADER):
        where = f"{path}, line {line_number}"
        if len(row) != 2 or not re.fullmatch(r"\s*[0-9]{1,9}\s*", row[0]):
            shown = ",".join(row)[:80]
            raise UserError(f"{where} must be `class,id:start id:start ...`. Received: {shown!r}.")
        class_id, segments = int(row[0]), row[1].split()
        if class_id >= num_classes:
            raise UserError(f"{where} names class {class_id}, outside 0 to {num_classes - 1}.")
        if class_id in seen:
            raise UserError(f"{where} is the second line of class {class_id}.")
        seen.add(class_id)
        wrong = next((s for s in segments if not _SEGMENT.fullmatch(s)), None)
        if wrong is not None:
            raise UserError(f"{where} must hold segments as id:start. Received: {wrong[:80]!r}.")
        if len(set(segments)) < len(segments):
            raise UserError(f"{where} names a segment twice.")
        yield class_id, segments
