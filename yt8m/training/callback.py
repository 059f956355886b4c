"""What happens to a run while it trains: evaluations, the best model, checkpoints, logs."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from absl import logging
from keras import ops

from yt8m import runs
from yt8m.base import interruption, json_files
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.reader import Reader
from yt8m.training import averages, checkpoints

_LOG_STEPS = 10
# Metrics that an evaluation is reported by, of those that it has, and their names.
REPORTED = {
    "map_at_k": "MAP@K",
    "video_hit_at_1": "video Hit@1",
    "clip_hit_at_1": "clip Hit@1",
    "gap": "GAP",
    "hit_at_1": "Hit@1",
    "map": "mAP",
    "loss": "loss",
}


@dataclasses.dataclass
class Position:
    """Where training is, and the best result so far: what a checkpoint holds beside the weights.

    Attributes:
        epoch: the epoch, from 0.
        step_in_epoch: batches of this epoch that are done.
        step: batches done in all.
        best: the best value of the metric, None before the first evaluation.
        best_step: the step of the model that has it, which is the one that is saved.
        saved_step: the step of the last evaluation, or without validation data of the last save.
        watched: the validation data that `best` is of.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int = 0
    saved_step: int = 0
    watched: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Position:
        """The position that a dictionary of its fields is.

        Raises:
            ValueError: it is none.
        """
        counts = ("epoch", "step_in_epoch", "step", "best_step", "saved_step")
        best = data.get("best")
        kinds = dict.fromkeys(counts, int) | {"best": type(best), "watched": str}
        optional = ("best", "best_step", "saved_step", "watched")
        json_files.check_fields("the position", data, kinds, optional)
        if type(best) not in (type(None), float, int) or best != best:
            raise ValueError(f"best must be a number or null, not {json_files.kind(best)}")
        wrong = next((name for name in counts if data.get(name, 0) < 0), None)
        if wrong:
            raise ValueError(f"{wrong} must not be negative: {data[wrong]}")
        return cls(**data)


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """How long to train and what to do on the way.

    Attributes:
        num_epochs: passes over the data.
        max_steps: the most batches; None sets no limit.
        eval_steps: evaluate every so many steps, besides the end of each epoch; 0 does not.
        checkpoint_steps: checkpoint every so many steps, besides the end of each epoch.
    """

    num_epochs: int
    max_steps: int | None = None
    eval_steps: int = 0
    checkpoint_steps: int = 1000

    def is_over(self, position: Position) -> bool:
        """Whether nothing is left to train."""
        out_of_steps = self.max_steps is not None and position.step >= self.max_steps
        return out_of_steps or position.epoch >= self.num_epochs

    def remaining_examples(self, position: Position, reader: Reader) -> int:
        """About how many examples are left to train on."""
        epochs = (self.num_epochs - position.epoch) * reader.estimate_num_examples()
        left = epochs - position.step_in_epoch * reader.batch_size
        if self.max_steps is not None:
            left = min(left, (self.max_steps - position.step) * reader.batch_size)
        return max(left, 1)


class RunCallback(keras.callbacks.Callback):
    """Keeps the run directory while `fit` trains: evaluates, saves, checkpoints, logs, stops.

    Args:
        train_dir: the run.
        position: where training begins; kept up to date.
        schedule: when to do what.
        weights: the model to evaluate and save.
        batch_size: examples a step.
        progress: where to report.
        evaluate: model and step -> metrics by name, or None without validation data.
        metric: the metric that tells which model is best.
    """

    def __init__(
        self,
        train_dir: str,
        position: Position,
        schedule: TrainingPlan,
        weights: averages.Weights,
        batch_size: int,
        progress: ProgressReport,
        evaluate: Callable[[keras.Model, int], dict[str, float]] | None,
        metric: str = "gap",
    ):
        super().__init__()
        self.train_dir = train_dir
        self.position = position
        self.schedule = schedule
        self.weights = weights
        self.batch_size = batch_size
        self.progress = progress
        self.evaluate = evaluate
        self.metric = metric
        self._note = ""
        self._writers = {
            name: tf.summary.create_file_writer(os.path.join(train_dir, runs.LOGS, name))
            for name in ("train", "eval")
        }

    @contextlib.contextmanager
    def writers(self) -> Iterator[None]:
        """Closes the TensorBoard writers at the end."""
        try:
            yield
        finally:
            for writer in self._writers.values():
                writer.close()

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Counts the step, reports it, and evaluates or checkpoints where it is time."""
        position, schedule = self.position, self.schedule
        position.step += 1
        position.step_in_epoch += 1
        if position.step % _LOG_STEPS == 0:  # Asking for a value waits for the device.
            self._log("train", logs)
            self._note = f"epoch {position.epoch + 1}, mean loss {float(logs['loss_mean']):.4g}"
            self._check_divergence(float(logs["loss_mean"]))
        with self._kept_if_interrupted():
            self.progress.advance(self.batch_size, self._note)
            if self._is_out_of_steps():
                self.model.stop_training = True
            elif schedule.eval_steps and position.step % schedule.eval_steps == 0:
                self.save()
            elif position.step % schedule.checkpoint_steps == 0:
                self._checkpoint()

    def on_train_end(self, logs=None) -> None:
        """Ends an epoch, or the training where it stopped in one: saves and checkpoints.

        An epoch that was resumed after its last batch has no batch left, but still its end.
        """
        if self.position.step_in_epoch == 0:
            return
        if not self._is_out_of_steps():
            self.position.epoch, self.position.step_in_epoch = self.position.epoch + 1, 0
        with self._kept_if_interrupted():
            if logs:
                self._log("train", logs)
            self.save()

    def catch_up(self) -> None:
        """Evaluates where a training was interrupted before an evaluation that was due."""
        position = self.position
        steps = self.schedule.eval_steps
        due = position.step_in_epoch == 0 or (steps and position.step % steps == 0)
        if position.step and due and position.saved_step != position.step:
            self.save()

    @contextlib.contextmanager
    def _kept_if_interrupted(self) -> Iterator[None]:
        """Checkpoints where the training is asked to end."""
        try:
            yield
        except interruption.Interrupted:
            interruption.notice()
            self._checkpoint()
            raise

    def save(self) -> None:
        """Evaluates, saves the model where it is the best so far, and checkpoints: in this order.

        A checkpoint that says of its step that it was saved is thus never ahead of the model.
        """
        if self.position.saved_step != self.position.step:
            runs.check_there(self.train_dir)
            self._check_weights()
            self._save_if_best()
            self.position.saved_step = self.position.step
        self._checkpoint()

    def watch(self, watched: str) -> None:
        """Judges the saved model anew where it was judged by other validation data before."""
        position = self.position
        if position.watched == watched:
            return
        logging.info("The validation data changed: the saved model is judged anew.")
        position.best, position.saved_step, position.watched = None, 0, watched
        if self.evaluate is not None and runs.has_model(self.train_dir):
            saved = runs.load(self.train_dir).model
            position.best = self.evaluate(saved, position.best_step)[self.metric]

    def _is_out_of_steps(self) -> bool:
        limit = self.schedule.max_steps
        return limit is not None and self.position.step >= limit

    def _save_if_best(self) -> None:
        """Saves the model where it is the best so far, or where there is nothing to tell by."""
        model = self.weights.update(self.model, self.position.step)
        if self.evaluate is None:
            runs.save_model(self.train_dir, model)
            return
        results = self.evaluate(model, self.position.step)
        self._log("eval", results)
        value, best = results[self.metric], self.position.best
        reported = [
            f"{title} {results[name]:.5g}"
            for name, title in REPORTED.items()
            if results.get(name) is not None
        ]
        note = " (best so far)" if best is None or value > best else f" (best: {best:.5g})"
        logging.info("Step %d: %s%s.", self.position.step, ", ".join(reported), note)
        if best is None or value > best:
            self.position.best, self.position.best_step = value, self.position.step
            runs.save_model(self.train_dir, model)

    def _check_divergence(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"Training diverged: the loss is {loss} by step {self.position.step}. Lower "
                "--base_learning_rate, or clip with --clip_gradient_norm. The last checkpoint in "
                f"{self.train_dir} is from before."
            )

    def _check_weights(self) -> None:
        """A loss shows what the step before it did; what is written must be sound itself."""
        for variable in self.model.trainable_variables:
            self._check_divergence(float(ops.sum(ops.cast(variable, "float32") * 0)))

    def _checkpoint(self) -> None:
        runs.check_there(self.train_dir)
        self._check_weights()
        checkpoints.save(self.train_dir, self.model, dataclasses.asdict(self.position))

    def _log(self, name: str, values: dict[str, float]) -> None:
        step = self.position.step
        with self._writers[name].as_default():
            for key, value in values.items():
                if value is not None:
                    tf.summary.scalar(key, float(value), step=step)
            if name == "train":
                rate = self.model.optimizer.learning_rate
                tf.summary.scalar("learning_rate", float(rate), step=step)
        self._writers[name].flush()
