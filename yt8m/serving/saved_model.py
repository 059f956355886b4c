"""A run as a SavedModel: it answers without this project, from records or from their features.

Both signatures answer the best classes of each video, best first, `top_k` or all there are:
    classes: (batch, k) int32.
    scores: (batch, k) float32, their probabilities.
    names: (batch, k) string, where there is a vocabulary.

`serialized`, which is also the default signature, takes `serialized` (batch,) string: records. It
answers their `ids` (batch,) string as well.

`features` takes what records hold, by name: (batch, size) float32 for video-level ones; (batch,
time, size) uint8 or float32, and `num_frames` (batch,) int32, for frame-level ones, whose vectors
beside the frames are (batch, size).

A run of raw video has no `serialized`. Its `features`, the default, takes `pixels` and `flow`,
those that the model looks at, (batch, time, height, width, channels) uint8, and `num_frames`, the
frames that are no padding. `images`, of runs of pixels alone, takes `images` (batch, time) string,
see `images.decode`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from yt8m.data.schema import FRAME, Schema
from yt8m.data.video.clip_schema import CLIP, ClipSchema
from yt8m.serving import images as images_lib
from yt8m.serving import quantized_weights, requests

SERIALIZED = "serialized"
FEATURES = "features"
IMAGES = "images"
NUM_FRAMES = "num_frames"

Tensors = dict[str, tf.Tensor]


class Weight(tf.Module):
    """A variable of a model as it is stored.

    Attributes:
        num_bytes: what it takes.

    Args:
        stored: its values, and the scales of int8 values.
    """

    def __init__(self, stored: quantized_weights.Stored):
        super().__init__()
        self.num_bytes = stored.num_bytes
        self.values = tf.Variable(stored.values, trainable=False)
        self.scales = None
        if stored.scales is not None:
            self.scales = tf.Variable(stored.scales, trainable=False)

    def restored(self) -> tf.Tensor:
        """The values to compute with."""
        values = tf.convert_to_tensor(self.values)
        if self.scales is not None:
            return tf.cast(values, tf.float32) * self.scales
        return tf.cast(values, tf.float32) if values.dtype == tf.float16 else values


def save(
    folder: str,
    model: keras.Model,
    schema: Schema | ClipSchema,
    max_frames: int | None,
    top_k: int,
    method: str = quantized_weights.FLOAT32,
    names: list[str] | None = None,
) -> int:
    """Writes a SavedModel.

    Args:
        folder: to write it to.
        model: from stored features to probabilities.
        schema: what the records hold.
        max_frames: frames after these are cut, as inference does; None for raw video.
        top_k: classes to answer, at most all.
        method: how large weights are stored, see `quantized_weights.store`.
        names: of the classes; None answers none.

    Returns:
        The bytes that the weights take.
    """
    # The Keras model must be no attribute of the module: its weights would be written as well.
    module = tf.Module()
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    module.weights = [
        Weight(quantized_weights.store(keras.ops.convert_to_numpy(variable), method))
        for variable in variables
    ]
    count = len(model.trainable_variables)

    def predict(inputs: Tensors) -> tf.Tensor:
        weights = [weight.restored() for weight in module.weights]
        outputs, _ = model.stateless_call(weights[:count], weights[count:], inputs, training=False)
        return outputs

    best = _best_classes(predict, min(top_k, model.output_shape[-1]), names)
    with _portable(model):
        if schema.kind == CLIP:
            signatures = _signatures_of_clips(best, schema)
        else:
            signatures = _signatures(best, schema, max_frames)
        tf.saved_model.save(module, folder, signatures)
    return sum(weight.num_bytes for weight in module.weights)


def signature_names(schema: Schema | ClipSchema) -> list[str]:
    """The signatures of a run's SavedModel; the first is the default.

    TensorFlow computes no optical flow, so a run that looks at it takes no images.
    """
    if schema.kind != CLIP:
        return [SERIALIZED, FEATURES]
    return [FEATURES, IMAGES] if schema.inputs == ("pixels",) else [FEATURES]


def load(folder: str) -> Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]:
    """Loads what `save` wrote: a function from a batch of features to scores and classes."""
    module = tf.saved_model.load(folder)
    function = module.signatures[FEATURES]
    names = list(function.structured_input_signature[1])

    def predict(batch: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        answer = function(**{name: tf.constant(batch[name]) for name in names})
        return answer["scores"].numpy(), answer["classes"].numpy()

    # The variables live as long as the module does.
    predict.module = module
    return predict


def _best_classes(
    predict: Callable[[Tensors], tf.Tensor], k: int, names: list[str] | None
) -> Callable[[Tensors], Tensors]:
    """From the inputs of a model to the answer that all signatures share."""

    def best(inputs: Tensors) -> Tensors:
        probabilities = tf.debugging.check_numerics(predict(inputs), _NOT_FINITE)
        scores, classes = tf.math.top_k(probabilities, k)
        answer = {"classes": classes, "scores": scores}
        return answer if names is None else answer | {"names": tf.gather(names, classes)}

    return best


_NOT_FINITE = "a prediction is not finite; do the features hold NaN or infinity?"
_SHAPES_DIFFER = "the features and num_frames are not of as many videos and frames:"
_BAD_NUM_FRAMES = "num_frames must be from 0 to the number of frames. Received:"


def _signatures(
    best: Callable[[Tensors], Tensors], schema: Schema, max_frames: int | None
) -> dict[str, tf.types.experimental.ConcreteFunction]:
    def serialized(serialized: tf.Tensor) -> Tensors:
        batch = requests.parse(serialized, schema, max_frames)
        ids = batch.pop("ids")
        return best(batch) | {"ids": ids}

    def features(**inputs: tf.Tensor) -> Tensors:
        return best(_checked(inputs, schema, max_frames) if schema.kind == FRAME else inputs)

    time = [None] if schema.kind == FRAME else []
    specs = {f.name: tf.TensorSpec([None, *time, f.size], f.dtype, f.name) for f in schema.features}
    for feature in schema.video_features:
        specs[feature.name] = tf.TensorSpec([None, feature.size], feature.dtype, feature.name)
    if schema.kind == FRAME:
        specs[NUM_FRAMES] = tf.TensorSpec([None], tf.int32, NUM_FRAMES)
    records = tf.TensorSpec([None], tf.string, SERIALIZED)
    from_records = tf.function(serialized, autograph=False).get_concrete_function(
        serialized=records
    )
    return {
        "serving_default": from_records,
        SERIALIZED: from_records,
        FEATURES: tf.function(features, autograph=False).get_concrete_function(**specs),
    }


def _signatures_of_clips(
    best: Callable[[Tensors], Tensors], schema: ClipSchema
) -> dict[str, tf.types.experimental.ConcreteFunction]:
    time, size = schema.clips.frames, schema.clips.crop_size

    def features(**inputs: tf.Tensor) -> Tensors:
        num_frames = inputs[NUM_FRAMES]
        inside = tf.reduce_all(tf.logical_and(num_frames >= 0, num_frames <= time))
        check = tf.debugging.Assert(inside, [_BAD_NUM_FRAMES, num_frames])
        with tf.control_dependencies([check]):
            return best(inputs | {NUM_FRAMES: tf.identity(num_frames)})

    specs = {
        name: tf.TensorSpec([None, time, *size, schema.channels(name)], tf.uint8, name)
        for name in schema.inputs
    }
    specs[NUM_FRAMES] = tf.TensorSpec([None], tf.int32, NUM_FRAMES)
    function = tf.function(features, autograph=False).get_concrete_function(**specs)
    signatures = {"serving_default": function, FEATURES: function}
    if IMAGES in signature_names(schema):

        def images(images: tf.Tensor) -> Tensors:
            return best(images_lib.decode(images, schema.clips))

        encoded = tf.TensorSpec([None, None], tf.string, IMAGES)
        from_images = tf.function(images, autograph=False).get_concrete_function(images=encoded)
        signatures[IMAGES] = from_images
    return signatures


def _checked(inputs: Tensors, schema: Schema, max_frames: int | None) -> Tensors:
    """Frames as a caller gives them, with the reader's rules: cut, and at least one long."""
    frames = {name: inputs[name] for name in schema.feature_names}
    beside = {feature.name: inputs[feature.name] for feature in schema.video_features}
    num_frames = inputs[NUM_FRAMES]
    shapes = tf.stack([tf.shape(values)[:2] for values in frames.values()])
    videos, time = tf.size(num_frames), shapes[0, 1]
    agree = tf.reduce_all(tf.equal(shapes, tf.stack([videos, time])))
    inside = tf.reduce_all(tf.logical_and(num_frames >= 0, num_frames <= time))
    checks = [
        tf.debugging.Assert(agree, [_SHAPES_DIFFER, shapes, videos]),
        tf.debugging.Assert(inside, [_BAD_NUM_FRAMES, num_frames]),
    ]
    with tf.control_dependencies(checks):
        return requests.cut_and_pad(frames, tf.identity(num_frames), max_frames) | beside


@contextlib.contextmanager
def _portable(model: keras.Model) -> Iterator[None]:
    """Keeps cuDNN out of the graph: where Keras sees a GPU, it would run on nothing else."""
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    settings = [layer.use_cudnn for layer in layers]
    try:
        for layer in layers:
            layer.use_cudnn = False
        yield
    finally:
        for layer, setting in zip(layers, settings, strict=True):
            layer.use_cudnn = setting
