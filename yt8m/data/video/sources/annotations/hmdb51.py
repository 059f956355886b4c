"""The three splits of HMDB51, of its archive `test_train_splits.rar`.

See https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/.

For each class and split a file `brush_hair_test_split1.txt`, whose lines are a clip and 1 (it is
trained on), 2 (it is tested on) or 0 (it is neither):
`April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1`. Before the class in the name of a clip stands its
source. In every split the clips of a source that are of one class are on one side. Of the 1352
sources of the first split 133 have clips on both sides, each time of different classes, so a source
and a class together are a group.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from yt8m.base.errors import UserError
from yt8m.data.video.sources.annotations import lists
from yt8m.data.video.sources.annotations.lists import Line

SPLITS = (1, 2, 3)
_FILE = rf"(?P<label>.+)_test_split(?P<split>[123])\.txt{lists.GZIP}"
_SIDES = {"1": "train", "2": "test", "0": ""}


def read(path: str, split: int) -> Iterator[Line]:
    """Reads the lists of a split.

    Args:
        path: the folder of the files of all classes, or the file of one.
        split: 1, 2 or 3.

    Raises:
        UserError: a list cannot be read or has another form, or there is none of the split.
    """
    example = f"brush_hair_test_split{split}.txt"
    found = [
        (file, match["label"])
        for file, match in lists.files(path, _FILE, example)
        if int(match["split"]) == split
    ]
    if not found:
        raise UserError(f"{path} holds no list of split {split}: one is called {example}.")
    seen: dict[str, str] = {}
    for file, label in found:
        for where, line in lists.lines(file):
            if not line:
                continue
            name, _, side = line.rpartition(" ")
            if side not in _SIDES or not name.lower().endswith(".avi"):
                raise UserError(
                    f"{where} must be a clip and 0, 1 or 2, as in NAME.avi 1. "
                    f"Received: {line[:80]!r}."
                )
            if name in seen:
                raise UserError(f"{where} names a clip again that {seen[name]} has named: {name}.")
            seen[name] = where
            if _SIDES[side]:
                yield _line(name, label, _SIDES[side])


def _line(name: str, label: str, split: str) -> Line:
    stem = os.path.splitext(name)[0]
    source = re.match(rf"(.+?)_{re.escape(label)}_[fuhl]_[cn]m_np", stem)
    group = f"{label}/{source[1] if source else stem}"
    return Line(name, ((stem, None),), (label,), group, split)
