"""The layers of a model in the order that values pass through them. Needs no TensorFlow."""

from __future__ import annotations

import re

import keras

_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?", re.DOTALL)


def inner_model(layer: keras.Layer) -> keras.Model | None:
    """The functional model that a layer is, or that holds all its weights; None for another layer.

    A backbone is called as a layer, or wrapped by one (`TimeDistributed`) that adds no weights.
    """
    layer = getattr(layer, "_functional", layer)  # Of a `Sequential`.
    if hasattr(layer, "_nodes_by_depth"):
        return layer
    inside = [sublayer for sublayer in getattr(layer, "_layers", ()) if sublayer.weights]
    if len(inside) == 1 and len(inside[0].weights) == len(layer.weights):
        return inner_model(inside[0])
    return None


def has_kernel(layer: keras.Layer) -> bool:
    """Whether a layer counts as one: convolutional, dense, recurrent, or made of such layers.

    It has a trained weight of two axes or more. A batch norm has none.

    Example:
        >>> dense = keras.layers.Dense(3)
        >>> dense.build((None, 4))
        >>> has_kernel(dense), has_kernel(keras.layers.BatchNormalization())
        (True, False)
    """
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def ranks(model: keras.Model) -> dict[keras.Layer, int]:
    """How many layers with a kernel lie between a layer and the output, on the longest way there.

    The longest way, as a residual network has a short one past each of its blocks. So every layer
    that a value passes later ranks lower, and both classifiers of a model with two rank 0. A batch
    norm ranks as the layer it follows; one that follows none, as the first layer. Models inside
    the model are opened; a layer made of layers, such as `NetVLAD`, is one.

    Args:
        model: functional, built.

    Returns:
        The layers with weights, from the input to the output, each with its rank.

    Example:
        >>> first, last = keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="last")
        >>> inputs = keras.Input((4,))
        >>> found = ranks(keras.Model(inputs, last(first(inputs))))
        >>> {layer.name: rank for layer, rank in found.items()}
        {'first': 1, 'last': 0}
    """
    found: dict[keras.Layer, int] = {}
    _rank(model, [0] * len(model.outputs), found)
    last = max((rank for layer, rank in found.items() if has_kernel(layer)), default=0)
    return {layer: min(rank, last) for layer, rank in reversed(found.items())}


def parts(model: keras.Model) -> dict[str, dict[str, keras.Variable]]:
    """The weights of a model and of each model inside it, by names that tell the two apart.

    A variable's own path lacks the models around its layer, and Keras numbers layers on through
    all of a process: the second of two alike streams begins at `conv2d_5`. Here a name has the
    models that it is in, from the part on, and numbers begin anew in each.

    Args:
        model: functional, built.

    Returns:
        Weights by name, of each part by its name, such as `spatial/cnn_m_2048`, outer ones first;
        the model itself is the part "".

    Example:
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(3, name="dense_7")(inputs))
        >>> sorted(parts(model)[""])
        ['dense/bias', 'dense/kernel']
    """
    whole: dict[str, keras.Variable] = {}
    inside: dict[str, dict[str, keras.Variable]] = {}
    for name, layer in _named(model.layers).items():
        inner = inner_model(layer)
        if inner is None:
            for weight in layer.weights:
                whole[f"{name}/{_path_in(layer, weight)}"] = weight
            continue
        of_layer = parts(inner)
        whole |= {f"{name}/{path}": weight for path, weight in of_layer[""].items()}
        inside |= {f"{name}/{part}".rstrip("/"): weights for part, weights in of_layer.items()}
    return {"": whole} | inside


def _named(some: list[keras.Layer]) -> dict[str, keras.Layer]:
    """Layers with weights by their names, of which those that differ by a number are counted."""
    alike: dict[str, list[tuple[int, keras.Layer]]] = {}
    for layer in some:
        if layer.weights:
            found = _NUMBERED.fullmatch(layer.name)
            base, number = found.groups() if found else (layer.name, None)
            alike.setdefault(base, []).append((int(number or 0), layer))
    return {
        f"{base}_{i}" if i else base: layer
        for base, numbered in alike.items()
        for i, (_, layer) in enumerate(sorted(numbered, key=lambda pair: pair[0]))
    }


def _path_in(layer: keras.Layer, weight: keras.Variable) -> str:
    """The path of a weight behind the name of its layer, such as `assignment/kernel`."""
    return f"/{weight.path}".partition(f"/{layer.name}/")[2] or weight.path


def _rank(model: keras.Model, behind: list[int], found: dict[keras.Layer, int]) -> int:
    """Ranks the layers of a model, from its output to its input.

    Args:
        model: functional.
        behind: for each output, how many layers with a kernel follow on the longest way.
        found: gets the ranks; of a layer that is used several times, the highest.

    Returns:
        How many layers with a kernel follow the inputs on the longest way.
    """
    after: dict[int, int] = {}
    _raise(after, model.outputs, behind)
    for depth in sorted(model._nodes_by_depth):  # 0 is the output.
        for node in model._nodes_by_depth[depth]:
            at_outputs = [after.get(id(tensor), 0) for tensor in node.output_tensors]
            before = _rank_layer(node.operation, at_outputs, found)
            _raise(after, node.input_tensors, [before] * len(node.input_tensors))
    return max(after.get(id(tensor), 0) for tensor in model.inputs)


def _rank_layer(operation, behind: list[int], found: dict[keras.Layer, int]) -> int:
    """Ranks an operation of a model; returns how many layers follow what enters it."""
    rank = max(behind)
    if not isinstance(operation, keras.Layer) or not operation.weights:
        return rank
    inner = inner_model(operation)
    if inner is not None:
        whole = len(inner.outputs) == len(behind)
        return _rank(inner, behind if whole else [rank] * len(inner.outputs), found)
    found[operation] = max(rank, found.pop(operation, 0))
    return found[operation] + has_kernel(operation)


def _raise(after: dict[int, int], tensors: list, values: list[int]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        after[id(tensor)] = max(value, after.get(id(tensor), 0))
