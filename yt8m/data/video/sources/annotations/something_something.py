"""Something-Something, version 2.

See https://www.qualcomm.com/developer/software/something-something-v-2-dataset.

`something-something-v2-train.json`, `-validation.json` and `-test.json` are lists of videos, in
later releases called `train.json` and so on: `id`, and but for the test split `label`, a sentence,
`template`, the sentence with `[something]` for the things in it, and `placeholders`, the things.
`something-something-v2-labels.json` gives the templates, without brackets, numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from yt8m.base.errors import UserError
from yt8m.data.video.sources.annotations import lists
from yt8m.data.video.sources.annotations.lists import Line

_FILE = r"(?P<prefix>something-something-v2-)?(?P<split>train|validation|test)\.json"


def read(path: str) -> Iterator[Line]:
    """Reads the lists, a file or those of a folder.

    The label is the template without its brackets. Nothing tells who filmed a video, so each is a
    group of its own.

    Args:
        path: the file or the folder.

    Raises:
        UserError: a list cannot be read, has another form, or a template is none of the labels that
            are beside it.
    """
    for file, match in lists.files(path, _FILE, "something-something-v2-train.json"):
        known = lists.beside(file, f"{match['prefix'] or ''}labels.json")
        templates = None if known is None else lists.read_object(known)
        for number, video in enumerate(lists.read_list(file), 1):
            where = f"{file}, video {number}"
            name = _name(video, where)
            labels: tuple[str, ...] = ()
            if match["split"] != "test" or "template" in video:
                template = lists.field(video, "template", str, where)
                labels = (template.replace("[", "").replace("]", "").strip(),)
                if templates is not None and labels[0] not in templates:
                    raise UserError(f"{where}: {labels[0]!r} is no template of {known}.")
            yield Line(name, ((name, None),), labels, name, match["split"])


def _name(video: object, where: str) -> str:
    if isinstance(video, dict) and isinstance(video.get("id"), int):
        return str(video["id"])
    return lists.field(video, "id", str, where)
