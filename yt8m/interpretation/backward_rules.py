"""Backward passes through ReLU and max pools other than the gradient's. For TensorFlow's graphs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import tensorflow as tf

DECONVNET = "deconvnet"
GUIDED = "guided"
GRADIENT = "gradient"
METHODS = (DECONVNET, GUIDED, GRADIENT)
_RELU = ("Relu", "Relu6")
_POOLS = ("MaxPool", "MaxPool3D")
_SWITCHES = "SwitchesOfMaxPool"


@contextlib.contextmanager
def rules(method: str) -> Iterator[None]:
    """Gives the operations that are made inside the block the backward pass of a method.

    It is for code that is being traced, whose gradients `tf.gradients` takes afterwards. Every
    ReLU is reached, whichever layer it is in.

    Args:
        method: `deconvnet` passes the positive part of what comes from above, whatever the ReLU
            saw; `guided` passes it where the ReLU was active, as the gradient does; `gradient`
            changes nothing. The first two send what comes through a max pool back to the place
            of the maximum alone, the first one of several that are alike.

    Raises:
        ValueError: there is no such method.

    Reference:
        Zeiler and Fergus, Visualizing and understanding convolutional networks,
        https://arxiv.org/abs/1311.2901, section 2.1; Springenberg et al., Striving for simplicity,
        https://arxiv.org/abs/1412.6806, section 3.4.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}. Received: method={method}.")
    if method == GRADIENT:
        yield
        return
    names = dict.fromkeys(_RELU, _name(method)) | dict.fromkeys(_POOLS, _SWITCHES)
    with tf.compat.v1.get_default_graph().gradient_override_map(names):
        yield


def _name(method: str) -> str:
    return f"{method.capitalize()}Relu"


@tf.RegisterGradient(_name(DECONVNET))
def _deconvnet(operation: tf.Operation, above: tf.Tensor) -> tf.Tensor:
    return tf.maximum(above, 0)


@tf.RegisterGradient(_name(GUIDED))
def _guided(operation: tf.Operation, above: tf.Tensor) -> tf.Tensor:
    value = operation.outputs[0]
    active = value > 0
    if operation.type == "Relu6":
        active &= value < 6
    return tf.where(active, tf.maximum(above, 0), 0)


@tf.RegisterGradient(_SWITCHES)
def _switches(operation: tf.Operation, above: tf.Tensor) -> tf.Tensor:
    """Sends each value back to where the maximum of its window was first seen.

    On some machines TensorFlow's own gradient of a pool over three axes gives the value to every
    place that has the maximum: in a window of zeros, of which there are many behind ReLU, to all.
    """
    x, maxima = operation.inputs[0], operation.outputs[0]
    kernel, strides = operation.get_attr("ksize"), operation.get_attr("strides")
    before, behind = _padding(operation, x, maxima)
    padded = tf.pad(x, list(zip(before, behind, strict=True)), constant_values=x.dtype.min)
    taken = tf.zeros_like(maxima, tf.bool)
    back = tf.zeros_like(padded)
    for first in itertools.product(*map(range, kernel)):
        end = [f + (n - 1) * s + 1 for f, n, s in zip(first, maxima.shape, strides, strict=True)]
        here = (tf.strided_slice(padded, first, end, strides) == maxima) & ~taken
        taken |= here
        back += tf.raw_ops.StridedSliceGrad(
            shape=padded.shape,
            begin=first,
            end=end,
            strides=strides,
            dy=tf.where(here, above, 0),
        )
    return tf.slice(back, before, x.shape)


def _padding(
    operation: tf.Operation, x: tf.Tensor, maxima: tf.Tensor
) -> tuple[list[int], list[int]]:
    """What a pool adds to each axis, before and behind."""
    if operation.get_attr("padding") == b"VALID":
        return [0] * len(x.shape), [0] * len(x.shape)
    kernel, strides = operation.get_attr("ksize"), operation.get_attr("strides")
    totals = [
        max((outer - 1) * stride + size - inner, 0)
        for inner, outer, size, stride in zip(x.shape, maxima.shape, kernel, strides, strict=True)
    ]
    return [total // 2 for total in totals], [total - total // 2 for total in totals]
