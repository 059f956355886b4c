"""Inflating an image network to one of clips: each kernel repeated along time."""

import keras
import numpy as np
from keras import layers, ops

from frame_models.pixels.layers.inflated_layers import KINDS, InTime
from frame_models.pixels.layers.pad_clip import EDGES


def inflate(
    image_model: keras.Model,
    time_kernel: int | None = None,
    *,
    num_frames: int | None = None,
    time_strides: bool = False,
    space_only: tuple[str, ...] = (),
    edges: str = "replicate",
) -> keras.Model:
    """Makes a network of clips of an image network, with the image network's weights.

    A kernel of k x k becomes one of N x k x k: its copies along time, divided by N. So a clip of
    one repeated image gives at every step of time what the image network gives for the image. A
    kernel of 1 x 1 stays one. Each layer keeps its name. Time is padded so that every frame stays,
    whatever the padding in space; dense layers and global pools work on each step of time.

    Args:
        image_model: a functional model of one image (height, width, channels), of convolutions
            plain and depthwise, pools, padding, normalisation, activations, sums, products and
            the like, channels last.
        time_kernel: N, or None for as far in time as in space, k.
        num_frames: of a clip; None leaves it open, which `time_strides` does not allow.
        time_strides: let what strides in space stride in time as well, and pools reach as far in
            time as in space. Otherwise the clip keeps its length.
        space_only: names of layers that leave time alone: no kernel in time, no stride. I3D has
            the first two max pools so.
        edges: what is beyond the ends of a clip. "replicate" repeats the first and the last frame,
            so that what is said above holds at every step; "zeros", as published, breaks it at the
            ends.

    Returns:
        A model from (time, height, width, channels) to what the image model answers, with an axis
        of time before the others. It keeps the name of the image model.

    Raises:
        ValueError: an argument is out of its range, or the image model has several inputs or a
            layer that cannot be inflated; the error names it.

    Reference:
        Carreira and Zisserman, Quo vadis, action recognition? https://arxiv.org/abs/1705.07750,
        section 2.3.
    """
    if edges not in EDGES:
        raise ValueError(f"edges must be one of {', '.join(EDGES)}. Received: edges={edges!r}.")
    if time_kernel is not None and time_kernel < 1:
        raise ValueError(f"time_kernel must be positive. Received: time_kernel={time_kernel}.")
    if time_strides and num_frames is None:
        raise ValueError(
            "Strides in time need the length of a clip. "
            "Received: time_strides=True, num_frames=None."
        )
    _check_model(image_model, space_only)
    in_time = InTime(time_kernel, time_strides, tuple(space_only), edges)
    graph = keras.Model(image_model.input, image_model.output, name=image_model.name)
    clip = keras.Input((num_frames, *graph.input.shape[1:]), dtype=graph.input.dtype)
    pairs = []

    def convert(layer):
        function, new = KINDS[type(layer)](layer, in_time)
        if new is not None:
            pairs.append((layer, new))
        return function

    clips = keras.models.clone_model(graph, clip, clone_function=convert)
    for layer, new in pairs:
        _take_weights(layer, new)
    return clips


def _check_model(model: keras.Model, space_only: tuple[str, ...]):
    """Refuses what cannot be inflated, by name."""
    if not isinstance(model.input, keras.KerasTensor) or len(model.input.shape) != 4:
        raise ValueError(
            "An image model must have one input (height, width, channels). "
            f"Received: {model.name} of {model.input}."
        )
    operations = [operation for operation in model.operations if not _is_input(operation)]
    for operation in operations:
        if type(operation) not in KINDS:
            known = ", ".join(sorted(kind.__name__ for kind in KINDS))
            raise ValueError(
                f"The layer {operation.name} of {model.name} cannot be inflated: only {known} can. "
                f"Received: a layer of class {type(operation).__name__}."
            )
        if getattr(operation, "data_format", "channels_last") != "channels_last":
            raise ValueError(
                f"The layer {operation.name} of {model.name} cannot be inflated: channels must "
                f"come last. Received: data_format={operation.data_format!r}."
            )
    unknown = set(space_only) - {operation.name for operation in operations}
    if unknown:
        raise ValueError(
            f"space_only must name layers of {model.name}. Received: space_only={space_only}, of "
            f"which it lacks {', '.join(sorted(unknown))}."
        )


def _is_input(operation: keras.Operation) -> bool:
    return isinstance(operation, layers.InputLayer)


def _take_weights(layer: keras.layers.Layer, new: keras.layers.Layer):
    """Copies the weights of an image layer, kernels repeated in time and divided by how often."""
    for weight, target in zip(layer.weights, new.weights, strict=True):
        value = ops.convert_to_numpy(weight)
        if len(weight.shape) < len(target.shape):
            value = np.broadcast_to(value / target.shape[0], target.shape)
        target.assign(value)
    if isinstance(new, layers.Normalization):
        new.finalize_state()
