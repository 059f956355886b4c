"""The networks of raw video that a model is made of, and where their layers are. No TensorFlow."""

from __future__ import annotations

import dataclasses

import keras

from frame_models.pixels.layers.sub_network import SubNetwork
from yt8m.base.spec_language import Spec

PIXELS, FLOW = "pixels", "flow"


@dataclasses.dataclass(frozen=True)
class Network:
    """A network within a model, with weights of its own.

    Attributes:
        spec: what it is.
        looks_at: `pixels` or `flow`.
        model: its layers.
    """

    spec: Spec
    looks_at: str
    model: keras.Model

    def all_of_kind(self, *kinds: type) -> list[keras.layers.Layer]:
        """Its layers that are of one of some classes; those of a network inside in its place."""
        found: list[keras.layers.Layer] = []
        for layer in self.model.layers:
            found += layer.network.layers if isinstance(layer, SubNetwork) else [layer]
        return [layer for layer in found if isinstance(layer, kinds)]

    def of_kind(self, *kinds: type) -> list[keras.layers.Layer]:
        """Those of them that have weights."""
        return [layer for layer in self.all_of_kind(*kinds) if layer.weights]


def networks(spec: Spec, model: keras.Model) -> list[Network]:
    """The networks of a model of raw video: two of `two_stream`, else one.

    Args:
        spec: of the model.
        model: as `keras_model.build` makes it of the spec.
    """
    if spec.name == "two_stream":
        streams = (("spatial", PIXELS), ("temporal", FLOW))
        return [
            Network(spec.settings[name], looks_at, model.get_layer(name).network)
            for name, looks_at in streams
        ]
    if spec.name == "flow_stream":
        return [Network(spec.settings["model"], FLOW, model)]
    return [Network(spec, PIXELS, model)]
