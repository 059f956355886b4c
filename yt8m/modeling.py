"""A spec and a schema to a Keras model: stored features in, probabilities out."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from yt8m import labels as labels_lib
from yt8m import losses
from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.data.video.schema import CLIP, ClipSchema
from yt8m.errors import UserError
from yt8m.preprocessing import (
    Dequantize,
    FrameMask,
    JointL2Normalize,
    RMSNormalize,
    ScaleBytes,
)
from yt8m.specs import Spec

PROBABILITIES = "probabilities"
MEMBERS = "members"
MEMBER_WEIGHTS = "member_weights"
NORMALIZE = ("l2", "rms", "none")
_INPUTS_OF_KIND = {"frame": ("frames", "mask"), "video": ("features",)}
# What a stored byte of raw video stands for: the byte that is 0, and how far from it 1 is.
_BYTES = {"pixels": (127.5, 127.5), "flow": (128.0, 127.0)}


def build(
    spec: Spec, schema: Schema | ClipSchema, num_classes: int, normalize: str = "l2"
) -> keras.Model:
    """Builds the model that a run saves: the preprocessing and the model of the spec.

    Args:
        spec: which model, see `specs.model`.
        schema: what the records hold, and so what the model's inputs are: feature name -> (batch,
            time, size) uint8 or float32 and `num_frames` (batch,) int32 for frame-level records,
            feature name -> (batch, size) float32 for video-level ones; `pixels` and `flow` (batch,
            time, height, width, channels) uint8, those that the model takes, and `num_frames` for
            raw video.
        num_classes: the size of the vocabulary.
        normalize: `l2` scales the joined features of a frame (of a video, for video-level
            records) to unit norm, as the published systems do; `rms` scales each feature by itself
            to unit root mean square; `none` leaves them. Raw video is scaled to [-1, 1] always.

    Returns:
        A functional model from a dict of inputs to a dict of outputs: `probabilities` (batch,
        num_classes) float32, and what the model's loss needs besides. `classifier` makes the one
        that answers probabilities alone.

    Raises:
        UserError: the model does not take such records, or refuses one of its settings.
    """
    expected = schema.inputs_of_model if schema.kind == CLIP else _INPUTS_OF_KIND[schema.kind]
    if spec.inputs != expected:
        raise UserError(_wrong_input(spec, schema))
    _check_dropout(spec)
    inputs = make_inputs(schema)
    try:
        outputs = spec.partial()(*_arguments(inputs, schema, normalize), num_classes)
    except ValueError as error:
        raise UserError(f"The model {spec} cannot be built: {_first_line(error)}") from error
    if not isinstance(outputs, dict):
        outputs = {PROBABILITIES: outputs}
    return keras.Model(inputs, outputs, name=spec.name)


def _check_dropout(spec: Spec):
    """Fails where a dropout is out of range; Keras allows to drop all, and nothing is learnt."""
    for name, value in spec.settings.items():
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Spec):
                _check_dropout(inner)
        if name.endswith("dropout") and not 0 <= value < 1:
            raise UserError(
                f"{name} of {spec.name} must be at least 0 and below 1. Received: {name}={value}."
            )


def classifier(model: keras.Model) -> keras.Model:
    """The model that answers the probabilities alone, sharing the weights of `model`."""
    return keras.Model(model.input, model.output[PROBABILITIES], name=model.name)


def _arguments(
    inputs: dict[str, keras.KerasTensor], schema: Schema | ClipSchema, normalize: str
) -> list:
    """What `build` of a model is called with: its inputs, preprocessed."""
    if schema.kind == CLIP:
        shown = [
            ScaleBytes(*_BYTES[name], name=f"scale_{name}")(inputs[name]) for name in schema.inputs
        ]
        return [*shown, _mask(inputs, schema.inputs[0])]
    features = preprocess(inputs, schema, normalize)
    if schema.kind == FRAME:
        return [features, _mask(inputs, schema.features[0].name)]
    joined = list(features.values())
    return [keras.layers.Concatenate()(joined) if len(joined) > 1 else joined[0]]


def _mask(inputs: dict[str, keras.KerasTensor], name: str) -> keras.KerasTensor:
    return FrameMask(name="mask")([inputs[name], inputs["num_frames"]])


def make_inputs(schema: Schema | ClipSchema) -> dict[str, keras.KerasTensor]:
    """The inputs of a model that takes records of this schema, by name."""
    if schema.kind == CLIP:
        return _clip_inputs(schema)
    if schema.kind != FRAME:
        return {f.name: keras.Input((f.size,), dtype=f.dtype, name=f.name) for f in schema.features}
    inputs = {
        f.name: keras.Input((None, f.size), dtype=f.dtype, name=f.name) for f in schema.features
    }
    return inputs | {"num_frames": keras.Input((), dtype="int32", name="num_frames")}


def _clip_inputs(schema: ClipSchema) -> dict[str, keras.KerasTensor]:
    size = (schema.clips.frames, *schema.clips.crop_size)
    inputs = {
        name: keras.Input((*size, schema.channels(name)), dtype="uint8", name=name)
        for name in schema.inputs
    }
    return inputs | {"num_frames": keras.Input((), dtype="int32", name="num_frames")}


def preprocess(
    inputs: dict[str, keras.KerasTensor], schema: Schema, normalize: str = "l2"
) -> dict[str, keras.KerasTensor]:
    """Dequantises the features and scales them, together ("l2") or each by itself ("rms")."""
    features = [_dequantized(inputs[f.name], f) for f in schema.features]
    if normalize == "l2":
        features = JointL2Normalize(name="l2_normalize")(features)
    elif normalize == "rms":
        features = RMSNormalize(name="rms_normalize")(features)
    elif normalize not in NORMALIZE:
        raise UserError(
            f"normalize must be one of {', '.join(NORMALIZE)}. Received: normalize={normalize!r}."
        )
    return dict(zip(schema.feature_names, features, strict=True))


def _dequantized(values: keras.KerasTensor, feature: Feature) -> keras.KerasTensor:
    if feature.dtype != "uint8":
        return values
    return Dequantize(name=f"dequantize_{feature.name}")(values)


def _wrong_input(spec: Spec, schema: Schema | ClipSchema) -> str:
    if not set(spec.inputs) & {"frames", "features"}:
        remedy = "It learns from videos: name a manifest, such as clips.csv#train"
    elif spec.inputs == _INPUTS_OF_KIND["video"]:
        remedy = f"Pool the frames first, for example --model='average(head={spec.name})'"
    elif schema.kind != FRAME and spec.inputs == _INPUTS_OF_KIND["frame"]:
        remedy = "Use a video model such as moe, or frame-level records"
    else:
        remedy = "Use other records or another model"
    return (
        f"The model {spec.name} takes {' and '.join(spec.inputs)}, but the records are {schema}. "
        f"{remedy}."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _only_own(outputs: dict, own) -> dict:
    """The outputs of a model, 0 for the classes of other tasks than the video's."""
    masked = outputs | {PROBABILITIES: outputs[PROBABILITIES] * own}
    if MEMBERS in outputs:
        masked[MEMBERS] = outputs[MEMBERS] * ops.expand_dims(own, 1)
    return masked


class Trainer(keras.Model):
    """Trains a model made by `build` on batches with sparse labels.

    It makes the label matrix on the device, adds the losses of the layers to the label loss, and
    keeps a cheap GAP of the training batches. The label loss is of `probabilities`, or, where the
    model answers `members` (batch, members, num_classes), the mean of the members' losses, weighed
    by `member_weights` (batch, members) where it answers these too: they sum to 1 for a video, or
    to 0 for one that has nothing to learn from. The trainer is not saved: the model inside is.

    The labels of a batch are class ids (batch, most labels), padded with -1, or a dict of them as
    `labels` and
        label_scores: (batch, most labels), 1 or 0. The labels are then ratings, and only rated
            classes carry loss.
        task: (batch,) the number of the task of each video, with `task_classes`. Only the classes
            of its own task carry loss, and they alone count in the metric.
        teacher_classes, teacher_scores: (batch, k), the classes that a teacher finds likeliest,
            padded with -1, and their probabilities. Where there are any, the loss is of labels
            that are the teacher's by a share of `distillation`, 0 for the classes it leaves out.
            For a cross-entropy that is the mean, so weighed, of a loss on either.

    Args:
        model: see `build`.
        num_classes: the size of the vocabulary.
        label_loss: its `call(labels, probabilities)` gives one value a video, see `losses`.
        gap: a metric with the same arguments, or None.
        distillation: the share of the teacher, from 0 to 1.
        task_classes: (tasks, num_classes), 1 for the classes of a task, where several tasks are
            trained together, with a loss that `losses.compares_within_task`; else None.
    """

    def __init__(
        self,
        model: keras.Model,
        num_classes: int,
        label_loss,
        gap=None,
        distillation: float = 0.0,
        task_classes: np.ndarray | None = None,
    ):
        super().__init__(name="trainer")
        self.model = model
        self.num_classes = num_classes
        self.label_loss = label_loss
        self.loss_mean = keras.metrics.Mean(name="loss_mean")
        self.gap = gap
        self.distillation = distillation
        self.task_classes = task_classes

    def call(self, inputs, training=None):
        """Returns the model's outputs, a dict."""
        return self.model(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the label loss plus the losses of the layers, a scalar.

        It is divided by the number of replicas, whose gradients tf.distribute sums.
        """
        y = y if isinstance(y, dict) else {"labels": y}
        probabilities, weights = y_pred[PROBABILITIES], None
        if "label_scores" in y:
            labels, weights = labels_lib.rated(y["labels"], y["label_scores"], self.num_classes)
            probabilities = probabilities * weights  # What is not rated ranks last.
        else:
            labels = labels_lib.multi_hot(y["labels"], self.num_classes)
        if self.task_classes is not None:
            own = ops.take(ops.convert_to_tensor(self.task_classes), y["task"], axis=0)
            probabilities = probabilities * own
            if losses.label_weighted(self.label_loss):
                weights = own
            else:  # A softmax of logarithms: what is 0 has no share in it.
                y_pred = _only_own(y_pred, own)
        if self.gap is not None:
            self.gap.update_state(labels, probabilities)
        if "teacher_classes" in y:
            labels = self._distilled(labels, y["teacher_classes"], y["teacher_scores"])
        loss = ops.mean(self._label_losses(labels, y_pred, weights))
        self.loss_mean.update_state(loss)
        return sum(self.losses, loss) / self._num_replicas()

    def _distilled(self, labels, classes, scores):
        """The labels moved to the teacher's, where it knows the video."""
        taught = labels_lib.with_scores(classes, scores, self.num_classes)
        known = ops.cast(ops.any(classes >= 0, axis=1, keepdims=True), "float32")
        return labels + self.distillation * known * (taught - labels)

    def _label_losses(self, labels, outputs, weights=None):
        """The label loss of each video (batch,), over the members where there are some."""
        if MEMBERS not in outputs:
            return self._label_loss(labels, outputs[PROBABILITIES], weights)
        members = outputs[MEMBERS]
        to_each = lambda x: ops.broadcast_to(ops.expand_dims(x, 1), ops.shape(members))  # noqa: E731
        weights = None if weights is None else to_each(weights)
        each = self._label_loss(to_each(labels), members, weights)
        if MEMBER_WEIGHTS in outputs:
            return ops.sum(outputs[MEMBER_WEIGHTS] * each, axis=1)
        return ops.mean(each, axis=1)

    def _label_loss(self, labels, probabilities, weights):
        if weights is None:
            return self.label_loss.call(labels, probabilities)
        return self.label_loss.call(labels, probabilities, weights)

    def _num_replicas(self) -> int:
        """Over how many devices tf.distribute sums the gradients of their parts of a batch."""
        strategy = getattr(self, "distribute_strategy", None)
        return strategy.num_replicas_in_sync if strategy is not None else 1

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns the metrics' results; `compute_loss` has updated them."""
        return self.get_metrics_result()
