"""The letters that charts and films are written in. Subtitles are written by who shows them."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable

import matplotlib
from matplotlib import ft2font

from yt8m.base.errors import on_one_line

FONT = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
NAME = "DejaVu Sans"


def printable(text: str) -> str:
    r"""The text on one line, with a sign in place of bytes that are no UTF-8.

    >>> printable("a\nb \udcff")
    'a\\nb �'
    """
    return on_one_line(text).encode(errors="surrogateescape").decode(errors="replace")


def missing(names: Iterable[str]) -> str:
    """The letters that the font does not have, each once: in their place stand boxes.

    >>> missing(["Ärger", "قط", "猫 or cat", "猫"])
    '猫'
    """
    known = _known()
    return "".join(
        c for c in dict.fromkeys("".join(names)) if c.isprintable() and ord(c) not in known
    )


@functools.cache
def _known() -> frozenset[int]:
    return frozenset(ft2font.FT2Font(FONT).get_charmap())
