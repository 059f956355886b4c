"""State dicts of PyTorch, as zip files and as it wrote them before 1.6. Needs no PyTorch.

Reference:
    `torch/serialization.py` of PyTorch: the two forms.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from yt8m.base import archives
from yt8m.conversion.weight_files import pickles
from yt8m.conversion.weight_files.arrays import array_of, flat, numpy_array, shown
from yt8m.conversion.weight_files.pickles import Call, Name, Outside

# What the first of the pickles of an old file holds.
MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_REBUILD_TENSOR = "torch._utils._rebuild_tensor"
# Where a training keeps its weights, among other things, which are passed over.
_STATE_DICT = "state_dict"
_MOST_STORAGES = 100_000
_Storages = Callable[[str], bytes]


def read_zip(path: str) -> dict[str, np.ndarray]:
    """The tensors of a zip file by name.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or asks for anything but tensors.
    """
    size = os.path.getsize(path)
    with archives.opened(path) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("/data.pkl") or n == "data.pkl"][:1]
        folder = name.removesuffix("data.pkl")
        tree = pickles.read(io.BytesIO(archives.read_member(archive, name, size)))
        return _tensors(
            tree, lambda key: archives.read_member(archive, f"{folder}data/{key}", size), size
        )


def read_legacy(path: str) -> dict[str, np.ndarray]:
    """The tensors of a file of PyTorch before 1.6 by name.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or asks for anything but tensors.
    """
    with open(path, "rb") as opened:
        content = opened.read()
    file = io.BytesIO(content)
    magic, _, about, tree, keys = (pickles.read(file) for _ in range(5))
    if magic != MAGIC:
        raise ValueError("it is no file of PyTorch")
    if isinstance(about, dict) and about.get("little_endian") is False:
        raise ValueError("it was written on a machine that puts the large bytes first")
    if not isinstance(keys, list) or len(keys) > _MOST_STORAGES:
        raise ValueError("it has no list of storages")
    sizes = _item_sizes(tree)
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        num_bytes = count * sizes.get(str(key), 0)
        if num_bytes > len(content) - file.tell():
            raise ValueError(f"it says that its storage {str(key)[:80]} lies where there is none")
        storages[str(key)] = file.read(num_bytes)
    return _tensors(tree, storages.__getitem__, len(content))


def _item_sizes(tree: Any) -> dict[str, int]:
    """Bytes of a value, by the key of the storage."""
    sizes: dict[str, int] = {}

    def note(call: Call) -> None:
        call = _tensor_call(call)
        if call.function.text.startswith(_REBUILD_TENSOR):
            key, dtype, _ = _storage(call.arguments[0])
            sizes[key] = dtype.itemsize

    flat(tree, note, 0)
    return sizes


def _tensors(tree: Any, storages: _Storages, size: int) -> dict[str, np.ndarray]:
    """The tensors of a state dict; of a training that was kept, those of its weights."""
    if isinstance(tree, dict) and isinstance(tree.get(_STATE_DICT), dict):
        tree = tree[_STATE_DICT]
    known: dict[str, bytes] = {}

    def array(call: Call) -> np.ndarray | None:
        call = _tensor_call(call)
        if not call.function.text.startswith(_REBUILD_TENSOR):
            return numpy_array(call)
        key, dtype, count = _storage(call.arguments[0])
        if key not in known:
            known[key] = _of_storage(storages, key)
        values = array_of(known[key], dtype, (len(known[key]) // dtype.itemsize,))
        if count > len(values):
            raise ValueError(f"it says that its storage {key[:80]} is larger than it is")
        return _view(values, *call.arguments[1:4])

    return flat(tree, array, 2 * size + 1024)


def _of_storage(storages: _Storages, key: str) -> bytes:
    try:
        return storages(key)
    except KeyError:
        raise ValueError(f"it has no storage {key[:80]}") from None


def _tensor_call(call: Call) -> Call:
    """The call that makes a tensor, of a parameter the one inside."""
    if call.function.text.startswith("torch._utils._rebuild_parameter"):
        inner = call.arguments[0]
        if isinstance(inner, Call):
            return inner
    return call


def _storage(value: Any) -> tuple[str, np.dtype, int]:
    """The key of a storage, the type of its values, and how many there are."""
    key = value.key if isinstance(value, Outside) else ()
    if not (isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage" and not any(key[5:])):
        raise ValueError("a tensor in it has no storage")
    kind = key[1].text.removeprefix("torch.") if isinstance(key[1], Name) else ""
    if kind not in _TYPES or not isinstance(key[4], int):
        raise ValueError(f"a tensor in it is of the type {shown(key[1])}, which is not known")
    return str(key[2]), np.dtype(_TYPES[kind]), key[4]


def _view(values: np.ndarray, offset: Any, shape: Any, steps: Any) -> np.ndarray:
    """The part of a storage that a tensor is.

    Raises:
        ValueError: it goes beyond the storage.
    """
    parts = [offset, *shape, *steps] if isinstance(shape, tuple) else [None]
    if not all(isinstance(part, int) and part >= 0 for part in parts) or len(shape) != len(steps):
        raise ValueError("a tensor in it has no shape")
    if 0 in shape:
        return np.zeros(shape, values.dtype)
    end = offset + sum((side - 1) * step for side, step in zip(shape, steps, strict=True))
    if end >= len(values) or any(
        step == 0 and side > 1 for side, step in zip(shape, steps, strict=True)
    ):
        raise ValueError(f"a tensor in it of shape {list(shape)} goes beyond its storage")
    return np.lib.stride_tricks.as_strided(
        values[offset:], shape, [step * values.itemsize for step in steps], writeable=False
    )
