"""Layers in mixed precision, held against float32 with the same rounded inputs and weights.

Usage: mixed_precision.py FLOAT32.npz, which holds `<case>/count` and `<case>/<index>`: what a layer
answers and its gradients. Prints, as JSON: name of a case -> how far what it answers and its
gradients are from those of float32, at most, in roundings (the type's epsilon) of the largest of
their root mean squares.
"""

import json
import math
import sys

import keras
import numpy as np
from keras import layers, ops

from frame_models.layers.recurrent_layer import RecurrentLayer
from frame_models.layers.transformer_block import TransformerBlock
from frame_models.pixels.layers.clip_pooling import ClipAveragePooling, ClipMaxPooling
from frame_models.pixels.layers.conv3d import Conv3D
from frame_models.pixels.layers.depthwise_conv3d import DepthwiseConv3D

EPSILON = {"mixed_bfloat16": 2.0**-8, "mixed_float16": 2.0**-11}
# Widths that fill no register, and those for which kernels were seen to fail.
WIDTHS = (7, 14, 33)
IMAGE, CLIP = (2, 5, 7), (1, 3, 5, 7)
LAST = {"data_format": "channels_last"}


class Products(layers.Layer):
    """Each frame times each other, as attention and pooling multiply."""

    def call(self, x):
        """Multiplies."""
        return ops.matmul(ops.matmul(x, ops.swapaxes(x, 1, 2)), x)


class OfFrames(layers.Layer):
    """A layer that takes frames and their mask, of which all are there."""

    def __init__(self, inner, **settings):
        super().__init__(**settings)
        self.inner = inner

    def build(self, shape):
        """Builds it."""
        self.inner.build(shape)

    def call(self, x):
        """What it makes of each frame."""
        made = self.inner(x, mask=ops.ones(ops.shape(x)[:2], "bool"))
        return made["frames"] if isinstance(made, dict) else made


def cases(width: int):
    """Name -> layer to make, and shape of its input."""
    image, clip, frames = (2, 5, 7, width), (1, 3, 5, 7, width), (2, 7, width)
    return {
        "dense": (lambda: layers.Dense(18), (5, width)),
        "convolution": (lambda: layers.Conv2D(14, 3, padding="same", **LAST), image),
        "strides": (lambda: layers.Conv2D(18, 3, strides=2, **LAST), image),
        "convolution 1-D": (lambda: layers.Conv1D(14, 3, **LAST), frames),
        "convolution 3-D": (lambda: Conv3D(14, 3, padding="same", **LAST), clip),
        "depthwise": (lambda: layers.DepthwiseConv2D(3, **LAST), image),
        "depthwise 3-D": (lambda: DepthwiseConv3D((3, 3, 3)), clip),
        "maximum": (lambda: layers.MaxPooling2D(3, 2, **LAST), image),
        "average": (lambda: layers.AveragePooling2D(3, 2, padding="same", **LAST), image),
        "maximum 3-D": (lambda: ClipMaxPooling(2, **LAST), clip),
        "average 3-D": (lambda: ClipAveragePooling(2, **LAST), clip),
        "global average": (lambda: layers.GlobalAveragePooling2D(**LAST), image),
        "products": (Products, frames),
        "attention": (lambda: OfFrames(TransformerBlock(1, dropout=0.0)), frames),
        "lstm": (lambda: OfFrames(RecurrentLayer(7, "lstm")), frames),
        "gru": (lambda: OfFrames(RecurrentLayer(7, "gru")), frames),
        "layer norm": (layers.LayerNormalization, frames),
        "batch norm": (layers.BatchNormalization, frames),
    }


def errors(width: int, expected: dict[str, list[np.ndarray]]) -> dict[str, float]:
    """How far each layer is from what it answers in float32, in each precision."""
    found = {}
    for policy in EPSILON:
        received = answers_and_gradients(width, policy)
        for name, values in expected.items():
            found[f"{name} {width}, {policy}"] = error(values, received[name], policy)
    return found


def made_of(make, shape):
    """A layer as a model, and its input: both of random values that every type holds exactly."""
    inputs = keras.Input(batch_shape=shape)
    model = keras.Model(inputs, make()(inputs))
    rng = np.random.default_rng(0)
    model.set_weights([rounded(rng.uniform(0, 0.5, w.shape)) for w in model.weights])
    values = np.unique(rounded(np.linspace(-3, 3, 8000)))
    count = math.prod(shape)  # Without ties, where there are enough: a maximum is at one place.
    return model, rng.choice(values, count, replace=count > len(values)).reshape(shape)


def error(expected, received, policy) -> float:
    """The largest difference."""
    size = max(float(np.sqrt(np.mean(values**2))) for values in expected)
    furthest = [float(np.max(np.abs(a - b))) for a, b in zip(expected, received, strict=True)]
    return float(np.max(furthest)) / size / EPSILON[policy]  # NaN stays.


def rounded(values):
    """The nearest values of bfloat16, as float32: those that are not tiny are float16's, too."""
    return as_array(ops.cast(ops.cast(values, "float32"), "bfloat16"))


def as_array(values):
    """As float32, in NumPy."""
    return ops.convert_to_numpy(ops.cast(values, "float32"))


def total(answer):
    """A sum that no two values enter alike."""
    places = np.arange(np.prod(answer.shape)).reshape(answer.shape)
    return ops.sum(ops.cast(answer, "float32") * np.cos(1.7 * places + 0.5).astype("float32"))


def answers_and_gradients(width: int, policy: str) -> dict[str, list[np.ndarray]]:
    """What each layer answers, and the gradients by its input and its weights."""
    keras.config.set_dtype_policy(policy)
    made = {name: made_of(*case) for name, case in cases(width).items()}
    keras.config.set_dtype_policy("float32")
    on_tensorflow = keras.config.backend() == "tensorflow"
    found = (_on_tensorflow if on_tensorflow else _on_jax)(made)
    return {name: [as_array(values) for values in parts] for name, parts in found.items()}


def _on_tensorflow(made: dict) -> dict[str, list]:
    import tensorflow as tf

    found = {}
    for name, (layer, x) in made.items():
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            answer = layer(x)
            loss = total(answer)
        variables = [variable.value for variable in layer.trainable_variables]
        found[name] = [answer, *tape.gradient(loss, [x, *variables])]
    return found


def _on_jax(made: dict) -> dict[str, list]:
    """All in one function, which is compiled once."""
    import jax

    def graded(name, x, weights):
        def loss(x, weights):
            layer = made[name][0]
            others = [variable.value for variable in layer.non_trainable_variables]
            answer, _ = layer.stateless_call(weights, others, x)
            return total(answer), answer

        (_, answer), (of_x, of_weights) = jax.value_and_grad(loss, (0, 1), has_aux=True)(x, weights)
        return [answer, of_x, *of_weights]

    given = {
        name: (x, [variable.value for variable in layer.trainable_variables])
        for name, (layer, x) in made.items()
    }
    return jax.jit(lambda given: {name: graded(name, *of) for name, of in given.items()})(given)


if __name__ == "__main__":
    held = np.load(sys.argv[1])
    in_float32 = {
        case: [held[f"{case}/{i}"] for i in range(int(held[f"{case}/count"]))] for case in cases(1)
    }
    found = errors(WIDTHS[0], in_float32)
    print(json.dumps({"backend": keras.config.backend()} | found))
