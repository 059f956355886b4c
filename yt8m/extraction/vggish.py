"""VGGish: a network that makes 0.96 seconds of sound a vector of 128 values.

The architecture is that of https://arxiv.org/abs/1609.09430 as it was published with AudioSet:
https://github.com/tensorflow/models/tree/master/research/audioset/vggish
"""

from __future__ import annotations

import dataclasses
import os

import keras
import numpy as np
import tensorflow as tf

from yt8m.base import archives
from yt8m.base.errors import UserError, first_line
from yt8m.extraction import log_mel

SIZE = 128
_HDF5 = (".h5", ".hdf5", ".keras")
_SCOPE = "vggish"


def build(
    channels: tuple[int, int, int, int] = (64, 128, 256, 512),
    hidden: int = 4096,
    size: int = SIZE,
) -> keras.Model:
    """The network, with random weights.

    Args:
        channels: of its four groups of convolutions; there are one, one, two and two in them.
        hidden: units of each of its two hidden layers.
        size: of the embedding.

    Returns:
        A model of examples (batch, 96, 64), see `log_mel.examples`. It answers the embedding
        (batch, size), before any activation. Its layers are called as the published variables,
        with `_` in place of `/`.
    """
    examples = keras.Input((log_mel.EXAMPLE_ROWS, log_mel.NUM_BANDS), name="examples")
    x = keras.layers.Reshape((*examples.shape[1:], 1))(examples)
    for number, (width, repeats) in enumerate(zip(channels, (1, 1, 2, 2), strict=True), start=1):
        for name in _names(f"conv{number}", repeats):
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    x = keras.layers.Flatten()(x)
    for name in _names("fc1", 2):
        x = keras.layers.Dense(hidden, activation="relu", name=name)(x)
    return keras.Model(examples, keras.layers.Dense(size, name="fc2")(x), name=_SCOPE)


def load(path: str) -> keras.Model:
    """The network with the weights of a file.

    Args:
        path: the published checkpoint, `vggish_model.ckpt`, or weights that Keras wrote.

    Raises:
        UserError: there is no such file, or it holds other weights.
    """
    _check_exists(path)
    model = build()
    fill(model, path)
    return model


def fill(model: keras.Model, path: str) -> None:
    """Sets the weights of the network from a file, see `load`."""
    _check_exists(path)
    try:
        if path.endswith(_HDF5):
            archives.check_if_zipped(path)
            model.load_weights(path)
        else:
            _fill_from_checkpoint(model, path)
    except Exception as error:  # noqa: BLE001  Keras, h5py and TensorFlow raise many kinds.
        reason = first_line(error).rstrip(".")
        raise UserError(
            f"{path} holds no weights of VGGish ({reason}). Name the published vggish_model.ckpt, "
            "or weights that Keras wrote of the same network."
        ) from None


def _check_exists(path: str) -> None:
    has_index = not path.endswith(_HDF5) and os.path.isfile(f"{path}.index")
    if not (os.path.isfile(path) or has_index):
        raise UserError(
            f"There is no file {path}. Name the published vggish_model.ckpt, or weights of Keras."
        )


def variable_name(layer: str, weight: str) -> str:
    """What the published checkpoint calls a weight, such as `vggish/conv3/conv3_1/weights`."""
    group = layer.partition("_")[0]
    scope = f"{group}/{layer}" if group != layer else layer
    return f"{_SCOPE}/{scope}/{ {'kernel': 'weights', 'bias': 'biases'}[weight] }"


@dataclasses.dataclass(frozen=True)
class Projection:
    """What is done to embeddings before they are made bytes.

    Attributes:
        eigenvectors: (128, 128), one a row, divided by the square roots of their eigenvalues.
        means: (128,).
    """

    eigenvectors: np.ndarray
    means: np.ndarray

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """(examples, 128) embeddings to values in about [-2, 2]."""
        return (embeddings - self.means) @ self.eigenvectors.T


def load_projection(path: str) -> Projection:
    """Reads the published `vggish_pca_params.npz`.

    Raises:
        UserError: the file is not there, or holds other weights.
    """
    names = ("pca_eigen_vectors", "pca_means")
    try:
        held = archives.read_arrays(path, names)
        vectors, means = (np.asarray(values, np.float64) for values in held)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read as vggish_pca_params.npz, which has {' and '.join(names)}: "
            f"{str(error).rstrip('.')}."
        ) from None
    if vectors.shape != (SIZE, SIZE) or means.size != SIZE:
        raise UserError(
            f"{path} must hold {names[0]} {[SIZE, SIZE]} and {names[1]} {[SIZE]}. "
            f"Received: {list(vectors.shape)} and {list(means.shape)}."
        )
    if not (np.isfinite(vectors).all() and np.isfinite(means).all()):
        raise UserError(f"{path} holds values that are not finite.")
    return Projection(vectors, means.reshape(-1))


def _names(group: str, repeats: int) -> list[str]:
    return [group] if repeats == 1 else [f"{group}_{i}" for i in range(1, repeats + 1)]


def _fill_from_checkpoint(model: keras.Model, path: str) -> None:
    reader = tf.train.load_checkpoint(path)
    places = {
        variable_name(layer.name, weight.name): weight
        for layer in model.layers
        for weight in layer.weights
    }
    shapes = reader.get_variable_to_shape_map()
    for name, weight in places.items():
        if shapes[name] != list(weight.shape):
            raise ValueError(f"{name} is {shapes[name]}, not {list(weight.shape)}")
    for name, weight in places.items():
        weight.assign(reader.get_tensor(name))
