"""Arrays in pickles and in .npz files, to name -> array. Needs no TensorFlow."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from yt8m.base import archives
from yt8m.conversion.weight_files import pickles
from yt8m.conversion.weight_files.pickles import Call, Name

_NUMPY = ("numpy.core", "numpy._core")
_RECONSTRUCT = tuple(f"{module}.multiarray._reconstruct" for module in _NUMPY)
_SCALAR = tuple(f"{module}.multiarray.scalar" for module in _NUMPY)
_FROM_BUFFER = tuple(f"{module}.numeric._frombuffer" for module in _NUMPY)
_KINDS = "biuf"  # Kinds of dtype that weights may have.
_MOST_ARRAYS = 100_000
_DEEPEST = 50


def read_npz(path: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, claims too much, or holds Python's objects.
    """
    with archives.opened(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        return {name.removesuffix(".npy"): archives.read_array(archive, name) for name in names}


def read_pickle(path: str) -> dict[str, np.ndarray]:
    """The arrays of a pickle of nested dicts; their names are the keys, joined by `/`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or names anything but arrays of NumPy.
    """
    with open(path, "rb") as file:
        tree = pickles.read(io.BytesIO(file.read()))
    most_bytes = 2 * os.path.getsize(path) + 1024
    return flat(tree, numpy_array, most_bytes)


def flat(
    tree: Any, array: Callable[[Call], np.ndarray | None], most_bytes: int
) -> dict[str, np.ndarray]:
    """The arrays of nested dicts and lists, their keys joined by `/`.

    Args:
        tree: see `pickles.read`. Numbers and text in it are left out.
        array: makes an array of a call; None of one that is known and makes none.
        most_bytes: what they may take together.

    Raises:
        ValueError: a call is none of those known, or there is too much.
    """
    found: dict[str, np.ndarray] = {}
    num_bytes = 0
    for name, call in _leaves(tree, "", 0):
        value = array(call)
        if value is None:
            continue
        found[name] = value
        num_bytes += value.nbytes
        if num_bytes > most_bytes or len(found) > _MOST_ARRAYS:
            raise ValueError("it claims to hold more than its size allows")
    return found


def _leaves(tree: Any, name: str, depth: int) -> Iterator[tuple[str, Call]]:
    if depth > _DEEPEST:
        raise ValueError(f"its dicts are nested more than {_DEEPEST} deep")
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{name}/{key}" if name else str(key), depth + 1)
    elif isinstance(tree, (list, tuple)):
        for key, value in enumerate(tree):
            yield from _leaves(value, f"{name}/{key}" if name else str(key), depth + 1)
    elif isinstance(tree, Call):
        yield name, tree
    elif isinstance(tree, (Name, pickles.Outside)):
        raise ValueError(f"it names {shown(tree)}, which is no array")


def numpy_array(call: Call) -> np.ndarray | None:
    """The array that a call of NumPy's would make.

    Raises:
        ValueError: it is another call, or the array is damaged.
    """
    name = call.function.text
    if name in _RECONSTRUCT and isinstance(call.state, tuple) and len(call.state) == 5:
        _, shape, dtype, by_columns, content = call.state
    elif name in _FROM_BUFFER and len(call.arguments) == 4:
        content, dtype, shape, order = call.arguments
        by_columns = order == "F"
    elif name in _SCALAR and len(call.arguments) == 2:
        (dtype, content), shape, by_columns = call.arguments, (), False
    else:
        raise ValueError(f"it calls {shown(call.function)}, and what is no array is not loaded")
    return array_of(_bytes(content), _dtype(dtype), shape, "F" if by_columns else "C")


def array_of(content: bytes, dtype: np.dtype, shape: Any, order: str = "C") -> np.ndarray:
    """An array of bytes that must be as many as its shape says.

    Raises:
        ValueError: they are not, or the shape is none.
    """
    if not isinstance(shape, tuple) or not all(
        isinstance(side, int) and side >= 0 for side in shape
    ):
        raise ValueError("an array in it has no shape")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(
            f"an array in it says it is {list(shape)} of {dtype}, and holds {len(content):,} bytes"
        )
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def shown(value: Any) -> str:
    """A name in a sentence about a file of others."""
    text = value.text if isinstance(value, Name) else "something outside of it"
    return text[:80]


def _bytes(content: Any) -> bytes:
    """What an array holds: bytes, or as protocol 2 has them, text of as many letters."""
    if isinstance(content, Call) and content.function.text == "_codecs.encode":
        text = content.arguments[0]
        if isinstance(text, str):
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                raise ValueError("an array in it is damaged") from None
    if not isinstance(content, (bytes, bytearray)):
        raise ValueError("an array in it holds no bytes")
    return bytes(content)


def _dtype(call: Any) -> np.dtype:
    if not (
        isinstance(call, Call)
        and call.function.text == "numpy.dtype"
        and call.arguments
        and isinstance(call.arguments[0], str)
    ):
        raise ValueError("an array in it has no type")
    order = call.state[1] if isinstance(call.state, tuple) and len(call.state) > 1 else "="
    try:
        dtype = np.dtype(call.arguments[0])
        dtype = dtype.newbyteorder(order if order in ("<", ">") else "=")
    except (TypeError, ValueError):
        raise ValueError(f"an array in it is of the type {call.arguments[0][:80]!r}") from None
    if dtype.kind not in _KINDS or dtype.names or dtype.subdtype:
        raise ValueError(f"an array in it is of the type {dtype}, and only numbers are loaded")
    return dtype
