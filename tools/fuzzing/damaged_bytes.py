"""Damage to bytes of any kind: what disks, networks and people do to files."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import numpy as np

from tools.fuzzing.case import Dice, chance, pick

_VALUES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1, 2**40)


def damaged(dice: Dice, data: bytes) -> bytes:
    """The bytes after one, two or more kinds of damage, at places and of sizes at random."""
    count = 0 if dice.is_sound else int(dice.geometric(0.6))
    for _ in range(min(count, 4)):
        data = pick(dice, _DAMAGE)(dice, data)
    return data


def flip(dice: Dice, data: bytes) -> bytes:
    """Flips a bit of some bytes."""
    if not data:
        return data
    changed = bytearray(data)
    for place in dice.integers(len(data), size=int(dice.integers(1, 9))):
        changed[place] ^= 1 << int(dice.integers(8))
    return bytes(changed)


def _overwrite(dice: Dice, data: bytes) -> bytes:
    start, end = _range(dice, data)
    filling = pick(dice, [dice.bytes(end - start), bytes(end - start), b"\xff" * (end - start)])
    return data[:start] + filling + data[end:]


def _set_number(dice: Dice, data: bytes) -> bytes:
    """Puts a number where a length or an offset may be."""
    size = pick(dice, [1, 2, 4, 8])
    value = pick(dice, _VALUES) % (1 << (8 * size))
    start = int(dice.integers(len(data) + 1))
    return data[:start] + value.to_bytes(size, "little") + data[start + size :]


def _cut(dice: Dice, data: bytes) -> bytes:
    return data[: int(dice.integers(len(data) + 1))]


def _cut_start(dice: Dice, data: bytes) -> bytes:
    return data[int(dice.integers(min(len(data), 64) + 1)) :]


def _remove(dice: Dice, data: bytes) -> bytes:
    start, end = _range(dice, data)
    return data[:start] + data[end:]


def _insert(dice: Dice, data: bytes) -> bytes:
    start, end = _range(dice, data)
    return data[:start] + pick(dice, [dice.bytes(end - start), bytes(end - start)]) + data[start:]


def _duplicate(dice: Dice, data: bytes) -> bytes:
    (start, end), place = _range(dice, data), int(dice.integers(len(data) + 1))
    return data[:place] + data[start:end] + data[place:]


def _swap(dice: Dice, data: bytes) -> bytes:
    """Swaps two blocks, which need not be of one size."""
    a, b, c, d = np.sort(dice.integers(len(data) + 1, size=4)).tolist()
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


_DAMAGE: tuple[Callable[[Dice, bytes], bytes], ...] = (
    *(flip, flip, flip, _overwrite, _set_number, _cut, _cut_start),
    *(_remove, _insert, _duplicate, _swap),
)


def other_form(dice: Dice, data: bytes) -> bytes:
    """The bytes in a form that nobody asked for: compressed, of another kind, empty."""
    if dice.is_sound:
        return data
    forms = (
        lambda: gzip.compress(data, mtime=0),
        lambda: gzip.compress(data, mtime=0)[: max(1, len(data) // 3)],
        lambda: b"\xef\xbb\xbf" + data,
        lambda: b"\x89HDF\r\n\x1a\n" + data,
        lambda: b"PK\x03\x04" + data,
        lambda: b"\xff\xfe" + data,
        lambda: dice.bytes(int(dice.integers(1, 300))),
        lambda: bytes(int(dice.integers(1, 300))),
        lambda: b"",
        lambda: b"\n",
        lambda: b"No file.\n" * int(dice.integers(1, 40)),
    )
    return pick(dice, forms)()


def _range(dice: Dice, data: bytes) -> tuple[int, int]:
    """The start and the end of a place, mostly a small one."""
    start = int(dice.integers(len(data) + 1))
    most = len(data) if chance(dice, 0.2) else 16
    return start, min(len(data), start + int(dice.integers(1, max(2, most + 1))))
