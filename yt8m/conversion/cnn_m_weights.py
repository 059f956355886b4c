"""Which blobs of Chatfield's CNN-M-2048 for Caffe fill `cnn_m`. Needs no TensorFlow.

Reference:
    Chatfield et al., https://arxiv.org/abs/1405.3531; `VGG_CNN_M_2048.caffemodel`, whose pools
    round up and whose pixels are blue first, from 0 to 255, less a mean image.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from yt8m.conversion.caffe_layout import (
    CAFFE,
    convolution,
    dense,
    dense_of_map,
    mean_places,
    vector,
)
from yt8m.conversion.networks import Network
from yt8m.conversion.weight_places import Place

_CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
_DENSE = ("fc6", "fc7", "fc8")


def streams(variables: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The blobs of the network: `caffe` -> such as `conv1/0` -> value; nothing of other files."""
    return {CAFFE: dict(variables)} if "conv1/0" in variables else {}


def num_classes(variables: dict[str, np.ndarray]) -> int | None:
    """How many classes a network tells apart; None where it has no classifier."""
    return int(variables["fc8/1"].size) if "fc8/1" in variables else None


def problem(network: Network, form: str) -> str:
    """What the spec must say for weights of Caffe; nothing where it does."""
    if network.spec.settings["rounding"] == "up":
        return ""
    return "pools of Caffe round up: say cnn_m(rounding='up', ...)"


def places(network: Network) -> Iterator[Place]:
    """The place of every weight of a network."""
    yield from mean_places(network)
    for layer, name in zip(network.of_kind(keras.layers.Conv2D), _CONVOLUTIONS, strict=False):
        yield Place(layer.kernel, (f"{name}/0",), convolution)
        yield Place(layer.bias, (f"{name}/1",), vector)
    (flattened,) = network.all_of_kind(keras.layers.Flatten)
    for layer, name in zip(network.of_kind(keras.layers.Dense), _DENSE, strict=False):
        of_map = dense_of_map(flattened.input.shape[1:])
        yield Place(layer.kernel, (f"{name}/0",), of_map if name == "fc6" else dense)
        if layer.bias is not None:
            yield Place(layer.bias, (f"{name}/1",), vector)
