"""Damage to zip archives: Keras' model files and NumPy's .npz."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from tools.fuzzing import damaged_bytes
from tools.fuzzing.case import Dice, chance, pick
from tools.fuzzing.damaged_values import damaged_json


def damaged_zip(dice: Dice, data: bytes) -> bytes:
    """An archive with its bytes damaged, or with a member changed and the checksums right."""
    if dice.is_sound or chance(dice, 0.3):
        return damaged_bytes.damaged(dice, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = pick(dice, members)
    action = pick(dice, ["change", "change", "change", "change", "remove", "rename", "more"])
    if action == "change":
        members[name] = _damage_of(name)(dice, members[name])
    elif action == "remove":
        del members[name]
    elif action == "rename":
        members[pick(dice, ["../x", "/x", f"{name}x", "", "é"])] = members.pop(name)
    else:
        members["more/" + name] = members[name]
    return written(dice, members)


def written(dice: Dice, members: dict[str, bytes]) -> bytes:
    """An archive of members, compressed or not."""
    target = io.BytesIO()
    method = pick(dice, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def _damage_of(name: str) -> Callable[[Dice, bytes], bytes]:
    if name.endswith(".json"):
        return damaged_json
    return damaged_npy if name.endswith(".npy") else damaged_bytes.damaged


def damaged_npy(dice: Dice, data: bytes) -> bytes:
    """A .npy file with its bytes damaged, or of another array: other values, type or shape."""
    if chance(dice, 0.3):
        return damaged_bytes.damaged(dice, data)
    if chance(dice, 0.3):
        return _with_header(dice, data)
    array = np.load(io.BytesIO(data), allow_pickle=False)
    others = (
        lambda: array.ravel(),
        lambda: array[None],
        lambda: array[:0],
        lambda: array[:-1] if array.ndim else array,
        lambda: np.concatenate([array, array]) if array.ndim else array,
        lambda: array.T,
        lambda: array[::-1] if array.ndim else array,
        lambda: array.astype(pick(dice, ["S3", "U3", "?", "c8"])),
        lambda: array.astype("U").astype(object),
        lambda: np.zeros(array.shape, pick(dice, ["f2", "f8", "i1", "u8", "M8[s]", "V4"])),
        lambda: _with_odd_value(dice, array),
        lambda: _with_odd_value(dice, array),
        lambda: np.array(pick(dice, [0, -1, 2**40, np.nan, "x"])),
    )
    target = io.BytesIO()
    try:
        np.save(target, pick(dice, others)(), allow_pickle=True)
    except (ValueError, TypeError):  # There is no such array of this one.
        return damaged_bytes.damaged(dice, data)
    return target.getvalue()


def _with_odd_value(dice: Dice, array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    odd = {"f": [np.nan, np.inf, -1, 2, 1e-30], "i": [-2, -1, 5, 100], "u": [0, 1]}
    values = odd.get(array.dtype.kind, [changed.flat[0]] if changed.size else [0])
    if changed.size:
        changed.flat[int(dice.integers(changed.size))] = pick(dice, values)
    return changed


def _with_header(dice: Dice, data: bytes) -> bytes:
    """A .npy file whose header says something else of the same values."""
    (length,) = struct.unpack_from("<H", data, 8)
    header = data[10 : 10 + length].decode("latin-1").strip()
    before, _, after = header.partition("'shape': ")
    shape = pick(
        dice,
        ["(10000000000,)", "(-1,)", "()", "(0, 5)", "(2,)", "(4611686018427387904, 4)", "None"],
    )
    new = pick(
        dice,
        [
            f"{before}'shape': {shape}, }}",
            header.replace("False", "True"),
            header.replace("<", ">"),
            header.replace("descr", "dscr"),
            header[:-3],
            header + "x" * 20_000,
            "(" * 500,
        ],
    ).encode("latin-1")
    return data[:8] + struct.pack("<H", len(new)) + new + data[10 + length :]
