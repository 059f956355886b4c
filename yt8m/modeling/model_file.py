"""Reads model.keras, a file that somebody may have damaged or changed. Needs no TensorFlow.

It is a zip file of a description, `config.json`, and of weights. Keras builds what the description
says, and fills it with the weights then: so what is built is held against the size of the file.
"""

from __future__ import annotations

import contextlib
import math
import re
import zipfile
from collections.abc import Callable, Iterator

import keras

from yt8m.base import archives, json_files
from yt8m.data.schema import Schema
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.modeling import keras_model, memory

_CONFIG = "config.json"
# The largest models here have half a megabyte.
_MOST_CONFIG_BYTES = 16 << 20
# Values that a model may have besides those that its file holds.
_MORE_VALUES = 1 << 20
_BEFORE_THE_REASON = "Exception encountered: "
_MOST_LETTERS = 200
# Of a scope of TensorFlow, which a layer opens when it is called.
_NAME = re.compile(r"[A-Za-z0-9_.\\/>-]+")


def read(path: str) -> keras.Model:
    """Reads a model.

    Args:
        path: of the file, which Keras wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, holds no model, or describes one that is far larger than its
            weights.
    """
    with archives.opened(path) as archive:
        _check_config(archive)
        held = sum(info.file_size for info in archive.infolist())
    try:
        with _weights_of_at_most(held + _MORE_VALUES):
            model = keras.saving.load_model(path, compile=False)
    except MemoryError:
        raise ValueError("it describes a model that does not fit into memory") from None
    except Exception as error:  # What Keras, HDF5 and layers raise for what they do not expect.
        raise ValueError(_reason(error)) from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"it holds a {type(model).__name__}, and no model")
    names = (layer.name for layer in model._flatten_layers())
    wrong = next((name for name in names if not _NAME.fullmatch(name)), None)
    if wrong is not None:
        raise ValueError(f"its layer {wrong[:80]!r} has a name that TensorFlow does not take")
    return model


def _check_config(archive: zipfile.ZipFile) -> None:
    content = archives.read_member(archive, _CONFIG, _MOST_CONFIG_BYTES)
    try:
        json_files.parse_object(content)
    except ValueError as error:
        raise ValueError(f"its {_CONFIG} cannot be read: {error}") from None


def _reason(error: Exception) -> str:
    """What Keras says at the end of a report that holds the whole description of a model."""
    text = str(error).rpartition(_BEFORE_THE_REASON)[2].strip()
    line = next(iter(text.splitlines()), "")[:_MOST_LETTERS]
    return f"Keras cannot make a model of it ({type(error).__name__}: {line})"


def check_fits(model: keras.Model, schema: Schema | ClipSchema, num_classes: int) -> None:
    """Fails where a model is not of the records and the vocabulary that its run tells of.

    Args:
        model: from a dict of inputs to probabilities.
        schema: what the run learnt from.
        num_classes: the size of its vocabulary.

    Raises:
        ValueError: it is another one; says what differs.
    """
    inputs = getattr(model, "input", None)  # A model that was never called has none.
    takes = {n: (x.shape, x.dtype) for n, x in inputs.items()} if isinstance(inputs, dict) else {}
    expected = {name: (x.shape, x.dtype) for name, x in keras_model.make_inputs(schema).items()}
    if takes != expected:
        raise ValueError(f"it takes {_shown(takes)}, but by run.json it takes {_shown(expected)}")
    answer = getattr(getattr(model, "output", None), "shape", None)
    if answer != (None, num_classes):
        raise ValueError(f"it answers {answer}, but by run.json it has {num_classes} classes")


def _shown(inputs: dict[str, tuple[tuple, str]]) -> str:
    parts = (f"{name} {dtype}{list(shape)}" for name, (shape, dtype) in inputs.items())
    return ", ".join(parts) or "no inputs by name"


@contextlib.contextmanager
def _weights_of_at_most(most: int) -> Iterator[None]:
    """Fails, before the memory is taken, where layers that are built have more values in all.

    Raises:
        ValueError: in the layer that is one too many.
    """
    count = 0

    def add_weight(original: Callable, layer: keras.layers.Layer, shape=None, *args, **settings):
        nonlocal count
        sizes = shape if isinstance(shape, (tuple, list)) else ()
        count += math.prod(size for size in sizes if isinstance(size, int))
        if count > most:
            raise ValueError(
                f"it describes a model of {count:,} weights or more, but its file has room for "
                f"{most - _MORE_VALUES:,} at most"
            )
        return original(layer, shape, *args, **settings)

    with memory.wrapped(keras.layers.Layer, "add_weight", add_weight):
        yield
