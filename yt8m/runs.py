"""A run is a directory: run.json, model.keras, checkpoints/, logs/, eval/. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import json
import os
import pkgutil
import zipfile
from typing import Any

import keras

from frame_models.pixels.layers.conv3d import Conv3D
from yt8m.base import provenance, spec_language, temporaries
from yt8m.base.errors import UserError, first_line
from yt8m.base.files import atomic_path, check_local, write_json, writing
from yt8m.data.schema import VIDEO, Schema
from yt8m.data.video.clip_schema import CLIP, ClipSchema
from yt8m.modeling import losses, specs

CONFIG = "run.json"
MODEL = "model.keras"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
EVAL = "eval"

# Settings of a training that have a meaning with rated segments, and with a teacher.
_OF_SEGMENTS = ["segment_labels", "segment_label_ids_file"]
_OF_A_TEACHER = ["teacher", "teacher_dir", "distillation"]
# What may change between the parts of a run without making it another run.
_MAY_DIFFER = ("versions", "git_commit", "flags", "eval_data_pattern")


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
        """The inverse of `to_json`, also for what version 0.1.0 wrote."""
        schema = data["schema"]
        kind = ClipSchema if schema["kind"] == CLIP else Schema
        if "eval_data_pattern" not in data:
            data = _brought_up_to_date(data)
        return cls(**(data | {"schema": kind.from_json(schema)}))

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


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as other jobs use it.

    Attributes:
        train_dir: its directory.
        config: what the run is.
        model: the Keras model, from stored features to probabilities (batch, num_classes).
    """

    train_dir: str
    config: RunConfig
    model: keras.Model

    @property
    def loss(self) -> keras.losses.Loss:
        """The loss to evaluate the run with, see `losses.for_evaluation`."""
        return losses.for_evaluation(spec_language.parse(self.config.loss))


def start(train_dir: str, config: RunConfig, start_new_model: bool = False) -> None:
    """Makes a run directory, or checks that the one that is there is of the same run.

    A run that ended before its first checkpoint and model has nothing to lose, and is replaced.

    Args:
        train_dir: made if it is not there.
        config: what the run is.
        start_new_model: delete the run that is there.

    Raises:
        UserError: another run is there, or the directory cannot be written.
    """
    check_local(train_dir)
    path = os.path.join(train_dir, CONFIG)
    with writing(train_dir):
        os.makedirs(train_dir, exist_ok=True)
        if start_new_model and (os.path.exists(path) or _has_progress(train_dir)):
            _delete(train_dir)
        if _has_progress(train_dir):
            differences = read_config(train_dir).difference(config)
            if differences:
                raise UserError(
                    f"{train_dir} holds another run, which differs in "
                    f"{'; '.join(differences)}. Choose another --train_dir, or pass "
                    "--start_new_model to delete it."
                )
        write_json(path, config.to_json())


def read_config(train_dir: str) -> RunConfig:
    """Reads a run's run.json.

    Raises:
        UserError: it is not there, or it is no run.json.
    """
    path = os.path.join(train_dir, CONFIG)
    if not os.path.isdir(train_dir):
        raise UserError(
            f"There is no run directory {train_dir}. Train one, or correct --train_dir."
        )
    if not os.path.exists(path):
        raise UserError(
            f"{train_dir} is no run directory: it has no {CONFIG}. Train there first with "
            f"`yt8m train --train_dir={train_dir}`, or correct --train_dir."
        )
    try:
        with open(path, encoding="utf-8") as file:
            return RunConfig.from_json(json.load(file))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} cannot be read as a run's configuration: {error}.") from None


def has_model(train_dir: str) -> bool:
    """Whether a run has saved its model."""
    return os.path.exists(os.path.join(train_dir, MODEL))


def load(train_dir: str) -> Run:
    """Loads a run.

    Raises:
        UserError: the directory holds no run, or a run without a usable model yet.
    """
    config = read_config(train_dir)
    path = os.path.join(train_dir, MODEL)
    if not has_model(train_dir):
        raise UserError(
            f"{train_dir} has no {MODEL} yet: its training has not come to its first evaluation, "
            "or ended before. Wait for it, or start the same training again."
        )
    register_layers()
    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} cannot be loaded: {first_line(error)} "
            "It may be damaged, or of other versions: see `versions` in its run.json."
        ) from error
    _make_bfloat16_safe(model)
    return Run(train_dir, config, model)


def _make_bfloat16_safe(model: keras.Model) -> None:
    """Turns Keras' convolutions over clips into ours, which answer no NaN, see `Conv3D`.

    Runs of version 0.1.0 hold those of Keras. Ours differ from them in a method alone.
    """
    for layer in model._flatten_layers():
        if type(layer) is keras.layers.Conv3D and layer.compute_dtype == "bfloat16":
            layer.__class__ = Conv3D


def register_layers() -> None:
    """Imports every module that registers a layer, so that Keras can load any saved model."""
    importlib.import_module("yt8m.modeling.preprocessing")
    for package in ("video_models", "frame_models"):
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            importlib.import_module(module.name)


def save_model(train_dir: str, model: keras.Model) -> None:
    """Writes model.keras; the previous one stays until the new one is whole."""
    path = os.path.join(train_dir, MODEL)
    with atomic_path(path) as temporary:
        model.save(temporary)


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


def _has_progress(train_dir: str) -> bool:
    folder = os.path.join(train_dir, CHECKPOINTS)
    has_checkpoint = os.path.isdir(folder) and any(
        n.startswith("step-") for n in os.listdir(folder)
    )
    return has_checkpoint or has_model(train_dir)


def _delete(train_dir: str) -> None:
    """Deletes what a run consists of, all of it or nothing, and nothing else in the folder.

    Raises:
        UserError: something cannot be deleted; the run is as it was.
    """
    away: dict[str, str] = {}
    try:
        for name in (CHECKPOINTS, LOGS, EVAL, MODEL, CONFIG):  # What says that here is a run last.
            path = os.path.join(train_dir, name)
            if os.path.lexists(path):
                _check_deletable(path)
                away[path] = temporaries.name(path)
                os.replace(path, away[path])
    except BaseException as error:
        for path, moved in away.items():
            if os.path.lexists(moved):
                os.replace(moved, path)
        if not isinstance(error, OSError):  # Such as Ctrl-C.
            raise
        raise UserError(
            f"Cannot delete {error.filename}: {error.strerror}. The run in {train_dir} is as it "
            "was. Choose another --train_dir."
        ) from None
    for moved in away.values():
        temporaries.remove(moved)


def _check_deletable(path: str) -> None:
    """Fails where a folder holds one whose content may not be changed.

    Raises:
        OSError: with its name.
    """
    for folder, _, _ in os.walk(path):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)


def check_there(train_dir: str) -> None:
    """Fails where a run is gone: a training must not go on for nobody.

    Raises:
        UserError: its folder, or the configuration in it, was deleted or moved away.
    """
    if not os.path.exists(os.path.join(train_dir, CONFIG)):
        raise UserError(
            f"The run {train_dir} was deleted or moved while it was trained: its {CONFIG} is gone. "
            "Training ends here; start it again, in a folder that stays."
        )


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, the keys joined by dots."""
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat
