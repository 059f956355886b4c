"""Intermediate values of a model, by name: how frames are assigned, attended to, and summed up.

They are found by the structure of the model, so a run saved before has them as well:

    values = intermediates.model_of(run.model, ["assignments/rgb", "embedding"]).predict(batch)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from frame_models.layers.clear_padding import ClearPadding
from frame_models.layers.distillation import Distillation
from frame_models.layers.frame_layer import FramePooling
from frame_models.layers.frame_rows import RowsToFrames
from frame_models.pixels.layers.sub_network import SubNetwork
from video_models.layers.context_gating import ContextGating
from yt8m.base import spec_language
from yt8m.modeling.keras_model import PROBABILITIES

EMBEDDING = "embedding"
POOLED = "pooled"


def names(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Every intermediate value of a model, by its name.

    The first word of a name says what it is. (batch, time, ...) holds zeros where there is padding.

        embedding: (batch, size), what the classifier reads: the vector before the head. Where a
            model classifies each frame, (batch, time, size).
        pooled: (batch, size), what is made of the frames of a video, before any hidden layer.
        assignments: (batch, time, clusters), the share of each frame in each cluster; they sum to 1
            over the clusters. Of NeXtVLAD, (batch, time, groups, clusters).
        group_attention: (batch, time, groups), of NeXtVLAD, each from 0 to 1.
        units: (batch, time, units), of DBoF: how active each unit is in each frame.
        attention: (batch, time, classes or heads), sums to 1 over the frames of a video.
        frame_probabilities: (batch, time, classes), what `attention` averages.
        frame_weights: (batch, time), by which the answers of the frames are averaged; sum to 1.

    `/rgb` behind it is the feature that it is of, where a model pools each of several by itself;
    `/0`, `/1`, ... count the values that would have the same name, such as those of the branches of
    a mixture; `spatial/` and `temporal/` before it are the streams of a two-stream model.

    Args:
        model: functional, as `keras_model.build` or `runs.load` give it.

    Returns:
        Name -> float32 tensor of a graph that begins at the model's inputs, from the input to the
        output.

    Example:
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
        >>> {name: value.shape for name, value in names(model).items()}
        {'embedding': (None, 4)}
    """
    found = [*_Graph(model).values()]
    count = {name: sum(other == name for other, _ in found) for name, _ in found}
    seen: dict[str, int] = {}
    result = {}
    for name, tensor in found:
        place = seen.setdefault(name, 0)
        seen[name] += 1
        result[f"{name}/{place}" if count[name] > 1 else name] = tensor
    return result


def model_of(model: keras.Model, wanted: Sequence[str]) -> keras.Model:
    """A model that answers intermediate values, from the same inputs and with the same weights.

    It is to be called, not to be saved.

    Args:
        model: functional, as `keras_model.build` or `runs.load` give it.
        wanted: names of values, see `names`.

    Returns:
        A model that answers a dict of the values by their names.

    Raises:
        ValueError: a name is none of the model's.

    Example:
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
        >>> tuple(model_of(model, ["embedding"])(np.ones((2, 4)))["embedding"].shape)
        (2, 4)
    """
    known = names(model)
    for name in wanted:
        if name not in known:
            what = f"intermediate value of {model.name}"
            raise ValueError(spec_language.unknown(what, name, list(known)))
    return keras.Model(model.input, {name: known[name] for name in wanted})


class _Intermediates(keras.layers.Layer):
    """Answers what a layer of a model makes on its way, with that layer's weights."""

    def __init__(self, layer: keras.Layer):
        super().__init__(dtype=layer.dtype_policy)
        self.layer = layer
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> dict[str, Any]:
        values = self.layer.intermediates(inputs, mask=mask)
        return {name: keras.ops.cast(value, "float32") for name, value in values.items()}

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


class _Graph:
    """The operations of a functional model, and what each reads."""

    def __init__(self, model: keras.Model):
        depths = sorted(model._nodes_by_depth, reverse=True)  # 0 is the output.
        self.nodes = [node for depth in depths for node in model._nodes_by_depth[depth]]
        self.makers = {id(tensor): node for node in self.nodes for tensor in node.output_tensors}
        answers = model.output
        self.output = answers[PROBABILITIES] if isinstance(answers, dict) else model.outputs[0]
        self.features = self._features()

    def values(self) -> Iterator[tuple[str, keras.KerasTensor]]:
        """Yields the intermediate values with their names, from the input to the output."""
        embeddings = list(self._embeddings())
        below = {id(node) for read, _ in embeddings for node in self._behind(read)}
        for node in self._behind(self.output):
            layer = node.operation
            if isinstance(layer, SubNetwork) and id(node) not in below:
                yield from _of_stream(node)
            if hasattr(layer, "intermediates"):
                for name, tensor in _shown(node).items():
                    yield name + self._suffix(node), tensor
            if isinstance(layer, FramePooling) and id(node) in below:
                yield POOLED + self._suffix(node), _float32(node.output_tensors[0])
        for _, embedding in embeddings:
            yield EMBEDDING, embedding

    def _behind(self, tensor: keras.KerasTensor) -> list:
        """The nodes that a tensor is made by, from the input on."""
        needed, found = {id(tensor)}, []
        for node in reversed(self.nodes):
            if any(id(output) in needed for output in node.output_tensors):
                needed.update(id(source) for source in node.input_tensors)
                found.append(node)
        return found[::-1]

    def _features(self) -> dict[int, set[str]]:
        """The features that each tensor is made of: inputs of the model, by name. Masks have none.

        A layer with as many outputs as inputs, such as a joint normalisation, keeps them apart.
        """
        features: dict[int, set[str]] = {}
        for node in self.nodes:
            read = [features[id(tensor)] for tensor in _values(node.input_tensors)]
            made = _values(node.output_tensors)
            apart = len(read) == len(made) > 1
            for place, tensor in enumerate(made):
                features[id(tensor)] = read[place] if apart else set().union(*read)
            if not node.input_tensors:
                features |= {id(tensor): {node.operation.name} for tensor in made}
        return features

    def _suffix(self, node: Any) -> str:
        """The feature that a layer reads, where it is one of several of the model's."""
        several = len(self.features[id(self.output)]) > 1
        read = set().union(*(self.features[id(t)] for t in _values(node.input_tensors)))
        return f"/{read.pop()}" if several and len(read) == 1 else ""

    def _embeddings(self) -> Iterator[tuple[keras.KerasTensor, keras.KerasTensor]]:
        """Yields what each classifier reads: as the model has it, and as it is shown.

        A classifier is the first layer with a kernel on the way back from the probabilities, but
        for the gates that follow it. What only weighs the branches of a mixture is none.
        """
        waiting, seen = [(self.output, None)], set()
        while waiting:
            tensor, rows_of = waiting.pop()
            node = self.makers[id(tensor)]
            layer = node.operation
            if id(tensor) in seen or isinstance(layer, SubNetwork):
                continue
            seen.add(id(tensor))
            if _has_kernel(layer) and not isinstance(layer, ContextGating):
                read = node.arguments.args[0]
                if id(read) not in seen:  # Of several tasks there is one.
                    seen.add(id(read))
                    yield read, _masked(read, rows_of, node.arguments.kwargs.get("mask"))
                continue
            if isinstance(layer, RowsToFrames):
                rows_of = node.input_tensors[1]
            sources = _values(node.input_tensors)
            if isinstance(layer, Distillation):
                sources = sources[1:]
            waiting.extend((source, rows_of) for source in reversed(sources))


def _values(tensors: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """The tensors that are no mask."""
    return [tensor for tensor in tensors if tensor.dtype != "bool"]


def _has_kernel(layer: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in getattr(layer, "weights", ()))


def _float32(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return tensor if tensor.dtype == "float32" else keras.ops.cast(tensor, "float32")


def _masked(
    read: keras.KerasTensor, rows_of: keras.KerasTensor | None, mask: keras.KerasTensor | None
) -> keras.KerasTensor:
    """What a classifier reads, rows put back into frames, with zeros where there is padding."""
    if rows_of is not None:
        return RowsToFrames()([read, rows_of])
    if mask is not None:
        return ClearPadding(dtype="float32")(read, mask=mask)
    return _float32(read)


def _shown(node: Any) -> dict[str, keras.KerasTensor]:
    """The intermediate values of a layer, of what it reads in the model."""
    arguments = node.arguments
    shown = _Intermediates(node.operation)
    return shown(arguments.args[0], mask=arguments.kwargs.get("mask"))


def _of_stream(node: Any) -> Iterator[tuple[str, keras.KerasTensor]]:
    """The intermediate values of a network in the model, behind the name of its layer."""
    network = node.operation.network
    inside = names(network)
    tensors = keras.Model(network.inputs, inside)(node.arguments.args[0])
    for name, tensor in tensors.items():
        yield f"{node.operation.name}/{name}", tensor
