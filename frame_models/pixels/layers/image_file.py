"""Image networks in files that Keras wrote (`.keras`), with the weights in them."""

import os

import keras

ENDING = ".keras"
# A `Rescaling` by less takes bytes: those of Keras are 1/255 and 1/127.5.
_OF_BYTES = 0.05


def is_file(name: str) -> bool:
    """Whether the name of a backbone is that of a file.

    Example:
        >>> is_file("nets/efficientnet.keras"), is_file("resnet50")
        (True, False)
    """
    return name.endswith(ENDING)


def load(path: str) -> keras.Model:
    """Reads an image network: one input (height, width, channels), a map or a vector as output.

    Args:
        path: of the file.

    Returns:
        A functional model.

    Raises:
        ValueError: there is no such file, Keras cannot read it, or it holds another model.

    Example:
        >>> import tempfile
        >>> image = keras.Input((8, 8, 3))
        >>> path = os.path.join(tempfile.mkdtemp(), "network.keras")
        >>> keras.Model(image, keras.layers.Conv2D(4, 3)(image)).save(path)
        >>> load(path).output.shape
        (None, 6, 6, 4)
    """
    if not os.path.isfile(path):
        raise ValueError(f"backbone names a file that is not there. Received: backbone={path!r}.")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # What Keras, HDF5 and layers raise for what they do not expect.
        line = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise ValueError(
            f"Keras cannot read a network from the file ({type(error).__name__}: {line}). "
            f"Received: backbone={path!r}."
        ) from error
    _check(model, path)
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _check(model: keras.Model, path: str) -> None:
    inputs, outputs = (getattr(model, name, None) or [] for name in ("inputs", "outputs"))
    ranks = [len(getattr(tensor, "shape", ())) for tensor in (*inputs, *outputs)]
    if len(inputs) != 1 or len(outputs) != 1 or ranks[0] != 4 or ranks[1] not in (2, 4):
        raise ValueError(
            "The file must hold a network from one image (height, width, channels) to a map or a "
            f"vector. Received: backbone={path!r}."
        )


def network(path: str, shape: tuple[int, ...], pixel_range: tuple[float, ...]) -> keras.Model:
    """The network of a file, if it takes images of a shape.

    Args:
        path: of the file.
        shape: (height, width, channels).
        pixel_range: the least and the greatest value of its pixels.

    Raises:
        ValueError: as `load`; it takes other images; or it rescales bytes, which is not what
            `pixel_range` says.

    Example:
        >>> import tempfile
        >>> image = keras.Input((None, None, 3))
        >>> path = os.path.join(tempfile.mkdtemp(), "network.keras")
        >>> keras.Model(image, keras.layers.Conv2D(4, 3)(image)).save(path)
        >>> network(path, (16, 16, 3), (-1.0, 1.0)).output.shape
        (None, None, None, 4)
    """
    model = load(path)
    takes = tuple(model.input.shape[1:])
    if any(own not in (None, side) for own, side in zip(takes, shape, strict=True)):
        raise ValueError(
            f"The network takes frames of {_shown(takes)}, and these are of {_shown(shape)}. "
            f"Received: backbone={path!r}."
        )
    rescales = any(
        isinstance(layer, keras.layers.Rescaling) and _largest(layer.scale) < _OF_BYTES
        for layer in model.layers
    )
    if rescales and max(pixel_range) <= 1:
        raise ValueError(
            "The network rescales pixels from 0 to 255 by itself: give pixel_range=(0.0, 255.0). "
            f"Received: backbone={path!r}, pixel_range={tuple(pixel_range)}."
        )
    return model


def _largest(scale: float | list[float]) -> float:
    return max(keras.tree.flatten(scale))


def _shown(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape)
