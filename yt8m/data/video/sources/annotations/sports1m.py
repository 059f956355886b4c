"""Sports-1M: https://github.com/gtoderici/sports-1m-dataset, whose README describes the files.

`original/train_partition.txt` and `original/test_partition.txt` have lines of an address and class
numbers, `https://www.youtube.com/watch?v=UDqivjS-lpI 168,169`. The number of a class is the place
of its name in `labels.txt`, from 0.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator

from yt8m.base.errors import UserError
from yt8m.data.video.sources.annotations import lists
from yt8m.data.video.sources.annotations.lists import Line

_FILE = rf"(?P<split>train|test)_partition\.txt{lists.GZIP}"
_LINE = re.compile(r"(\S+)\s+(\d+(?:\s*,\s*\d+)*)")
_INNER = "original"
_LABELS = "labels.txt"


def read(path: str) -> Iterator[Line]:
    """Reads the lists, a file or both of a folder.

    A video is called `ID.mp4` by its YouTube id, which is its group.

    Args:
        path: the file, or the folder of the lists, or the one above with `labels.txt`.

    Raises:
        UserError: a list cannot be read or has another form, or the names of the classes are not
            there.
    """
    inner = os.path.join(os.path.expanduser(path), _INNER)
    path = inner if os.path.isdir(inner) else path
    for file, match in lists.files(path, _FILE, "train_partition.txt"):
        names = _read_labels(file)
        for where, line in lists.lines(file):
            if line:
                video, numbers = _parse(line, where)
                if max(numbers) >= len(names):
                    raise UserError(
                        f"{where} has the class {max(numbers)}, of the {len(names)} in {_LABELS}."
                    )
                labels = tuple(names[number] for number in numbers)
                yield Line(video, ((video, None),), labels, video, match["split"])


def _parse(line: str, where: str) -> tuple[str, list[int]]:
    match = _LINE.fullmatch(line)
    video = ""
    if match:
        try:
            query = urllib.parse.urlsplit(match[1]).query
        except ValueError:  # Such as of brackets that do not fit.
            query = ""
        video = urllib.parse.parse_qs(query).get("v", [""])[0]
    if match is None or not video:
        raise UserError(
            f"{where} must be an address with v=ID and numbers of classes, as in "
            f"https://www.youtube.com/watch?v=UDqivjS-lpI 168,169. Received: {line[:80]!r}."
        )
    return video, [int(number) for number in match[2].split(",")]


def _read_labels(path: str) -> list[str]:
    """The names of the classes, from beside a list or from the folder above."""
    folder = os.path.dirname(os.path.abspath(path))
    file = lists.beside(path, _LABELS) or lists.beside(folder, _LABELS)
    if file is None:
        raise UserError(
            f"{_LABELS} is neither beside {path} nor in the folder above. Put it there."
        )
    return [line for _, line in lists.lines(file)]
