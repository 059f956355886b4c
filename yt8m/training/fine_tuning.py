"""Which layers of a model learn, and how fast: the last ones, or all. Needs no TensorFlow."""

from __future__ import annotations

import keras
from absl import logging

from yt8m.modeling import layer_graph

_SHOWN = 5


def apply(model: keras.Model, top_layers: int, lower_rate: float) -> dict[str, float]:
    """Lets the last layers learn at the full rate, and those below at a lower one or not at all.

    Layers are counted from the output, see `layer_graph.ranks`. A layer that does not learn is no
    longer trainable: its batch norms use and keep their moving statistics, and its gradients are
    not computed.

    Args:
        model: functional, built, not trained yet.
        top_layers: how many layers learn at the full rate; 0 for all.
        lower_rate: the share of the learning rate for the layers below, from 0 to 1; 0 does not
            train them.

    Returns:
        The share of the learning rate by the path of a variable, for `optimizers.get`. A variable
        without a share learns at the full rate, or not at all.

    Raises:
        ValueError: an argument is out of its range, `lower_rate` is given without `top_layers`,
            the model has fewer layers, or two variables of one path would need two rates.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks,
        section 4.2: the last layer, the last three, or all.
    """
    if top_layers < 0 or not 0 <= lower_rate <= 1:
        raise ValueError(
            "top_layers must be 0 or more, and lower_rate from 0 to 1. "
            f"Received: top_layers={top_layers}, lower_rate={lower_rate}."
        )
    if lower_rate and not top_layers:
        raise ValueError(
            "lower_rate is for the layers below top_layers, so it needs top_layers above 0. "
            f"Received: top_layers=0, lower_rate={lower_rate}."
        )
    if not top_layers:
        return {}
    top, lower = _split(model, top_layers)
    if lower_rate == 0:
        for layer in lower:
            layer.trainable = False
    rates = _rates(top, lower, lower_rate) if 0 < lower_rate < 1 else {}
    _report(top, lower, lower_rate)
    return rates


def _split(model: keras.Model, top_layers: int) -> tuple[list[keras.Layer], list[keras.Layer]]:
    """The layers that learn at the full rate, and the others."""
    ranks = layer_graph.ranks(model)
    count = 1 + max((ranks[layer] for layer in ranks if layer_graph.has_kernel(layer)), default=-1)
    if top_layers > count:
        raise ValueError(
            f"top_layers must be at most {count}, the layers that the model has between its input "
            f"and its output. Received: top_layers={top_layers}."
        )
    top = [layer for layer, rank in ranks.items() if rank < top_layers]
    return top, [layer for layer, rank in ranks.items() if rank >= top_layers]


def _rates(top: list[keras.Layer], lower: list[keras.Layer], lower_rate: float) -> dict[str, float]:
    full = {weight.path for layer in top for weight in layer.trainable_weights}
    rates = {weight.path: lower_rate for layer in lower for weight in layer.trainable_weights}
    both = sorted(full & set(rates))
    if both:
        raise ValueError(
            "Layers of one name would learn at two rates: name them apart. "
            f"Received: {both[0]}, once above and once below top_layers."
        )
    return rates


def _report(top: list[keras.Layer], lower: list[keras.Layer], lower_rate: float) -> None:
    names = [layer.name for layer in top if layer_graph.has_kernel(layer)]
    more = f"{len(names) - _SHOWN} more and " if len(names) > _SHOWN else ""
    below = (
        f"those below at {lower_rate:g} of it" if lower_rate else "those below keep their values"
    )
    top_names = more + ", ".join(names[-_SHOWN:])
    said = "%s learn at the full rate; %s (%d layers with weights)."
    logging.info(said, top_names, below, len(lower))
