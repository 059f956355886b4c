"""Charades: https://prior.allenai.org/projects/charades, whose README describes the files.

`Charades_v1_train.csv` and `Charades_v1_test.csv` have a row for each video. Its column `actions`
holds classes with their times, which overlap: `c092 11.90 21.20;c147 0.00 12.60`. Names of classes
are in `Charades_v1_classes.txt`: `c000 Holding some clothes`. No subject is in both lists. Of the
66,500 actions 19,623 end behind the end of their video, and seven before they begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.video.sources.annotations import lists
from yt8m.data.video.sources.annotations.lists import Line

_FILE = rf"(?P<stem>.+)_(?P<split>train|test)\.csv{lists.GZIP}"
_CLASS = re.compile(r"(c\d+)\s+(.+)")
_ACTION = re.compile(r"(c\d+) (\S+) (\S+)")


def read(path: str) -> Iterator[Line]:
    """Reads the lists, a file or both of a folder.

    An action is a part of its video, and its label is the name of its class where the list of
    classes is beside, else `c000`. A video without actions is one without labels. The group is the
    subject, the person who is seen.

    Args:
        path: the file or the folder.

    Raises:
        UserError: a list cannot be read or has another form.
    """
    backward: list[str] = []
    for file, match in lists.files(path, _FILE, "Charades_v1_train.csv"):
        names = _read_classes(file, match["stem"])
        for where, row in lists.rows(file, ("id", "subject", "actions")):
            if not row["id"] or not row["subject"]:
                raise UserError(f"{where} must name a video and its subject.")
            yield from _actions(row, names, match["split"], where, backward)
    lists.warn_of_backward(backward)


def _actions(
    row: dict[str, str], names: Mapping[str, str], split: str, where: str, backward: list[str]
) -> Iterator[Line]:
    """The actions of a video; those that end before they begin are added to a list."""
    video, group = row["id"], row["subject"]
    if not row["actions"]:
        yield Line(video, ((video, None),), (), group, split)
        return
    for action in row["actions"].split(";"):
        match = _ACTION.fullmatch(action.strip())
        if match is None or (names and match[1] not in names):
            raise UserError(
                f"{where}: an action must be a class of the data set and two times, as in c092 "
                f"11.90 21.20. Received: {action[:80]!r}."
            )
        span = lists.span(match[2], match[3], where)
        if span is None:
            backward.append(f"{video} {action.strip()}")
            continue
        yield Line(video, ((video, span),), (names.get(match[1], match[1]),), group, split)


def _read_classes(path: str, stem: str) -> dict[str, str]:
    """The names of the classes by their codes; none where the list of classes is not there."""
    file = lists.beside(path, f"{stem}_classes.txt")
    if file is None:
        logging.info("%s_classes.txt is not beside %s: labels are codes.", stem, path)
        return {}
    names: dict[str, str] = {}
    for where, line in lists.lines(file):
        match = _CLASS.fullmatch(line)
        if line and (match is None or match[1] in names):
            raise UserError(
                f"{where} must be the code and the name of another class, as in c000 Holding some "
                f"clothes. Received: {line[:80]!r}."
            )
        if match:
            names[match[1]] = match[2]
    return names
