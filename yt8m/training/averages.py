"""Averages of weights: over the steps of a training, and over its last evaluations."""

from __future__ import annotations

import os
import re

import keras
import numpy as np
from absl import logging
from keras import ops

from yt8m import runs
from yt8m.base import archives, files
from yt8m.modeling import keras_model
from yt8m.training.trainer import Trainer

_WEIGHTS_OF_STEP = re.compile(r"weights-(\d+)\.npz")


class History:
    """The weights of the last evaluations, a file each beside the checkpoints, and their mean.

    Two sets of weights are in memory at a time, however many there are.

    Args:
        train_dir: the run.
        length: how many evaluations are kept, at least 1.
    """

    def __init__(self, train_dir: str, length: int):
        self.length = length
        self._folder = os.path.join(train_dir, runs.CHECKPOINTS)

    def average(self, variables: list[keras.Variable], step: int) -> None:
        """Keeps the variables' values as those of `step`, and assigns the mean to the variables."""
        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        self._write(values, step)
        kept = self._steps()[-self.length :]
        for old in self._steps()[: -self.length]:
            os.remove(self._path(old))
        count = 1 + sum(self._add(values, other) for other in kept if other != step)
        for variable, value in zip(variables, values, strict=True):
            variable.assign((value / count).astype(value.dtype))

    def forget_after(self, step: int) -> None:
        """Deletes the weights of later steps, where training goes on from `step`."""
        for other in self._steps():
            if other > step:
                os.remove(self._path(other))

    def _add(self, values: list[np.ndarray], step: int) -> bool:
        """Adds the weights of a step to `values`, and says whether their file could be read.

        A warning names a file that cannot be read.
        """
        path = self._path(step)
        try:
            held = archives.read_arrays(path, [f"w{i}" for i in range(len(values))])
        except (OSError, ValueError) as error:
            logging.warning("%s cannot be read, and is left out of the mean: %s", path, error)
            return False
        for i, value in enumerate(held):
            values[i] = values[i] + value
        return True

    def _write(self, values: list[np.ndarray], step: int) -> None:
        with files.atomic_path(self._path(step)) as temporary:
            np.savez(temporary, **{f"w{i}": value for i, value in enumerate(values)})

    def _steps(self) -> list[int]:
        names = os.listdir(self._folder) if os.path.isdir(self._folder) else []
        matches = (_WEIGHTS_OF_STEP.fullmatch(name) for name in names)
        return sorted(int(match[1]) for match in matches if match)

    def _path(self, step: int) -> str:
        return os.path.join(self._folder, f"weights-{step:09d}.npz")


class Weights:
    """The model that is evaluated and saved: the trained weights, or an average of them.

    An exponential moving average over steps, where the optimizer keeps one; the mean over the
    last evaluations, where `history` is given; with both, the mean of moving averages.

    Args:
        trainer: the compiled trainer, whose optimizer may keep an average.
        history: holds the weights of the last evaluations; None for no mean over them.

    Raises:
        ValueError: the optimizer keeps an average, and is not of `optimizers.get`.
    """

    def __init__(self, trainer: Trainer, history: History | None = None):
        self._optimizer = getattr(trainer.optimizer, "inner_optimizer", trainer.optimizer)
        if self._optimizer.use_ema and not hasattr(self._optimizer, "write_average"):
            raise ValueError(
                "Keras would overwrite the trained weights with their average at the end of each "
                "`fit`. Make the optimizer with `optimizers.get`. "
                f"Received: a {type(self._optimizer).__name__} with use_ema=True."
            )
        self._history = history
        self._average = None
        if self._optimizer.use_ema or history is not None:
            self._average = keras.models.clone_model(trainer.model)
        self.model = keras_model.classifier(self._average or trainer.model)

    def update(self, trainer: Trainer, step: int) -> keras.Model:
        """Brings the model up to date and returns it.

        Values are copied, because on JAX an assignment shares the buffer, and the next step of
        training or of prediction frees the buffers that it takes.
        """
        if self._average is None:
            return self.model
        for mine, theirs in zip(self._average.variables, trainer.model.variables, strict=True):
            mine.assign(ops.copy(theirs))
        if self._optimizer.use_ema:
            trained = self._trained(trainer)
            self._optimizer.write_average(trained)
            for mine in trained:
                mine.assign(ops.copy(mine))
        if self._history is not None:
            self._history.average(self._average.weights, step)
        return self.model

    def _trained(self, trainer: Trainer) -> list[keras.Variable]:
        """The variables that the optimizer has averages of, in its order.

        The trainer knows which these are. A clone does not: layers inside other layers are
        trainable there, also where they were frozen.
        """
        pairs = zip(self._average.variables, trainer.model.variables, strict=True)
        return [mine for mine, theirs in pairs if theirs.trainable]

    def resume(self, step: int) -> None:
        """Deletes the weights of evaluations after the step from which training goes on."""
        if self._history is not None:
            self._history.forget_after(step)
