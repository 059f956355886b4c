"""What a layer of a model answers, by the name of the layer. Needs no TensorFlow."""

from __future__ import annotations

import keras

from frame_models.pixels.layers.sub_network import SubNetwork
from yt8m.base import spec_language
from yt8m.modeling import intermediates


def model_of(model: keras.Model, name: str) -> keras.Model:
    """A model that answers what a layer answers, from the same inputs and with the same weights.

    It is to be called, not to be saved.

    Args:
        model: functional, as `keras_model.build` or `runs.load` give it.
        name: an intermediate value, see `intermediates.names`; or a layer; `OUTER/INNER` is a
            layer of a network that is a layer of the model.

    Raises:
        ValueError: there is no such value.

    Example:
        >>> inputs = keras.Input((4,))
        >>> hidden = keras.layers.Dense(3, name="hidden")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(hidden))
        >>> model_of(model, "hidden").output.shape, model_of(model, "embedding").output.shape
        ((None, 3), (None, 3))
    """
    values = intermediates.names(model)
    known = values | {n: t for n, t in _layers(model).items() if n not in values}
    if name not in known:
        raise ValueError(spec_language.unknown("layer of the model", name, list(known)))
    value = known[name]
    return keras.Model(model.input, value if value.dtype == "float32" else _float32(value))


def _float32(value: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.cast(value, "float32")


def _layers(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """What each layer answers, and each layer of the networks in the model."""
    found: dict[str, keras.KerasTensor] = {}
    for layer in model.layers:
        output = layer.output
        if isinstance(layer, keras.layers.InputLayer) or not isinstance(output, keras.KerasTensor):
            continue
        if isinstance(layer, SubNetwork):
            inside = _layers(layer.network)
            shown = keras.Model(layer.network.inputs, inside)(layer.input)
            found |= {f"{layer.name}/{name}": tensor for name, tensor in shown.items()}
        found[layer.name] = output
    return found
