"""A run is a directory: run.json, model.keras, vocabulary.csv, checkpoints/ and more.

Needs no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib
import os
import pkgutil
from collections.abc import Sequence

import keras

from frame_models.pixels.layers.conv3d import Conv3D
from yt8m.base import json_files, spec_language, temporaries
from yt8m.base.errors import UserError, first_line
from yt8m.base.files import atomic_path, check_local, write_json, writing
from yt8m.data import class_names
from yt8m.modeling import losses, model_file
from yt8m.modeling.run_config import RunConfig

CONFIG = "run.json"
MODEL = "model.keras"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
EVAL = "eval"
# How the features of the shards were made of videos, where that is known.
FEATURES = "features"
DESCRIPTION = "features.json"
NAMES = class_names.FILE


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
        """The loss to evaluate the run with, see `losses.for_evaluation`.

        Raises:
            UserError: its run.json names none.
        """
        try:
            return losses.for_evaluation(spec_language.parse(self.config.loss))
        except (ValueError, TypeError) as error:
            path = os.path.join(self.train_dir, CONFIG)
            raise UserError(
                f"{path} names no loss of this version ({self.config.loss[:80]!r}): "
                f"{first_line(error)}"
            ) from None


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
        return RunConfig.from_json(json_files.read_object(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error).rstrip(".")
        raise UserError(
            f"{path} cannot be read as a run's configuration: {reason}. It was changed, or is of "
            "another version of yt8m: put back the one that the training wrote."
        ) from None


def read_names(train_dir: str, config: RunConfig) -> list[str] | None:
    """The names of a run's classes; None where it knows none.

    Args:
        train_dir: the run.
        config: what it is.

    Raises:
        UserError: its file of names cannot be read, or is of another vocabulary.
    """
    if config.takes_clips:
        return list(config.schema.classes)
    path = os.path.join(train_dir, NAMES)
    return class_names.read(path, config.num_classes) if os.path.exists(path) else None


def write_names(train_dir: str, config: RunConfig, names: Sequence[str]) -> None:
    """Gives the classes of a run their names.

    Args:
        train_dir: the run.
        config: what it is. The names of a run of raw video are the labels of its manifests, and
            part of the configuration.
        names: a name a class.

    Raises:
        UserError: two classes of a run of raw video would have one name, or it has tasks.
    """
    if not config.takes_clips:
        class_names.write(os.path.join(train_dir, NAMES), names)
        return
    if config.schema.tasks:
        raise UserError(
            f"The classes of {train_dir} are called TASK/LABEL by its data sets "
            f"({', '.join(config.schema.tasks)}). Other names would tell nothing of them apart."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"Two classes would be called {twice!r}, and a manifest could not tell them apart. "
            "Name each class differently."
        )
    schema = dataclasses.replace(config.schema, classes=tuple(names))
    write_json(os.path.join(train_dir, CONFIG), config.to_json() | {"schema": schema.to_json()})


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
        model = model_file.read(path)
        model_file.check_fits(model, config.schema, config.num_classes)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error).rstrip(".")
        raise UserError(
            f"{path} cannot be loaded: {reason}. "
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
        # What says that here is a run comes last.
        for name in (CHECKPOINTS, LOGS, EVAL, FEATURES, NAMES, MODEL, CONFIG):
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
