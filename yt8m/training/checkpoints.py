"""Checkpoints to resume a training from. Needs no TensorFlow."""

from __future__ import annotations

import errno
import gc
import math
import os
import re
import shutil
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np
from absl import logging

from yt8m import runs
from yt8m.base import files, json_files
from yt8m.base.errors import UserError, first_line

State = TypeVar("State")
_WEIGHTS = "state.weights.h5"
_STATE = "state.json"
_RANDOM = "random_generators"
_ITEM_BYTES = 4
_FRAME_BYTES = 4096  # Of HDF5, around an array.
_ERRNO = re.compile(r"errno = (\d+)")  # As HDF5 tells of the system's error.


def save(train_dir: str, trainer: keras.Model, state: dict, keep: int = 2) -> None:
    """Writes weights, optimizer and `state` as one folder that appears whole, named by its step.

    Args:
        train_dir: the run.
        trainer: the compiled model that trains; its weights and its optimizer's are written.
        state: JSON values; `state["step"]` names the checkpoint.
        keep: how many checkpoints stay; older ones are deleted.

    Raises:
        UserError: it cannot be written, as on a full disk; those before it stay.
    """
    folder = os.path.join(train_dir, runs.CHECKPOINTS)
    final = os.path.join(folder, f"step-{state['step']:09d}")
    with files.atomic_folder(final) as temporary:
        _write_weights(trainer, os.path.join(temporary, _WEIGHTS))
        files.write_json(os.path.join(temporary, _STATE), state | {_RANDOM: _random_state(trainer)})
    with files.writing(folder):
        for old in _list(train_dir)[:-keep]:
            shutil.rmtree(old)


def restore(
    train_dir: str, trainer: keras.Model, parse: Callable[[dict[str, Any]], State] = dict
) -> State | None:
    """Loads the last checkpoint into the trainer.

    Where it cannot be read, a warning names it, and the checkpoint before it is taken.

    Args:
        train_dir: the run.
        trainer: the compiled model that trains.
        parse: from the `state` that `save` was given to what is returned; raises ValueError where
            it is none.

    Returns:
        The parsed state; None if there is no checkpoint.

    Raises:
        UserError: there are checkpoints, but none can be read.
    """
    checkpoints = _list(train_dir)
    for checkpoint in reversed(checkpoints):
        try:
            return parse(_restore(checkpoint, trainer))
        except Exception as error:  # noqa: BLE001  Keras, HDF5 and NumPy raise many kinds.
            logging.warning("The checkpoint %s cannot be read: %s", checkpoint, first_line(error))
    if checkpoints:
        raise UserError(
            f"No checkpoint in {os.path.dirname(checkpoints[-1])} can be read; the last is "
            f"{checkpoints[-1]}. Pass --start_new_model to begin anew."
        )
    return None


def exists(train_dir: str) -> bool:
    """Whether there is a checkpoint to resume from."""
    return bool(_list(train_dir))


def last_step(train_dir: str) -> int | None:
    """The step of the last checkpoint; None without one."""
    checkpoints = _list(train_dir)
    return _step(checkpoints[-1]) if checkpoints else None


def _step(checkpoint: str) -> int:
    return int(os.path.basename(checkpoint).removeprefix("step-"))


def _restore(checkpoint: str, trainer: keras.Model) -> dict:
    state = json_files.read_object(os.path.join(checkpoint, _STATE))
    if state.get("step") != _step(checkpoint):
        raise ValueError(f"its {_STATE} is of step {state.get('step')!r:.40}")
    random = [np.array(value, "uint32") for value in state.pop(_RANDOM)]
    trainer.load_weights(os.path.join(checkpoint, _WEIGHTS))
    for variable, value in zip(_generators(trainer), random, strict=True):
        variable.assign(value)
    return state


def _write_weights(trainer: keras.Model, path: str) -> None:
    """Writes the weights, where there is room for them.

    HDF5 keeps what it could not write, and tries again when Python frees the file: where that fails
    too, the process may end with a segmentation fault. So the room is looked at first; and where
    others take it meanwhile, what the file had taken is given back before it is freed.

    Raises:
        OSError: the system's error.
    """
    if shutil.disk_usage(os.path.dirname(path)).free < _bytes_on_disk(trainer):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        trainer.save_weights(path)
        return
    except (OSError, RuntimeError) as error:
        number = _ERRNO.search(str(error))
        if number is None or not os.path.exists(path):
            raise
        os.truncate(path, 0)
        traceback.clear_frames(error.__traceback__)
    gc.collect()
    raise OSError(int(number[1]), os.strerror(int(number[1])))


def _bytes_on_disk(trainer: keras.Model) -> int:
    """About what weights and optimizer take in a file, or somewhat more."""
    optimizer = getattr(trainer, "optimizer", None)  # Before it is compiled, there is none.
    variables = [*trainer.variables, *(optimizer.variables if optimizer else ())]
    return sum(math.prod(v.shape) * _ITEM_BYTES + _FRAME_BYTES for v in variables)


def _random_state(trainer: keras.Model) -> list[list[int]]:
    """The states of random generators, such as those of dropout. Keras' weight files lack them."""
    return [variable.numpy().tolist() for variable in _generators(trainer)]


def _generators(trainer: keras.Model) -> list[keras.Variable]:
    return [v for v in trainer.variables if v.name == "seed_generator_state"]


def _list(train_dir: str) -> list[str]:
    folder = os.path.join(train_dir, runs.CHECKPOINTS)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if name.startswith("step-")]
