"""How Caffe and PyTorch lay out weights, and the mean that Caffe takes away. No TensorFlow."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator

import numpy as np

from frame_models.pixels.layers.subtract_mean import SubtractMean
from yt8m.base import archives
from yt8m.base.errors import UserError, first_line
from yt8m.conversion.networks import Network
from yt8m.conversion.weight_files import caffe_model
from yt8m.conversion.weight_places import Place

CAFFE, PYTORCH = "caffe", "pytorch"
# What the mean of a training is called among the variables of a file.
MEAN = "mean"
NO_MEAN = "none"


def convolution(kernel: np.ndarray) -> np.ndarray:
    """(outputs, inputs, places ...) to (places ..., inputs, outputs)."""
    return np.moveaxis(kernel, (0, 1), (-1, -2))


def dense(kernel: np.ndarray) -> np.ndarray:
    """(outputs, inputs), behind axes of one in early files of Caffe, to (inputs, outputs)."""
    return _without_ones(kernel, 2).T


def dense_of_map(shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """The same of a layer behind a map of (places ..., channels), which Caffe has first."""

    def convert(kernel: np.ndarray) -> np.ndarray:
        *places, channels = shape
        kernel = _without_ones(kernel, 2)
        apart = kernel.reshape(len(kernel), channels, *places)
        return np.moveaxis(apart, (0, 1), (-1, -2)).reshape(-1, len(kernel))

    return convert


def vector(bias: np.ndarray) -> np.ndarray:
    """A bias without axes of one."""
    return _without_ones(bias, 1)


def _without_ones(value: np.ndarray, axes: int) -> np.ndarray:
    while value.ndim > axes and value.shape[0] == 1:
        value = value[0]
    return value


def mean_places(network: Network) -> Iterator[Place]:
    """The place of the mean, in a network that takes one away."""
    for layer in network.of_kind(SubtractMean):
        fitted = functools.partial(_fitted, shape=tuple(layer.mean.shape))
        yield Place(layer.mean, (MEAN,), fitted)


def _fitted(mean: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The centre of a mean, as a network looks at the centre of frames; or one colour for all."""
    if mean.ndim == 1:
        return np.broadcast_to(mean, shape)
    if mean.ndim == 3:
        mean = mean[None]
    top, left = ((mean.shape[axis] - shape[axis]) // 2 for axis in (1, 2))
    if min(top, left) < 0:
        return mean
    return mean[:, top : top + shape[1], left : left + shape[2]]


def read_mean(text: str) -> np.ndarray:
    """The mean that a flag names.

    Args:
        text: three numbers with commas between them, one a channel; or a file: a `.binaryproto` of
            Caffe, or an `.npy` or an `.npz` of one array.

    Returns:
        (3,), (height, width, 3) or (time, height, width, 3) float32, of bytes from 0 to 255, its
        channels in the order in which the network takes them.

    Raises:
        UserError: it is none.
    """
    parts = text.split(",")
    try:
        if len(parts) == 3:
            mean = np.array([float(part) for part in parts], np.float32)
        elif text.endswith(".npy"):
            mean = archives.read_npy(text)
        elif text.endswith(".npz"):
            with archives.opened(text) as archive:
                (name,) = archive.namelist()
                mean = archives.read_array(archive, name)
        else:
            mean = caffe_model.read_blob(text)
        return _channels_last(mean)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error).rstrip(".")
        raise UserError(
            f"--mean must be three numbers, such as 104,117,128, or a file of a mean: a "
            f".binaryproto, .npy or .npz. Received: {os.fspath(text)[:200]} ({reason})."
        ) from None


def _channels_last(mean: np.ndarray) -> np.ndarray:
    mean = np.asarray(mean, np.float32)
    if mean.ndim == 5 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim == 4 and mean.shape[0] == 1 and mean.shape[1] == 3:
        mean = mean[0]
    if mean.ndim not in (1, 3, 4) or not np.isfinite(mean).all():
        raise ValueError(f"it has the shape {list(mean.shape)}")
    if mean.shape[-1] != 3 and mean.shape[0] == 3:
        mean = np.moveaxis(mean, 0, -1)
    if mean.shape[-1] != 3:
        raise ValueError(f"it has the shape {list(mean.shape)}, and none of its axes is of colours")
    return mean
