"""A manifest lists videos: a CSV file `path,label,group[,split][,start,end]`. Needs no TensorFlow.

A line with times is a part of its file, and an example of its own: a file may stand on several
lines, each with other times. `docs/datasets.md` tells users of it.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator

from yt8m.base.errors import UserError
from yt8m.data.video import spans
from yt8m.data.video.spans import Span

NEEDED = ("path", "label", "group")
SPLIT = "split"
TIMES = ("start", "end")
SEPARATOR = ";"


@dataclasses.dataclass(frozen=True)
class Video:
    """A line of a manifest.

    Attributes:
        id: the path as it stands in the manifest, and behind it the times, see `Span.fragment`.
        path: one that can be opened.
        labels: the names of its classes; none where they are to be found out.
        group: what it shares with the videos from the same source, which belong together in
            training or in evaluation.
        split: such as `train`; empty where the manifest has none.
        span: the part of the file; None for the whole.
    """

    id: str
    path: str
    labels: tuple[str, ...]
    group: str
    split: str
    span: Span | None = None

    @functools.cached_property
    def file(self) -> str:
        """What is equal of lines about one file."""
        return os.path.normpath(self.path)


def read(path: str) -> list[Video]:
    """Reads a manifest.

    Its first line names the columns, in any order. Labels are separated by `;`. A video without a
    group is one of its own. A path that is relative is so to the folder of the manifest. Times are
    in seconds. Labels are those of the line alone, see `with_all_labels`.

    Raises:
        UserError: the file cannot be read, a line is not as it should be, or there are no videos.
    """
    folder = os.path.dirname(os.path.abspath(os.path.expanduser(path)))
    videos: list[Video] = []
    once = _Once(path)
    for line, row in _read_rows(path):
        video = _video(row, folder, f"{path}, line {line}")
        once.check(video, line)
        videos.append(video)
    if not videos:
        raise UserError(f"{path} holds no videos: there is no line below its header.")
    check_groups(path, videos)
    return videos


class _Once:
    """Sees to it that the lines of a manifest can be told apart.

    Args:
        path: of the manifest, for errors.
    """

    def __init__(self, path: str):
        self._path = path
        self._files: dict[str, tuple[int, Video]] = {}
        self._parts: dict[tuple, int] = {}
        self._ids: dict[str, int] = {}

    def check(self, video: Video, line: int) -> None:
        """Fails for a line that names what another one names.

        Raises:
            UserError: it does, or names a whole file of which others name parts, or the other way
                round.
        """
        first, other = self._files.setdefault(video.file, (line, video))
        if (video.span is None) != (other.span is None):
            raise UserError(
                f"{self._path} names {video.id} in line {line} and {other.id} in line {first}: all "
                "lines of a file have times, or it has a single line without."
            )
        key = video.file, video.span and video.span.key
        known = self._parts.setdefault(key, line)
        if known != line:
            raise UserError(
                f"{self._path} names {video.id} twice, in line {known} and line {line}. "
                "Leave one of them out; several labels are separated by `;`."
            )
        known = self._ids.setdefault(video.id, line)
        if known != line:
            raise UserError(
                f"{self._path}, line {known} and line {line} are both called {video.id}. Write one "
                "of the paths in another way, such as with ./ before it."
            )


def with_all_labels(videos: list[Video]) -> list[Video]:
    """The videos, each part of a file with the labels of the others in which its middle lies.

    Where parts of a file overlap, more than one thing is going on. See `Span.middle`.
    """
    files: dict[str, list[int]] = defaultdict(list)
    for number, video in enumerate(videos):
        if video.span is not None:
            files[video.file].append(number)
    found = list(videos)
    for numbers in files.values():
        own = [videos[number] for number in numbers]
        parts = [video.span for video in own if video.span is not None]
        for place, labels in spans.labels_at_middles(parts, [video.labels for video in own]):
            together = tuple(dict.fromkeys([*own[place].labels, *sorted(labels)]))
            found[numbers[place]] = dataclasses.replace(own[place], labels=together)
    return found


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


def check_groups(path: str, videos: list[Video]) -> None:
    """Fails where a group is torn apart, or one file is in two groups.

    Args:
        path: of the list that names the videos, for the error.
        videos: with their groups and splits.

    Raises:
        UserError: names two videos that do not fit together.
    """
    first: dict[str, Video] = {}
    files: dict[str, Video] = {}
    for video in videos:
        other = files.setdefault(video.file, video)
        if other.group != video.group:
            raise UserError(
                f"{path}: {other.id} is of the group {other.group!r} and {video.id} of "
                f"{video.group!r}. All parts of a file are of one group."
            )
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
    span = _span(row, where)
    return Video(
        id=given + (span.fragment if span else ""),
        path=opened,
        labels=tuple(dict.fromkeys(filter(None, labels))),
        group=row["group"] or os.path.normpath(opened),
        split=row.get(SPLIT, ""),
        span=span,
    )


def _span(row: dict[str, str], where: str) -> Span | None:
    texts = [row.get(name, "") for name in TIMES]
    if not any(texts):
        return None
    try:
        return Span(*map(spans.parse_seconds, texts))
    except ValueError:
        raise UserError(
            f"{where}: start and end must be seconds from 0 on, the end behind the start; an empty "
            f"one is that of the file. Received: {','.join(texts)[:80]!r}."
        ) from None


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
    allowed = (*NEEDED, SPLIT, *TIMES)
    received = f"Received: {','.join(header)[:80]!r}."
    wanted = ", ".join(allowed[len(NEEDED) :])
    rule = f"Its first line must name the columns {','.join(NEEDED)} and, if wanted, {wanted}."
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
