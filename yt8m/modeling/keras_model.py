"""A spec and a schema to a Keras model: stored features in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable

import keras

from yt8m.base.errors import UserError, first_line
from yt8m.base.spec_language import Spec
from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.modeling import memory, video_vectors
from yt8m.modeling.preprocessing import (
    Dequantize,
    FrameMask,
    JointL2Normalize,
    RMSNormalize,
    ScaleBytes,
)

PROBABILITIES = "probabilities"
MEMBERS = "members"
MEMBER_WEIGHTS = "member_weights"
NORMALIZE = ("l2", "rms", "none")
_INPUTS_OF_KIND = {"frame": ("frames", "mask"), "video": ("features",)}
# Settings that say how often a part of a model is stacked or stands beside itself, and those that
# count frames: with more, a model takes for ever to build, or builds and cannot be computed.
_MOST = dict.fromkeys(("blocks", "layers", "members"), 200)
_MOST |= dict.fromkeys(("num_frames", "stride", "window"), 100_000)
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
            raw video. Vectors beside the frames are (batch, size), and the head of the model sees
            them behind the pooled frames.
        num_classes: the size of the vocabulary.
        normalize: `l2` scales the joined features of a frame (of a video, for video-level
            records) to unit norm, as the published systems do; `rms` scales each feature by itself
            to unit root mean square; `none` leaves them. A vector beside the frames is scaled by
            itself. Raw video is scaled to [-1, 1] always.

    Returns:
        A functional model from a dict of inputs to a dict of outputs: `probabilities` (batch,
        num_classes) float32, and what the model's loss needs besides. `classifier` makes the one
        that answers probabilities alone.

    Raises:
        UserError: the model does not take such records, refuses one of its settings, or would not
            fit into memory.

    Example:
        >>> schema = Schema("frame", (Feature("rgb", 8, "uint8", "rgb"),))
        >>> model = build(specs.model("average"), schema, num_classes=5)
        >>> sorted(model.input), model.output["probabilities"].shape
        (['num_frames', 'rgb'], (None, 5))
    """
    if isinstance(schema, ClipSchema):
        expected = schema.inputs_of_model
    else:
        expected = _INPUTS_OF_KIND[schema.kind]
    if spec.inputs != expected:
        raise UserError(_wrong_input(spec, schema))
    _check_settings(spec)
    inputs = make_inputs(schema)
    try:
        with memory.weights_checked():
            call = _call(spec, inputs, schema, normalize)
            outputs = call(*_arguments(inputs, schema, normalize), num_classes)
    except ValueError as error:
        raise UserError(f"The model {spec} cannot be built: {first_line(error)}") from error
    if not isinstance(outputs, dict):
        outputs = {PROBABILITIES: outputs}
    if MEMBER_WEIGHTS in outputs and isinstance(schema, Schema) and schema.video_features:
        raise UserError(
            f"The head of {spec.name} looks at single frames, by its settings, where a vector of "
            f"the whole video has no place. Received: {schema}. Choose other settings or another "
            "model, or leave out --video_feature_names."
        )
    return keras.Model(inputs, outputs, name=spec.name)


def _check_settings(spec: Spec):
    """Fails where a setting is out of range; Keras allows to drop all, and nothing is learnt."""
    for name, value in spec.settings.items():
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Spec):
                _check_settings(inner)
        if name in _MOST and value is not None and value > _MOST[name]:
            raise UserError(
                f"{name} of {spec.name} must be at most {_MOST[name]}. Received: {name}={value}."
            )
        if name.endswith("dropout") and not 0 <= value < 1:
            raise UserError(
                f"{name} of {spec.name} must be at least 0 and below 1. Received: {name}={value}."
            )


def classifier(model: keras.Model) -> keras.Model:
    """The model that answers the probabilities alone, sharing the weights of `model`.

    Example:
        >>> schema = Schema("frame", (Feature("rgb", 8, "uint8", "rgb"),))
        >>> classifier(build(specs.model("average"), schema, num_classes=5)).output.shape
        (None, 5)
    """
    return keras.Model(model.input, model.output[PROBABILITIES], name=model.name)


def _arguments(
    inputs: dict[str, keras.KerasTensor], schema: Schema | ClipSchema, normalize: str
) -> list:
    """What `build` of a model is called with: its inputs, preprocessed."""
    if isinstance(schema, ClipSchema):
        shown = [
            ScaleBytes(*_BYTES[name], name=f"scale_{name}")(inputs[name]) for name in schema.inputs
        ]
        return [*shown, _mask(inputs, schema.inputs[0])]
    features = preprocess(inputs, schema, normalize)
    if schema.kind == FRAME:
        return [features, _mask(inputs, schema.features[0].name)]
    joined = list(features.values())
    return [keras.layers.Concatenate()(joined) if len(joined) > 1 else joined[0]]


def _call(
    spec: Spec,
    inputs: dict[str, keras.KerasTensor],
    schema: Schema | ClipSchema,
    normalize: str,
) -> Callable:
    """The `build` of a model with its settings; its head sees the vectors beside the frames."""
    if isinstance(schema, ClipSchema) or not schema.video_features:
        return spec.partial()
    vectors = [_vector(inputs[f.name], f, normalize) for f in schema.video_features]
    return video_vectors.joined_to_head(spec, vectors)


def _vector(values: keras.KerasTensor, feature: Feature, normalize: str) -> keras.KerasTensor:
    """A vector beside the frames, preprocessed."""
    vector = [_dequantized(values, feature)]
    if normalize == "l2":
        vector = JointL2Normalize(name=f"l2_normalize_{feature.name}")(vector)
    elif normalize == "rms":
        vector = RMSNormalize(name=f"rms_normalize_{feature.name}")(vector)
    return vector[0]


def _mask(inputs: dict[str, keras.KerasTensor], name: str) -> keras.KerasTensor:
    return FrameMask(name="mask")([inputs[name], inputs["num_frames"]])


def make_inputs(schema: Schema | ClipSchema) -> dict[str, keras.KerasTensor]:
    """The inputs of a model that takes records of this schema, by name.

    Example:
        >>> inputs = make_inputs(Schema("frame", (Feature("rgb", 8, "uint8", "rgb"),)))
        >>> inputs["rgb"].shape, inputs["rgb"].dtype
        ((None, None, 8), 'uint8')
    """
    if isinstance(schema, ClipSchema):
        return _clip_inputs(schema)
    if schema.kind != FRAME:
        return {f.name: keras.Input((f.size,), dtype=f.dtype, name=f.name) for f in schema.features}
    inputs = {
        f.name: keras.Input((None, f.size), dtype=f.dtype, name=f.name) for f in schema.features
    }
    inputs |= {
        f.name: keras.Input((f.size,), dtype=f.dtype, name=f.name) for f in schema.video_features
    }
    return inputs | {"num_frames": keras.Input((), dtype="int32", name="num_frames")}


def _clip_inputs(schema: ClipSchema) -> dict[str, keras.KerasTensor]:
    size = (schema.clips.frames, *schema.clips.crop_size)
    channels = sum(map(schema.channels, schema.inputs))
    memory.check_clip((*size, channels))
    inputs = {
        name: keras.Input((*size, schema.channels(name)), dtype="uint8", name=name)
        for name in schema.inputs
    }
    return inputs | {"num_frames": keras.Input((), dtype="int32", name="num_frames")}


def preprocess(
    inputs: dict[str, keras.KerasTensor], schema: Schema, normalize: str = "l2"
) -> dict[str, keras.KerasTensor]:
    """Dequantises the features and scales them, together ("l2") or each by itself ("rms").

    Example:
        >>> schema = Schema("frame", (Feature("rgb", 8, "uint8", "rgb"),))
        >>> features = preprocess(make_inputs(schema), schema)
        >>> features["rgb"].shape, features["rgb"].dtype
        ((None, None, 8), 'float32')
    """
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
