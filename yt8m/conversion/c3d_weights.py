"""Which blobs of the authors' C3D, and tensors of its ports to PyTorch, fill `c3d`. No TensorFlow.

Reference:
    Tran et al., https://arxiv.org/abs/1412.0767; facebookarchive/C3D, and the ports of DavideA
    and of mmaction2, whose names differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import keras
import numpy as np

from yt8m.conversion.caffe_layout import (
    CAFFE,
    PYTORCH,
    convolution,
    dense,
    dense_of_map,
    mean_places,
    vector,
)
from yt8m.conversion.networks import Network
from yt8m.conversion.weight_places import Place

_CONVOLUTIONS = (
    *("conv1a", "conv2a", "conv3a", "conv3b"),
    *("conv4a", "conv4b", "conv5a", "conv5b"),
)
_DENSE = ("fc6", "fc7", "fc8")
_NAME = re.compile(
    r"(?:module\.|backbone\.)*(?:cls_head\.)?(conv[1-5][ab]?|fc[678]|fc_cls)(?:[-_]\w+)?(?:\.conv)?"
    r"[./](0|1|weight|bias)"
)
_ALSO = {"conv1": "conv1a", "conv2": "conv2a", "fc_cls": "fc8"}
_PARTS = {"0": "w", "weight": "w", "1": "b", "bias": "b"}


def streams(variables: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The blobs or tensors of the network, by the program of the file.

    Args:
        variables: name -> value, as the file has them.

    Returns:
        `caffe` or `pytorch` -> such as `conv1a/w` -> value. What has another name keeps it.
        Nothing where the file is of no C3D.
    """
    matches = {name: _NAME.fullmatch(name) for name in variables}
    if not any(match and match[1].startswith("conv1") for match in matches.values()):
        return {}
    is_caffe = any(match and match[2] in ("0", "1") for match in matches.values())
    found = {}
    for name, match in matches.items():
        new = f"{_ALSO.get(match[1], match[1])}/{_PARTS[match[2]]}" if match else name
        found[name if new in found else new] = variables[name]
    return {CAFFE if is_caffe else PYTORCH: found}


def num_classes(variables: dict[str, np.ndarray]) -> int | None:
    """How many classes a network tells apart; None where it has no classifier."""
    return int(variables["fc8/b"].size) if "fc8/b" in variables else None


def problem(network: Network, form: str) -> str:
    """What the spec must say for weights of a program; nothing where it does."""
    padded = network.spec.settings["pad_last_pool"]
    if padded == (form == PYTORCH):
        return ""
    if form == PYTORCH:
        return "ports to PyTorch pad the last pool: say c3d(pad_last_pool=True, ...)"
    return "the authors' Caffe does not pad the last pool: leave out pad_last_pool"


def places(network: Network) -> Iterator[Place]:
    """The place of every weight of a network."""
    yield from mean_places(network)
    convolutions = network.of_kind(keras.layers.Conv3D)
    for layer, name in zip(convolutions, _CONVOLUTIONS, strict=False):
        yield Place(layer.kernel, (f"{name}/w",), convolution)
        yield Place(layer.bias, (f"{name}/b",), vector)
    (flattened,) = network.all_of_kind(keras.layers.Flatten)
    for layer, name in zip(network.of_kind(keras.layers.Dense), _DENSE, strict=False):
        of_map = dense_of_map(flattened.input.shape[1:])
        yield Place(layer.kernel, (f"{name}/w",), of_map if name == "fc6" else dense)
        if layer.bias is not None:
            yield Place(layer.bias, (f"{name}/b",), vector)
