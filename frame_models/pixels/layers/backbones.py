"""Image networks by name: those of `keras.applications`, and those of this package."""

import difflib
import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable

import keras

from frame_models.pixels import layers
from frame_models.pixels.layers import image_file
from frame_models.pixels.layers.image_colors import ImageColors, colors_of
from frame_models.pixels.layers.sub_network import add_network

IMAGENET = "imagenet"
# The least and the greatest pixel that reaches a network, where nothing else is said.
PIXEL_RANGE = (-1.0, 1.0)


def names() -> list[str]:
    """The names of all backbones, sorted.

    Those of `keras.applications` are its functions' names in lower case. One of this package is a
    function of a module beside this one, with its own name, whose first parameters are `shape` and
    `width` and which returns a `keras.Model` from pixels between -1 and 1 to a map or a vector.

    Example:
        >>> {"resnet50", "karpathy"} <= set(names())
        True
    """
    return sorted([*_applications(), *_own()])


def canonical(name: str) -> str:
    """The name of a backbone as `names` has it, of the name as people write it.

    Capitals and what is no letter or digit do not matter. The path of a file, and what is no name,
    stay as they are.

    Example:
        >>> canonical("InceptionV3"), canonical("EfficientNetV2-B0"), canonical("CNN-M-2048")
        ('inceptionv3', 'efficientnetv2b0', 'cnn_m_2048')
    """
    if image_file.is_file(name):
        return name
    known = {_letters(other): other for other in names()}
    return known.get(_letters(name), name)


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def add_backbone(
    images: keras.KerasTensor,
    name: str,
    *,
    weights: str | None = None,
    width: float = 1.0,
    momentum: float | None = None,
    pixel_range: tuple[float, ...] | None = None,
) -> keras.KerasTensor:
    """Applies a backbone to images.

    Args:
        images: (batch, height, width, channels), from -1 to 1, of known height and width.
        name: of the backbone, see `names` and `canonical`; or the path of a `.keras` file of an
            image network, whose weights are then the start.
        weights: None for random ones; "imagenet" for those that Keras downloads; or the path of a
            local file of weights for the network, without its classifier.
        width: scales the number of channels of every layer. Of `keras.applications`, MobileNets
            alone can.
        momentum: of the moving statistics of its batch norms, at least 0 and below 1; None keeps
            the backbone's own.
        pixel_range: the least and the greatest value of the pixels that the network of a file
            takes, such as (0.0, 255.0); by default -1 and 1. The others know theirs.

    Returns:
        (batch, height, width, channels), the last map, or (batch, size) where the backbone ends in
        a vector.

    Raises:
        ValueError: there is no such backbone, it does not take such images or such a width, it has
            no batch norms and a momentum is given or that is out of its range, or the weights are
            not there or are of another network.

    Example:
        >>> add_backbone(keras.Input((24, 24, 3)), "cnn_m_2048", width=1 / 64).shape
        (None, 32)
    """
    shape = tuple(images.shape[1:])
    if None in shape:
        raise ValueError(f"Frames must be of a known size. Received: shape={shape}.")
    name = canonical(name)
    if image_file.is_file(name):
        network = _of_file(name, shape, width, weights, pixel_range)
        if momentum is not None:
            _set_momentum(network, name, momentum)
        low, high = pixel_range or PIXEL_RANGE
        if (low, high) != PIXEL_RANGE:
            images = _range(shape[-1], low, high)(images)
        return add_network(images, network, copy_weights=True)
    if pixel_range is not None:
        raise ValueError(
            f"pixel_range is for a backbone in a file; {name} knows its own. "
            f"Received: pixel_range={pixel_range}."
        )
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"backbone must be one of {', '.join(names())}.{hint} Received: backbone={name!r}."
        )
    if weights not in (None, IMAGENET) and not os.path.isfile(weights):
        raise ValueError(
            "weights must be None, 'imagenet' or the path of a file, and there is no such file. "
            f"Received: weights={weights!r}."
        )
    if name in _own():
        network = _own_network(name, shape, width, weights)
    else:
        network = _application(name, shape, width, weights)
        images = _colors(_applications()[name])(images)
    if weights not in (None, IMAGENET):
        _load(network, name, weights)
    if momentum is not None:
        _set_momentum(network, name, momentum)
    return add_network(images, network, copy_weights=weights is not None)


def _applications() -> dict[str, Callable]:
    functions = inspect.getmembers(keras.applications, inspect.isfunction)
    return {name.lower(): function for name, function in functions}


def _own() -> dict[str, Callable]:
    found = {}
    for info in pkgutil.iter_modules(layers.__path__, layers.__name__ + "."):
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and _is_backbone(name, function):
                found[name] = function
    return found


def _is_backbone(name: str, function: Callable) -> bool:
    signature = inspect.signature(function)
    is_public = not name.startswith("_")
    takes_both = list(signature.parameters)[:2] == ["shape", "width"]
    return is_public and takes_both and signature.return_annotation is keras.Model


def _of_file(
    path: str,
    shape: tuple[int, ...],
    width: float,
    weights: str | None,
    pixel_range: tuple[float, ...] | None,
) -> keras.Model:
    if width != 1:
        raise ValueError(f"The network of a file comes in one width. Received: width={width}.")
    if weights is not None:
        raise ValueError(
            "weights must be None for a backbone in a file, which holds its own. "
            f"Received: weights={weights!r}."
        )
    if pixel_range is not None and not (len(pixel_range) == 2 and pixel_range[0] < pixel_range[1]):
        raise ValueError(
            "pixel_range must be two numbers, the least and the greatest. "
            f"Received: pixel_range={pixel_range}."
        )
    return image_file.network(path, shape, pixel_range or PIXEL_RANGE)


def _range(channels: int, low: float, high: float) -> ImageColors:
    """Pixels from -1 to 1 to those of another range."""
    half = (high - low) / 2
    return ImageColors(tuple(range(channels)), (half,) * channels, (low + half,) * channels)


def _own_network(name: str, shape: tuple, width: float, weights: str | None) -> keras.Model:
    if weights == IMAGENET:
        raise ValueError(
            f"weights='imagenet' is for the networks of keras.applications; there are none for "
            f"{name!r}. Received: weights={weights!r}."
        )
    return _own()[name](shape, width)


def _application(name: str, shape: tuple, width: float, weights: str | None) -> keras.Model:
    build = _applications()[name]
    if shape[-1] != 3:
        raise ValueError(
            f"{name} is a network of images of 3 channels: show it flow as three channels, or take "
            f"{' or '.join(sorted(_own()))}. Received: channels={shape[-1]}."
        )
    settings = {}
    if width != 1:
        if "alpha" not in inspect.signature(build).parameters:
            raise ValueError(f"{name} comes in one width. Received: width={width}.")
        settings["alpha"] = width
    pretrained = IMAGENET if weights == IMAGENET else None
    try:
        return build(include_top=False, weights=pretrained, input_shape=shape, **settings)
    except ValueError:
        raise
    except Exception as error:  # Keras raises plain ones where it cannot download.
        raise ValueError(
            f"Keras has no {name} for frames of {shape[0]} x {shape[1]} pixels with these weights "
            f"({_first_line(error)}). Received: weights={weights!r}."
        ) from error


def _colors(build: Callable) -> keras.layers.Layer:
    module = sys.modules[build.__module__]
    return colors_of(lambda x: module.preprocess_input(x, data_format="channels_last"))


def _load(network: keras.Model, name: str, path: str):
    try:
        network.load_weights(path)
    except Exception as error:  # Keras and h5py raise many kinds for a file of something else.
        raise ValueError(
            f"The file holds no weights of {name} as it is built here, without a classifier "
            f"({_first_line(error)}). Received: weights={path!r}."
        ) from error


def _set_momentum(network: keras.Model, name: str, momentum: float):
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1. Received: momentum={momentum}.")
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    if not norms:
        raise ValueError(
            f"momentum is for backbones with batch norms, and {name} has none. "
            f"Received: momentum={momentum}."
        )
    for norm in norms:
        norm.momentum = momentum


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
