"""A manifest lists videos: a CSV file `path,label,group[,split]`. Needs no TensorFlow."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import os
from collections.abc import Iterable, Iterator

from yt8m.base.errors import UserError

NEEDED = ("path", "label", "group")
SPLIT = "split"
SEPARATOR = ";"


@dataclasses.dataclass(frozen=True)
class Video:
    """A line of a manifest.

    Attributes:
        id: the path as it stands in the manifest.
        path: one that can be opened.
        labels: the names of its classes; none where they are to be found out.
        group: what it shares with the videos from the same source, which belong together in
            training or in evaluation.
        split: such as `train`; empty where the manifest has none.
    """

    id: str
    path: str
    labels: tuple[str, ...]
    group: str
    split: str


def read(path: str) -> list[Video]:
    """Reads a manifest.

    Its first line names the columns, in any order. Labels are separated by `;`. A video without a
    group is one of its own. A path that is relative is so to the folder of the manifest.

    Raises:
        UserError: the file cannot be read, a line is not as it should be, or there are no videos.
    """
    folder = os.path.dirname(os.path.abspath(os.path.expanduser(path)))
    videos: list[Video] = []
    lines: dict[str, int] = {}
    for line, row in _read_rows(path):
        video = _video(row, folder, f"{path}, line {line}")
        real = os.path.normpath(video.path)
        if real in lines:
            raise UserError(
                f"{path} names {video.id} twice, in line {lines[real]} and line {line}. "
                "Leave one of them out; several labels are separated by `;`."
            )
        lines[real] = line
        videos.append(video)
    if not videos:
        raise UserError(f"{path} holds no videos: there is no line below its header.")
    _check_splits(path, videos)
    return videos


def names(videos: Iterable[Video]) -> tuple[str, ...]:
    """The names of all labels of some videos, sorted."""
    return tuple(sorted({label for video in videos for label in video.labels}))


def summary(videos: list[Video]) -> str:
    """How many videos, groups and classes there are, in all and on a line for each split."""
    lines = [_count(videos)]
    for split in dict.fromkeys(video.split for video in videos if video.split):
        lines.append(f"  {split}: {_count([video for video in videos if video.split == split])}")
    return "\n".join(lines)


def _count(videos: list[Video]) -> str:
    groups = len({video.group for video in videos})
    return f"{len(videos)} videos, {groups} groups, {len(names(videos))} classes"


def select(videos: list[Video], split: str) -> list[Video]:
    """The videos of a split.

    Raises:
        UserError: there are none; names the splits that there are.
    """
    found = [video for video in videos if video.split == split]
    if not found:
        splits = ", ".join(sorted({video.split for video in videos} - {""}))
        there = f"Its splits are: {splits}." if splits else f"It has no column {SPLIT}."
        raise UserError(f"The manifest has no video of the split {split!r}. {there}")
    return found


def _check_splits(path: str, videos: list[Video]) -> None:
    first: dict[str, Video] = {}
    for video in videos:
        other = first.setdefault(video.group, video)
        if other.split != video.split:
            raise UserError(
                f"{path}: the group {video.group!r} is in two splits: {other.id} is in "
                f"{other.split!r} and {video.id} in {video.split!r}. Videos of a group come from "
                "one source: keep them in one split."
            )


def _video(row: dict[str, str], folder: str, where: str) -> Video:
    given = row["path"]
    if not given:
        raise UserError(f"{where} has an empty path. Name a video file.")
    if "://" in given:
        raise UserError(f"{where}: {given} is no local file. Copy the video, and name the copy.")
    labels = [label.strip() for label in row["label"].split(SEPARATOR)]
    opened = os.path.join(folder, os.path.expanduser(given))
    return Video(
        id=given,
        path=opened,
        labels=tuple(dict.fromkeys(filter(None, labels))),
        group=row["group"] or os.path.normpath(opened),
        split=row.get(SPLIT, ""),
    )


def _read_rows(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line below the header, and its fields by the names of the columns."""
    with _opened(path) as opened:
        rows = _text(path, opened)
        header = [name.strip() for name in next(rows, [])]
        _check_header(path, header)
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{path}, line {opened.line_num} must have {len(header)} fields, as its "
                    f"header. Received: {','.join(row)[:80]!r}. Put a field with a comma in quotes."
                )
            fields = (field.strip() for field in row)
            yield opened.line_num, dict(zip(header, fields, strict=True))


def _text(path: str, rows: Iterable[list[str]]) -> Iterator[list[str]]:
    for row in rows:
        if any("\0" in field for field in row):
            raise UserError(
                f"{path} holds bytes of 0: it is UTF-16, or no text. Save it as CSV in UTF-8."
            )
        yield row


def _check_header(path: str, header: list[str]) -> None:
    allowed = (*NEEDED, SPLIT)
    received = f"Received: {','.join(header)[:80]!r}."
    rule = f"Its first line must name the columns {','.join(NEEDED)} and, if wanted, {SPLIT}."
    if not set(header) & set(allowed):
        raise UserError(f"{path} has no header. {rule} {received}")
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}. {rule} {received}")
    other = [name for name in header if name not in allowed]
    if other:
        raise UserError(f"{path} has an unknown column: {', '.join(other)}. {rule} {received}")
    if len(set(header)) < len(header):
        raise UserError(f"{path} has a column twice. {rule} {received}")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Iterator[list[str]]]:
    try:
        with open(
            os.path.expanduser(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as file:
            yield csv.reader(file, strict=True)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}. Name a manifest.") from None
    except csv.Error as error:
        raise UserError(f"Cannot read {path} as CSV: {error}.") from None
