"""ActivityNet 1.2 and 1.3: http://activity-net.org/download.html.

One JSON file. Its `database` has for each video the `subset`, `training`, `validation` or
`testing`, and `annotations`, each with a `segment` in seconds and a `label`; those of `testing` are
held back. Its `taxonomy` has the classes in a tree: `nodeId`, `nodeName`, `parentId`, `parentName`.
The file of a video is called by it, or by `v_` and it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from yt8m.base.errors import UserError
from yt8m.data.video.sources.annotations import lists
from yt8m.data.video.sources.annotations.lists import Line


def read(path: str, level: int | None) -> Iterator[Line]:
    """Reads the list. A segment is a part of its video; the group is the video.

    Args:
        path: the file, or a folder with one .json file.
        level: of the tree, from 1 below its root, whose names are the labels; None takes those of
            the annotations. A class that is higher than that keeps its name.

    Raises:
        UserError: the list cannot be read, has another form, or its tree has not so many levels.
    """
    found = lists.files(path, r".+\.json", "activity_net.v1-3.min.json")
    if len(found) > 1:
        raise UserError(
            f"{path} holds several .json files, such as {found[0][0]} and {found[1][0]}. Name one."
        )
    file = found[0][0]
    values = lists.read_object(file)
    names = None if level is None else _Names(values, file, level)
    backward: list[str] = []
    for video, about in lists.field(values, "database", dict, file).items():
        yield from _segments(video, about, names, f"{file}, {video}", backward)
    lists.warn_of_backward(backward)


def _segments(
    video: str, about: Any, names: _Names | None, where: str, backward: list[str]
) -> Iterator[Line]:
    """The segments of a video; those that end before they begin are added to a list."""
    split = lists.field(about, "subset", str, where)
    annotations = lists.field(about, "annotations", list, where)
    stems = (f"v_{video}", video)
    if not annotations:
        yield Line(video, tuple((stem, None) for stem in stems), (), video, split)
    for annotation in annotations:
        label = lists.field(annotation, "label", str, where)
        times = lists.field(annotation, "segment", list, where)
        if len(times) != 2:
            raise UserError(f"{where}: a segment must be two times. Received: {str(times)[:80]}.")
        span = lists.span(*map(str, times), where)
        if span is None:
            backward.append(f"{video} {times}")
            continue
        if names is not None:
            label = names.of(label, where)
        yield Line(video, tuple((stem, span) for stem in stems), (label,), video, split)


class _Names:
    """What the classes are called at a level of the tree.

    Args:
        values: of the file.
        path: of the file.
        level: from 1, below the root.

    Raises:
        UserError: there is no such tree, or it has not so many levels.
    """

    def __init__(self, values: dict[str, Any], path: str, level: int):
        where = f"A node of the taxonomy of {path}"
        self._path = path
        self._names: dict[str, str] = {}
        self._depths: dict[str, int] = {}
        nodes: dict[int, tuple[str, int | None]] = {}
        for node in lists.field(values, "taxonomy", list, path):
            number = lists.field(node, "nodeId", int, where)
            parent = node.get("parentId")
            parent = parent if isinstance(parent, int) else None
            nodes[number] = lists.field(node, "nodeName", str, where), parent
        deepest = 0
        for number, (name, _) in nodes.items():
            below = self._below_root(nodes, number)
            deepest = max(deepest, len(below))
            # A class is a leaf: where a node above has the same name, the deeper one is meant.
            if below and len(below) >= self._depths.get(name, 0):
                self._depths[name] = len(below)
                self._names[name] = below[min(level, len(below)) - 1]
        if level > deepest:
            raise UserError(
                f"The taxonomy of {path} has {deepest} levels below its root. "
                f"Received: --taxonomy_level={level}."
            )

    def of(self, label: str, where: str) -> str:
        """The name of a class at the level.

        Raises:
            UserError: the tree does not hold it.
        """
        if label not in self._names:
            raise UserError(f"{where}: the taxonomy of {self._path} has no class {label!r}.")
        return self._names[label]

    def _below_root(self, nodes: dict[int, tuple[str, int | None]], number: int) -> list[str]:
        """The names of a node and of those above it, without the root, from the top."""
        names: list[str] = []
        seen: set[int] = set()
        place: int | None = number
        while place is not None and place in nodes:
            if place in seen:
                raise UserError(f"The taxonomy of {self._path} goes round in a circle at {place}.")
            seen.add(place)
            name, place = nodes[place]
            names.append(name)
        return names[-2::-1]
