"""Answers the body of a request as the REST interface of TensorFlow Serving documents it.

No server is here: JSON becomes tensors, a signature is called, and its tensors become JSON, by the
rules of "RESTful API" in TensorFlow's documentation. What the rules refuse is a `Refused`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import tensorflow as tf


class Refused(Exception):
    """The server would answer this and not call the model."""


def predict(module: Any, body: str) -> dict:
    """Answers `POST /v1/models/NAME:predict`.

    Args:
        module: what `tf.saved_model.load` returns.
        body: of the request.

    Returns:
        The body of the answer, through JSON and back.
    """
    request = json.loads(body)
    signature = module.signatures[request.get("signature_name", "serving_default")]
    specs = signature.structured_input_signature[1]
    if ("instances" in request) == ("inputs" in request):
        raise Refused("one of instances and inputs")
    in_rows = "instances" in request
    given = request["instances"] if in_rows else request["inputs"]
    if in_rows:
        given = _columns(given, specs)
    elif not isinstance(given, dict) or _is_binary(given):
        given = {_only(specs): given}
    if given.keys() != specs.keys():
        raise Refused(f"keys must be {sorted(specs)}")
    tensors = {name: _tensor(given[name], spec) for name, spec in specs.items()}
    answer = {name: value.numpy() for name, value in signature(**tensors).items()}
    columns = {name: _plain(value, name) for name, value in answer.items()}
    return json.loads(json.dumps(_answered(columns, in_rows)))


def binary(value: bytes) -> dict[str, str]:
    """Bytes as a request holds them."""
    return {"b64": base64.b64encode(value).decode()}


def _columns(rows: list, specs: dict) -> dict[str, list]:
    if not rows:
        raise Refused("no values in instances")
    if not isinstance(rows[0], dict) or _is_binary(rows[0]):
        return {_only(specs): rows}
    if any(row.keys() != specs.keys() for row in rows):
        raise Refused(f"keys must be {sorted(specs)}")
    return {name: [row[name] for row in rows] for name in specs}


def _only(specs: dict) -> str:
    if len(specs) != 1:
        raise Refused("a plain list, but several inputs")
    return next(iter(specs))


def _is_binary(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _shape(value: Any) -> list[int]:
    return [len(value), *(_shape(value[0]) if value else [])] if isinstance(value, list) else []


def _tensor(value: Any, spec: tf.TensorSpec) -> tf.Tensor:
    shape, leaves = _shape(value), []

    def walk(part: Any, level: int) -> None:
        if not isinstance(part, list):
            if level != len(shape):
                raise Refused("a value at another level")
            leaves.append(_leaf(part, spec.dtype))
            return
        if level >= len(shape) or len(part) != shape[level]:
            raise Refused("lists of other lengths")
        for each in part:
            walk(each, level + 1)

    walk(value, 0)
    dtype = object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
    tensor = tf.constant(np.array(leaves, dtype).reshape(shape), spec.dtype)
    if not spec.shape.is_compatible_with(tensor.shape):
        raise Refused(f"shape {tensor.shape}, not {spec.shape}")
    return tensor


def _leaf(value: Any, dtype: tf.DType) -> Any:
    if dtype == tf.string:
        if _is_binary(value):
            return base64.b64decode(value["b64"], validate=True)
        if isinstance(value, str):
            return value.encode()
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(value, float) and dtype.is_floating:
        return value
    raise Refused(f"{value!r} is no {dtype.name}")


def _plain(values: np.ndarray, name: str) -> Any:
    if values.dtype == np.float32:
        written = _shortest
    elif values.dtype == object:
        written = binary if name.endswith("_bytes") else bytes.decode
    else:
        return values.tolist()
    return np.vectorize(written, otypes=[object])(values).tolist()


def _shortest(value: np.float32) -> float:
    """The number with the fewest digits that is read as this float32."""
    return float(str(np.float32(value)))


def _answered(columns: dict[str, list], in_rows: bool) -> dict:
    if not in_rows:
        return {"outputs": columns if len(columns) > 1 else columns[_only(columns)]}
    if any(not isinstance(values, list) for values in columns.values()):
        raise Refused("an answer without a batch")
    counts = {len(values) for values in columns.values()}
    if len(counts) != 1:
        raise Refused("answers of several sizes")
    rows = [{name: columns[name][row] for name in columns} for row in range(counts.pop())]
    return {"predictions": rows if len(columns) > 1 else [row[_only(columns)] for row in rows]}
