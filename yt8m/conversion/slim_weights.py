"""Which variables of TF-Slim's Inception v1 fill a network of it. Needs no TensorFlow.

Reference:
    `nets/inception_v1.py` of TF-Slim, and its checkpoint `inception_v1_2016_08_28`.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from yt8m.conversion import i3d_weights
from yt8m.conversion.networks import Network
from yt8m.conversion.weight_places import Place

_SCOPE = "InceptionV1/"
_LOGITS = "Logits/Conv2d_0c_1x1"
_SLIP = "Mixed_5b/Branch_2/Conv2d_0b_3x3", "Mixed_5b/Branch_2/Conv2d_0a_3x3"
_STATISTICS = ("beta", "moving_mean", "moving_variance")


def streams(variables: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The variables of the network: nothing -> name without its scope -> value."""
    if f"{_SCOPE}Conv2d_1a_7x7/weights" not in variables:
        return {}
    return {"": {name.removeprefix(_SCOPE): value for name, value in variables.items()}}


def num_classes(variables: dict[str, np.ndarray]) -> int | None:
    """How many classes a network tells apart; None where it has no classifier."""
    bias = variables.get(f"{_LOGITS}/biases")
    return None if bias is None else int(bias.size)


def problem(network: Network, form: str) -> str:
    """Nothing: there is one form."""
    return ""


def places(network: Network) -> Iterator[Place]:
    """The place of every weight of a network."""
    convolutions = network.of_kind(keras.layers.Conv2D)
    norms = network.of_kind(keras.layers.BatchNormalization)
    names = [unit.replace("Conv3d", "Conv2d").replace(*_SLIP) for unit in i3d_weights.units()]
    if not len(convolutions) == len(norms) == len(names):
        return
    for convolution, norm, name in zip(convolutions, norms, names, strict=True):
        yield Place(convolution.kernel, (f"{name}/weights",))
        for statistic in _STATISTICS:
            yield Place(getattr(norm, statistic), (f"{name}/BatchNorm/{statistic}",))
    for dense in network.of_kind(keras.layers.Dense)[-1:]:
        yield Place(dense.kernel, (f"{_LOGITS}/weights",), i3d_weights.matrix)
        if dense.bias is not None:
            yield Place(dense.bias, (f"{_LOGITS}/biases",))
