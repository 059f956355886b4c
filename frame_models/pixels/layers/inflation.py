"""Inflating an image network to one of clips: each kernel repeated along time."""

import functools
from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import layers, ops

from frame_models.pixels.layers.inflated_layers import KINDS, InTime, inflater
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
            plain, depthwise and separable, pools, padding, normalisation, activations, sums,
            products and the like, channels last; models of these may be its layers. All networks
            of `keras.applications` are such.
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

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> network = keras.Model(image, keras.layers.Conv2D(4, 3, name="conv")(image))
        >>> clips = inflate(network, time_kernel=5)
        >>> clips.get_layer("conv").kernel_size, clips.output.shape
        ((5, 3, 3), (None, None, 6, 6, 4))
        >>> pixels = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
        >>> film = np.repeat(pixels[:, None], 7, axis=1)
        >>> answer = network(pixels)
        >>> bool(keras.ops.all(keras.ops.isclose(clips(film), answer[:, None], atol=1e-5)))
        True
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
    clip = keras.Input((num_frames, *image_model.input.shape[1:]), dtype=image_model.input.dtype)
    pairs = []

    @functools.cache
    def convert(operation):
        if isinstance(operation, keras.Model):
            return _nested(operation, convert)
        function, new = inflater(operation)(operation, in_time)
        pairs.append((operation, new))
        return function

    clips = _of_clips(image_model, clip, convert)
    for operation, new in pairs:
        if new:
            _take_weights(operation, new)
    return clips


def _of_clips(
    model: keras.Model, clip: keras.KerasTensor, convert: Callable, name: str | None = None
) -> keras.Model:
    """The graph of a model anew, on a clip."""
    graph = _graph(model, name or model.name)
    return keras.models.clone_model(graph, clip, clone_function=convert, recursive=False)


def _graph(model: keras.Model, name: str | None = None) -> keras.Model:
    """A functional model of the layers of a model, which may be sequential."""
    if not isinstance(model, keras.Sequential):
        return keras.Model(model.input, model.output, name=name)
    image = x = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype)
    for layer in model.layers:
        x = layer(x)
    return keras.Model(image, x, name=name)


def _nested(model: keras.Model, convert: Callable) -> Callable:
    """What becomes of a model that is a layer of another: one of clips for each size it is shown.

    They share their layers.
    """
    made = {}

    def function(x, **settings):
        shape = tuple(x.shape[1:])
        if shape not in made:
            name = model.name + (f"_{len(made)}" if made else "")
            made[shape] = _of_clips(model, keras.Input(shape, dtype=x.dtype), convert, name)
        return made[shape](x, **settings)

    return function


def _check_model(model: keras.Model, space_only: tuple[str, ...]):
    """Refuses what cannot be inflated, by name."""
    if not isinstance(model.input, keras.KerasTensor) or len(model.input.shape) != 4:
        raise ValueError(
            "An image model must have one input (height, width, channels). "
            f"Received: {model.name} of {model.input}."
        )
    operations = list(operations_of(model))
    for operation in operations:
        if inflater(operation) is None:
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


def operations_of(model: keras.Model) -> Iterator[keras.Operation]:
    """The layers and bare operations of a model and of the models in it, except their inputs.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> network = keras.Model(image, keras.layers.Conv2D(4, 3, name="conv")(image))
        >>> model = keras.Model(image, keras.layers.Flatten(name="flatten")(network(image)))
        >>> [operation.name for operation in operations_of(model)]
        ['conv', 'flatten']
    """
    for operation in _graph(model).operations:
        if isinstance(operation, keras.Model):
            yield from operations_of(operation)
        elif not isinstance(operation, layers.InputLayer):
            yield operation


def _take_weights(layer: keras.layers.Layer, new: tuple[keras.layers.Layer, ...]):
    """Copies the weights of an image layer, kernels repeated in time and divided by how often."""
    targets = [target for part in new for target in part.weights]
    for weight, target in zip(layer.weights, targets, strict=True):
        value = ops.convert_to_numpy(weight)
        if len(weight.shape) < len(target.shape):
            value = np.broadcast_to(value / target.shape[0], target.shape)
        target.assign(value)
    for part in new:
        if isinstance(part, layers.Normalization):
            part.finalize_state()
