"""What becomes of each kind of image layer when an image network is inflated to clips."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import keras
from keras import layers, ops

from frame_models.pixels.layers.clip_pooling import ClipAveragePooling, ClipMaxPooling
from frame_models.pixels.layers.conv3d import Conv3D
from frame_models.pixels.layers.depthwise_conv3d import DepthwiseConv3D
from frame_models.pixels.layers.local_response_norm import LocalResponseNormalization
from frame_models.pixels.layers.pad_clip import PadClip
from video_models.layers.batch_norm import BatchNorm


@dataclasses.dataclass(frozen=True)
class InTime:
    """What inflated layers do in time; see `inflate`.

    Attributes:
        kernel: steps of time that a kernel spans; None for as many as it spans rows.
        strides: whether a layer that moves by several rows moves as far in time.
        space_only: the names of layers that leave time alone.
        edges: how a clip is padded before its first and behind its last frame, see `PadClip`.
    """

    kernel: int | None
    strides: bool
    space_only: tuple[str, ...]
    edges: str

    def kernel_of(self, layer: keras.layers.Layer, side: int) -> int:
        """How many steps of time the kernel of a layer spans that spans `side` rows."""
        if side == 1 or layer.name in self.space_only:
            return 1
        return side if self.kernel is None else self.kernel

    def strides_of(self, layer: keras.layers.Layer, stride: int) -> int:
        """How far the kernel of a layer moves in time that moves `stride` rows."""
        return stride if self.strides and layer.name not in self.space_only else 1


# Of a clip's tensor to the next, and the layers that take the image layer's weights, in order.
Inflated = tuple[Callable, tuple[keras.layers.Layer, ...]]


def _same(size: int | None, kernel: int, stride: int) -> tuple[int, int]:
    """What "same" padding adds to an axis, before and behind."""
    if stride == 1:
        total = kernel - 1
    elif size is None:
        raise ValueError(
            "A layer with strides can only be inflated for clips of a known height and width. "
            "Received: None."
        )
    else:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convolution(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Inflates `Conv2D`: pads time, and space with it, then convolves."""
    kernel, strides = _kernel_and_strides(layer, in_time)
    pads_space = layer.padding == "same" and kernel[0] > 1
    new = Conv3D.from_config(
        layer.get_config()
        | {
            "kernel_size": kernel,
            "strides": strides,
            "padding": "valid" if pads_space else layer.padding,
            "dilation_rate": (1, *layer.dilation_rate),
        }
    )
    spans = [(k - 1) * d + 1 for k, d in zip(kernel[1:], layer.dilation_rate, strict=True)]

    pad = _padding_of(layer, in_time)

    def function(x):
        if kernel[0] == 1:
            return new(x)
        time = _same(x.shape[1], kernel[0], strides[0])
        space = ((0, 0), (0, 0))
        if pads_space:
            space = tuple(map(_same, x.shape[2:4], spans, strides[1:]))
        return new(pad(time, *space)(x))

    return function, (new,)


def _padding_of(layer: keras.layers.Layer, in_time: InTime) -> Callable[..., PadClip]:
    """Makes what pads a clip before a layer: one layer for each amount, with its own name."""
    made = {}

    def pad(*amounts):
        if amounts not in made:
            name = f"{layer.name}_pad_clip" + (f"_{len(made)}" if made else "")
            made[amounts] = PadClip(*amounts, edges=in_time.edges, name=name)
        return made[amounts]

    return pad


def depthwise_convolution(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Inflates `DepthwiseConv2D`: pads time, convolves, and then does what it does behind that."""
    kernel, strides = _kernel_and_strides(layer, in_time)
    settings = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    new = DepthwiseConv3D(
        kernel,
        strides,
        layer.dilation_rate,
        layer.padding,
        layer.depth_multiplier,
        layer.use_bias,
        name=layer.name,
        **settings,
    )
    activation = layers.Activation(layer.activation, name=f"{layer.name}_activation", **settings)
    pad = _padding_of(layer, in_time)

    def function(x):
        if kernel[0] > 1:
            x = pad(_same(x.shape[1], kernel[0], strides[0]))(x)
        x = new(x)
        return x if layer.activation is keras.activations.linear else activation(x)

    return function, (new,)


def separable_convolution(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Inflates `SeparableConv2D`: a depthwise convolution, and one of single places."""
    settings = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    of_channels, new = depthwise_convolution(
        layers.DepthwiseConv2D(
            layer.kernel_size,
            layer.strides,
            layer.padding,
            layer.depth_multiplier,
            dilation_rate=layer.dilation_rate,
            use_bias=False,
            name=layer.name,
            **settings,
        ),
        in_time,
    )
    of_places = Conv3D(
        layer.filters,
        1,
        activation=layer.activation,
        use_bias=layer.use_bias,
        data_format="channels_last",
        name=f"{layer.name}_pointwise",
        **settings,
    )
    return lambda x: of_places(of_channels(x)), (*new, of_places)


def _kernel_and_strides(layer: keras.layers.Layer, in_time: InTime):
    """Of a convolution, in time, height and width."""
    kernel = (in_time.kernel_of(layer, max(layer.kernel_size)), *layer.kernel_size)
    return kernel, (in_time.strides_of(layer, layer.strides[0]), *layer.strides)


def pool(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Pools space as before, and then time where it is to stride, padded as by "same"."""
    maximum = isinstance(layer, layers.MaxPooling2D)
    kind = ClipMaxPooling if maximum else ClipAveragePooling
    size, strides = max(layer.pool_size), in_time.strides_of(layer, layer.strides[0])
    settings = {"data_format": "channels_last", "dtype": layer.dtype_policy}
    new = kind(
        (1, *layer.pool_size), (1, *layer.strides), layer.padding, name=layer.name, **settings
    )
    if not in_time.strides or layer.name in in_time.space_only or size == strides == 1:
        return new, ()
    then = kind((size, 1, 1), (strides, 1, 1), "same", name=f"{layer.name}_in_time", **settings)
    return lambda x: then(new(x)), ()


def pad_or_crop(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Pads or crops the frames alone."""
    if isinstance(layer, layers.ZeroPadding2D):
        kind, amount = layers.ZeroPadding3D, layer.padding
    else:
        kind, amount = layers.Cropping3D, layer.cropping
    new = kind(
        ((0, 0), *amount), data_format="channels_last", name=layer.name, dtype=layer.dtype_policy
    )
    return new, ()


def global_pool(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Pools the whole of each step of time."""
    average = isinstance(layer, layers.GlobalAveragePooling2D)
    reduce = ops.mean if average else ops.max
    return lambda x: reduce(x, axis=(2, 3), keepdims=layer.keepdims), ()


def reshape(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Reshapes each step of time, or flattens it."""
    made = {}

    def function(x):
        if isinstance(layer, layers.Flatten):
            shape = (math.prod(x.shape[2:]),)
        else:
            shape = layer.compute_output_shape((None, *x.shape[2:]))[1:]
        shape = (-1 if x.shape[1] is None else x.shape[1], *shape)
        if shape not in made:
            name = layer.name + (f"_{len(made)}" if made else "")
            made[shape] = layers.Reshape(shape, name=name)
        return made[shape](x)

    return function, ()


def copied(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Copies a layer that works on any number of axes; an axis counted from the front moves on."""
    config = layer.get_config()
    if config.get("axis") is not None:
        config["axis"] = keras.tree.map_structure(lambda a: a + (a > 0), config["axis"])
    if config.get("noise_shape") is not None:  # Of a dropout: what it draws, a clip draws once.
        first, *others = config["noise_shape"]
        config["noise_shape"] = (first, 1, *others)
    new = type(layer).from_config(config)
    return new, (new,)


def merged(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Merges tensors; the axes that one lacks come behind time, where Keras puts them in front."""
    new = type(layer).from_config(layer.get_config())

    def function(tensors):
        rank = max(len(x.shape) for x in tensors)
        return new([_with_axes(x, rank) for x in tensors])

    return function, ()


def _with_axes(x: keras.KerasTensor, rank: int) -> keras.KerasTensor:
    for _ in range(rank - len(x.shape)):
        x = ops.expand_dims(x, 2)
    return x


def channel_dropout(layer: keras.layers.Layer, in_time: InTime) -> Inflated:
    """Drops a channel of a whole clip."""
    settings = {"data_format": "channels_last", "name": layer.name, "dtype": layer.dtype_policy}
    return layers.SpatialDropout3D(layer.rate, **settings), ()


def elementwise(operation: keras.Operation, in_time: InTime) -> Inflated:
    """Keeps an operation that is no layer, such as the sum of `x + 3`."""
    return operation, ()


def inflater(operation: keras.Operation) -> Callable[[keras.Operation, InTime], Inflated] | None:
    """What inflates this layer or operation; None where nothing does."""
    kind = type(operation)
    if kind in KINDS:
        return KINDS[kind]
    if kind.__module__.startswith(_APPLICATIONS) and kind.__name__ in _OF_APPLICATIONS:
        return copied
    is_bare = not isinstance(operation, keras.layers.Layer)
    return elementwise if is_bare and kind.__name__ in _ELEMENTWISE else None


# What networks of keras.applications have besides public layers: layers that work on any number of
# axes, and operations on tensors.
_APPLICATIONS = "keras.src.applications."
_OF_APPLICATIONS = ("CustomScaleLayer", "LayerScale", "StochasticDepth")
_ELEMENTWISE = frozenset(
    "Absolute Add Celu Clip Elu Exp Gelu HardSigmoid HardSilu LeakyRelu Maximum Minimum Mish "
    "Multiply Negative Power ReLU Relu Relu6 Selu Sigmoid Silu Softplus Softsign Sqrt Square "
    "Subtract Tanh TrueDivide".split()
)

KINDS = {
    layers.Conv2D: convolution,
    layers.DepthwiseConv2D: depthwise_convolution,
    layers.SeparableConv2D: separable_convolution,
    layers.MaxPooling2D: pool,
    layers.AveragePooling2D: pool,
    layers.ZeroPadding2D: pad_or_crop,
    layers.Cropping2D: pad_or_crop,
    layers.GlobalAveragePooling2D: global_pool,
    layers.GlobalMaxPooling2D: global_pool,
    layers.Flatten: reshape,
    layers.Reshape: reshape,
    layers.SpatialDropout2D: channel_dropout,
}
KINDS |= dict.fromkeys(
    (
        BatchNorm,
        LocalResponseNormalization,
        layers.BatchNormalization,
        layers.LayerNormalization,
        layers.Normalization,
        layers.Rescaling,
        layers.Dense,
        layers.Activation,
        layers.ReLU,
        layers.LeakyReLU,
        layers.ELU,
        layers.Softmax,
        layers.Dropout,
        layers.GaussianNoise,
        layers.Identity,
        layers.Concatenate,
    ),
    copied,
)
KINDS |= dict.fromkeys(
    (
        layers.Add,
        layers.Average,
        layers.Maximum,
        layers.Minimum,
        layers.Multiply,
        layers.Subtract,
    ),
    merged,
)
