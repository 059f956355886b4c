"""Weights of published networks for tests: drawn from names, and files of other programs' forms.

The writers share nothing with the readers that they test.
"""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np


def draw(name: str, shape: list[int]) -> np.ndarray:
    """The weights behind the goldens in `published/`: the same for a name on every machine."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    last = name.rpartition("/")[2]
    if last in ("w", "weights", "kernel"):
        spread = np.sqrt(2 / np.prod(shape[:-1]))
        return (random.standard_normal(shape) * spread).astype(np.float32)
    if last == "moving_variance":
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return (random.standard_normal(shape) * 0.1).astype(np.float32)


def drawn(variables_json: Path, scope: str = "") -> dict[str, np.ndarray]:
    """The weights of a list of names and shapes, those of one scope."""
    shapes = json.loads(variables_json.read_text())
    return {n: draw(n, shape) for n, shape in shapes.items() if n.startswith(scope)}


def squares(small: np.ndarray) -> np.ndarray:
    """(..., height, width, channels) with each value as a square of 8 x 8."""
    return small.repeat(8, axis=-3).repeat(8, axis=-2)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64."""
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def _varint(number: int) -> bytes:
    text = b""
    while number > 127:
        text, number = text + bytes([number & 127 | 128]), number >> 7
    return text + bytes([number])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def blob(value: np.ndarray, form: str) -> bytes:
    """A BlobProto: of `c3d` with a length, of `old` with four sides, of `new` with a shape."""
    values = value.astype("<f4").tobytes()
    if form == "new":
        return _field(7, _field(1, b"".join(map(_varint, value.shape)))) + _field(5, values)
    count = 5 if form == "c3d" else 4
    sides = (1,) * (count - value.ndim) + value.shape
    text = b"".join(_field(number + 1, side) for number, side in enumerate(sides))
    if form == "c3d":
        return text + _field(6, values)
    # One by one, as files that are not packed.
    return text + b"".join(b"\x2d" + values[i : i + 4] for i in range(0, len(values), 4))


def write_caffe(path: Path, layers: dict[str, list[np.ndarray]], form: str) -> Path:
    """Writes a .caffemodel; see `blob`."""
    net = _field(1, b"net")
    for name, values in layers.items():
        blobs = [blob(value, form) for value in values]
        if form == "new":
            parts = _field(1, name.encode()) + _field(2, b"Convolution")
            net += _field(100, parts + b"".join(_field(7, b) for b in blobs))
        else:
            parts = _field(4, name.encode()) + _field(5, 4)
            net += _field(2, parts + b"".join(_field(6, b) for b in blobs))
    path.write_bytes(net)
    return path


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


def state_dict(tensors: dict[str, np.ndarray], legacy: bool = False) -> bytes:
    """The pickle of a state dict, in the instructions that PyTorch writes. Kernels are views."""
    text = b"\x80\x02" + _global("collections", "OrderedDict") + b")R("
    for number, (name, value) in enumerate(tensors.items()):
        steps = tuple(step // value.itemsize for step in value.strides)
        text += _text(name) + _global("torch._utils", "_rebuild_tensor_v2") + b"(("
        text += _text("storage") + _global("torch", "FloatStorage") + _text(str(number))
        text += _text("cpu") + _number(value.size) + (b"N" if legacy else b"") + b"tQ"
        text += _number(0) + _numbers(value.shape) + _numbers(steps)
        text += b"\x89" + _global("collections", "OrderedDict") + b")RtR"
    return text + b"u."


def write_torch(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Writes a state dict as PyTorch does since 1.6."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", state_dict(tensors))
        for number, value in enumerate(tensors.values()):
            archive.writestr(f"archive/data/{number}", value.ravel(order="K").tobytes())
    return path


def write_old_torch(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Writes a state dict as PyTorch did before."""
    keys = [str(number) for number in range(len(tensors))]
    heads = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    content = b"".join(pickle.dumps(head, 2) for head in heads)
    content += state_dict(tensors, legacy=True) + pickle.dumps(keys, 2)
    for value in tensors.values():
        content += struct.pack("<q", value.size) + value.ravel(order="K").tobytes()
    path.write_bytes(content)
    return path


def write_checkpoint(prefix: Path, variables: dict[str, np.ndarray]) -> Path:
    """Writes a checkpoint as TensorFlow 1 does."""
    import tensorflow as tf  # Tests on JAX have none.

    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=[tf.constant(value) for value in variables.values()],
    )
    return prefix
