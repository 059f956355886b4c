"""Damage to texts: other encodings and line ends, odd letters, tables with other cells."""

from __future__ import annotations

import gzip

from tools.fuzzing import damaged_bytes
from tools.fuzzing.case import Dice, chance, pick

_ODD = (
    *("", " ", "\t", ",", ";", '"', '""', "'", "\\", "\x00", "\r", "\n", "\u2028", "\ufeff", "é"),
    *("\U0001f600", "nan", "inf", "-inf", "1e999", "-1", "0", "1.5", "٣", "0x10", "1_000", "+1"),
    *("99999999999999999999", "None", "True", "#", "=1+1", "../x", "/", "~", "x" * 300, ":" * 9),
)
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp037", "utf-7")
_LINE_ENDS = ("\r\n", "\r", "\n\n", "\x0b", "\u2028", "\x00\n", " \n")


def damaged_text(dice: Dice, data: bytes) -> bytes:
    """The bytes of a text after some damage at random: to its cells, its lines or its bytes."""
    count = 0 if dice.is_sound else int(dice.geometric(0.6))
    for _ in range(min(count, 3)):
        data = pick(dice, (_cells, _cells, _cells, _lines, _lines, _form, damaged_bytes.damaged))(
            dice, data
        )
    return data


def _cells(dice: Dice, data: bytes) -> bytes:
    """Changes a word of a line: replaces it, adds to it, or takes it away."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    row = int(dice.integers(len(lines)))
    separator = pick(dice, [",", " ", ":", ";"])
    cells = lines[row].split(separator)
    column = int(dice.integers(len(cells)))
    odd, cell = pick(dice, _ODD), cells[column]
    place = int(dice.integers(len(cell) + 1))
    replaced = pick(
        dice, [[odd], [cell[:place] + odd + cell[place:]], [], [cell, cell], [cell, odd]]
    )
    lines[row] = separator.join([*cells[:column], *replaced, *cells[column + 1 :]])
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _lines(dice: Dice, data: bytes) -> bytes:
    """Removes, repeats, moves or empties a line."""
    lines = data.split(b"\n")
    row, other = (int(dice.integers(len(lines))) for _ in range(2))
    line = lines[row]
    action = pick(dice, ["remove", "repeat", "move", "empty", "all twice", "many"])
    if action == "remove":
        del lines[row]
    elif action == "repeat":
        lines.insert(other, line)
    elif action == "move":
        lines.insert(other, lines.pop(row))
    elif action == "empty":
        lines[row] = b""
    elif action == "all twice":
        lines += lines
    else:
        lines[row] = pick(dice, [b",", b" ", b'"', b"1 "]) * 2000
    return b"\n".join(lines)


def _form(dice: Dice, data: bytes) -> bytes:
    """Another encoding, other line ends, compressed, or no such file at all."""
    text = data.decode("utf-8", "replace")
    if chance(dice, 0.4):
        return text.encode(pick(dice, _ENCODINGS), "replace")
    if chance(dice, 0.5):
        return text.replace("\n", pick(dice, _LINE_ENDS)).encode()
    if chance(dice, 0.3):
        return gzip.compress(data, mtime=0)
    return damaged_bytes.other_form(dice, data)
