"""What a run is: the configuration in its run.json. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from yt8m.base import json_files, provenance
from yt8m.base.errors import first_line
from yt8m.data.schema import VIDEO, Schema
from yt8m.data.video.clip_schema import CLIP, ClipSchema
from yt8m.modeling import keras_model, specs

# Settings of a training that have a meaning with rated segments, and with a teacher.
_OF_SEGMENTS = ["segment_labels", "segment_label_ids_file"]
_OF_A_TEACHER = ["teacher", "teacher_dir", "distillation"]
# What may change between the parts of a run without making it another run.
_MAY_DIFFER = ("versions", "git_commit", "flags", "eval_data_pattern")
# The fields of run.json. Those that 0.1.0 did not write, and those for people, may be missing.
_KINDS = {
    "model": str,
    "schema": dict,
    "num_classes": int,
    "preprocessing": dict,
    "loss": str,
    "optimizer": dict,
    "training": dict,
    "eval_data_pattern": str,
    "flags": dict,
    "versions": dict,
    "git_commit": str,
}
_OPTIONAL = ("eval_data_pattern", "flags", "versions", "git_commit")
_KINDS_OF_A_CLIP_SCHEMA = {
    "kind": str,
    "inputs": list,
    "clips": dict,
    "flow": object,
    "classes": list,
    "tasks": list,
}


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run is: all that decides its weights, and the circumstances it was started in.

    Attributes:
        model: the spec, every default filled in.
        schema: what the records hold, or for raw video what a clip is.
        num_classes: the size of the vocabulary.
        preprocessing: such as {"normalize": "l2", "max_frames": 300}, the latter of frame-level
            records only; nothing for raw video.
        loss: the spec of the loss.
        optimizer: the spec of the optimizer and its schedule, clipping and EMA.
        training: batch size, seed and whatever else decides the weights.
        eval_data_pattern: what the models were judged by; empty for nothing; not compared.
        flags: every flag of the job, for people to read: no job reads them; not compared.
        versions: of the packages; not compared.
        git_commit: of the code, empty outside a checkout; not compared.
    """

    model: str
    schema: Schema | ClipSchema
    num_classes: int
    preprocessing: dict[str, Any]
    loss: str
    optimizer: dict[str, Any]
    training: dict[str, Any]
    eval_data_pattern: str = ""
    flags: dict[str, Any] = dataclasses.field(default_factory=dict)
    versions: dict[str, str] = dataclasses.field(default_factory=provenance.package_versions)
    git_commit: str = dataclasses.field(default_factory=provenance.git_commit)

    @property
    def takes_clips(self) -> bool:
        """Whether the model takes raw video; else it takes what shards hold."""
        return self.schema.kind == CLIP

    @property
    def learns_segments(self) -> bool:
        """Whether the run learnt from rated segments."""
        return bool(self.training.get("segment_labels"))

    @property
    def max_frames(self) -> int | None:
        """Frames after these are cut; None where the examples are no frame-level records."""
        return self.preprocessing.get("max_frames")

    @property
    def normalize(self) -> str | None:
        """How features are scaled, see `keras_model.build`; None for raw video."""
        return self.preprocessing.get("normalize")

    def to_json(self) -> dict[str, Any]:
        """This configuration as plain dictionaries and lists."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.loads(json.dumps(values | {"schema": self.schema.to_json()}))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunConfig:
        """The inverse of `to_json`, also for what version 0.1.0 wrote.

        Raises:
            ValueError: a field is missing, unknown, or holds what it cannot.
        """
        json_files.check_fields("run.json", data, _KINDS, _OPTIONAL)
        if data["num_classes"] < 1:
            raise ValueError(f"num_classes must be positive, not {data['num_classes']}")
        schema = _schema(data["schema"])
        if "eval_data_pattern" not in data:
            data = _brought_up_to_date(data)
        _check_preprocessing(data["preprocessing"])
        return cls(**(data | {"schema": schema}))

    def difference(self, other: RunConfig) -> list[str]:
        """One line for each setting in which the two runs differ: `name: mine -> other's`.

        A setting of a model that is younger than a run has its default there.
        """
        mine, others = (
            flatten(run.to_json() | {"model": specs.completed(run.model)}) for run in (self, other)
        )
        return [
            f"{key}: {mine.get(key)!r} -> {others.get(key)!r}"
            for key in dict.fromkeys([*mine, *others])
            if mine.get(key) != others.get(key) and key.partition(".")[0] not in _MAY_DIFFER
        ]


def _schema(data: dict[str, Any]) -> Schema | ClipSchema:
    """Reads a schema of either kind.

    Raises:
        ValueError: it is none.
    """
    if data.get("kind") != CLIP:
        return Schema.from_json(data)
    try:
        json_files.check_fields("schema", data | {"flow": None}, _KINDS_OF_A_CLIP_SCHEMA)
        for name in ("inputs", "classes", "tasks"):
            json_files.check_texts(f"{name} of schema", data[name])
        schema = ClipSchema.from_json(data)
        if not schema.classes or not set(schema.inputs) <= {"pixels", "flow"} or not schema.inputs:
            raise ValueError("it needs classes, and the inputs pixels, flow or both")
        if ("flow" in schema.inputs) != (schema.flow is not None):
            raise ValueError("its flow must be described where it is an input, and only there")
        _ = schema.task_ranges
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"its schema is none of clips: {first_line(error)}") from None
    return schema


def _check_preprocessing(values: dict[str, Any]) -> None:
    """Raises ValueError where a setting is none, or has a value that no flag takes."""
    kinds = {"normalize": str, "max_frames": int}
    json_files.check_fields("preprocessing", values, kinds, optional=kinds)
    if values.get("normalize", "none") not in keras_model.NORMALIZE:
        valid = ", ".join(keras_model.NORMALIZE)
        raise ValueError(f"normalize must be one of {valid}, not {values['normalize'][:80]!r}")
    if values.get("max_frames", 1) < 1:
        raise ValueError(f"max_frames must be positive, not {values['max_frames']}")


def _brought_up_to_date(data: dict[str, Any]) -> dict[str, Any]:
    """A run.json of version 0.1.0, without what it recorded though it meant nothing for the run."""
    training = dict(data["training"])
    nothing = ["lower_rate"] if not training.get("top_layers") else []
    if data["schema"]["kind"] == CLIP:
        nothing += ["shuffle_buffer", *_OF_SEGMENTS, *_OF_A_TEACHER]
        data = data | {"preprocessing": {}}
    else:
        nothing += ["videos"]
        nothing += [] if training.get("segment_labels") else _OF_SEGMENTS
        nothing += [] if training.get("teacher") else _OF_A_TEACHER
    if data["schema"]["kind"] == VIDEO:
        kept = {name: v for name, v in data["preprocessing"].items() if name != "max_frames"}
        data = data | {"preprocessing": kept}
    for name in nothing:
        training.pop(name, None)
    # Its C3D padded the last pool, which is a setting now.
    model = data["model"].replace("c3d(", "c3d(pad_last_pool=True, ")
    data = data | {"model": model}
    pattern = data.get("flags", {}).get("eval_data_pattern", "")
    return data | {"training": training, "eval_data_pattern": pattern}


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, the keys joined by dots."""
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat
