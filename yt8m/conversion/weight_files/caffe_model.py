"""Weights of Caffe: `.caffemodel` files, and the mean of a training in a `.binaryproto`.

Both are protocol buffers. Only the fields that hold weights are looked at. Needs no TensorFlow.

Reference:
    `caffe.proto` of Caffe, and that of C3D, which is a fork of an early one: its blobs have a
    length, and so other numbers for the fields behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from yt8m.conversion.weight_files.arrays import array_of

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Of a net: the field of its layers, and of a layer those of its name and its blobs.
_LAYER_KINDS = {2: (4, 6), 100: (1, 7)}
_OLDEST_LAYER, _OLDEST = 1, (1, 50)
_DATA, _DOUBLES, _SHAPE, _DATA_OF_C3D = 5, 8, 7, 6
_MOST_AXES = 8

_Value = int | memoryview


def read(path: str) -> dict[str, np.ndarray]:
    """The blobs of a net: `LAYER/0` is a layer's first, its kernel, and `LAYER/1` its bias.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or is damaged.
    """
    with open(path, "rb") as file:
        net = memoryview(file.read())
    found: dict[str, np.ndarray] = {}
    for number, layer in _fields(net):
        if number not in _LAYER_KINDS or not isinstance(layer, memoryview):
            continue
        name, blobs = _layer(layer, *_LAYER_KINDS[number])
        for place, blob in enumerate(blobs):
            key = f"{name}/{place}"
            if key in found:
                raise ValueError(f"it has two layers {name[:80]}")
            found[key] = _blob(blob)
    if not found:
        raise ValueError("it is no net of Caffe with weights")
    return found


def read_blob(path: str) -> np.ndarray:
    """The array of a `.binaryproto`, such as a mean.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or is damaged.
    """
    with open(path, "rb") as file:
        return _blob(memoryview(file.read()))


def _layer(layer: memoryview, name_field: int, blob_field: int) -> tuple[str, list[memoryview]]:
    """The name of a layer, and its blobs."""
    name, blobs = "", []
    for number, value in _fields(layer):
        if not isinstance(value, memoryview):
            continue
        if number == name_field:
            name = bytes(value).decode("utf-8", "replace")
        elif number == blob_field:
            blobs.append(value)
        elif number == _OLDEST_LAYER and name_field != _OLDEST_LAYER:
            inner_name, inner = _layer(value, *_OLDEST)
            name, blobs = name or inner_name, blobs + inner
    return name, blobs


def _blob(blob: memoryview) -> np.ndarray:
    """A blob: as many axes as it says, or those of before: number, channels, height and width."""
    sides: dict[int, int] = {}
    parts: dict[int, list[bytes]] = {}
    shape: list[int] | None = None
    for number, value in _fields(blob):
        if isinstance(value, int):
            sides[number] = value
        elif number == _SHAPE and 5 not in sides:
            shape = _shape(value)
        else:
            parts.setdefault(number, []).append(bytes(value))
    of_c3d = 5 in sides  # Caffe's fifth field is the values themselves.
    content, dtype = b"".join(parts.get(_DATA_OF_C3D if of_c3d else _DATA, [])), "<f4"
    if not content and not of_c3d and _DOUBLES in parts:
        content, dtype = b"".join(parts[_DOUBLES]), "<f8"
    if shape is None:
        shape = [sides.get(number, 1) for number in range(1, 6 if of_c3d else 5)]
    if len(shape) > _MOST_AXES or math.prod(shape) < 1:
        raise ValueError(f"a blob in it has the shape {shape[:_MOST_AXES]}")
    return array_of(content, np.dtype(dtype), tuple(shape)).astype(np.float32)


def _shape(message: memoryview) -> list[int]:
    """The axes of a blob, which stand one by one or together."""
    found: list[int] = []
    for number, value in _fields(message):
        if number != 1:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        place = 0
        while place < len(value):
            side, place = _varint(value, place)
            found.append(side)
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, _Value]]:
    """The number and the value of each field of a message.

    Raises:
        ValueError: it is none.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("it is no protocol buffer, as files of Caffe are")
        if length > len(message) - place:
            raise ValueError("it is cut, or no protocol buffer, as files of Caffe are")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("it is cut, or no protocol buffer, as files of Caffe are")
