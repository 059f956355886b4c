"""The training loop: Keras' `fit`, with what a run needs around it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import warnings
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf
from absl import logging
from keras import ops

from yt8m import modeling, runs
from yt8m.data.diagnose import clear_errors
from yt8m.data.reader import Reader
from yt8m.errors import UserError
from yt8m.progress import ProgressReport


@dataclasses.dataclass
class Position:
    """Where training is, and the best result so far: what a checkpoint holds beside the weights.

    Attributes:
        epoch: the epoch, from 0.
        step_in_epoch: batches of this epoch that are done.
        step: batches done in all.
        best: the best value of the watched metric, None before the first evaluation.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best: float | None = None


@dataclasses.dataclass(frozen=True)
class Schedule:
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


class Weights:
    """The model that is evaluated and saved: the trained weights, or their moving average.

    Args:
        trainer: the compiled trainer; whether its optimizer keeps an average decides.
    """

    def __init__(self, trainer: modeling.Trainer):
        optimizer = trainer.optimizer
        use_ema = getattr(optimizer, "inner_optimizer", optimizer).use_ema
        self._average = keras.models.clone_model(trainer.model) if use_ema else None
        self.model = modeling.classifier(self._average or trainer.model)
        # Keras ends every `fit` by overwriting the weights with their average. Training goes on
        # from the weights themselves, so the average is taken here and only here.
        self._write_average = optimizer.finalize_variable_values
        optimizer.finalize_variable_values = lambda trainable_variables: None

    def update(self, trainer: modeling.Trainer) -> keras.Model:
        """Brings the model up to date and returns it.

        Values are copied: with JAX an assignment shares the buffer, and the next step of training
        or of prediction gives its buffers up.
        """
        if self._average is None:
            return self.model
        self._write_average(self._average.trainable_variables)
        for mine in self._average.trainable_variables:
            mine.assign(ops.copy(mine))
        others = trainer.model.non_trainable_variables
        for mine, theirs in zip(self._average.non_trainable_variables, others, strict=True):
            mine.assign(ops.copy(theirs))
        return self.model


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
    """

    def __init__(
        self,
        train_dir: str,
        position: Position,
        schedule: Schedule,
        weights: Weights,
        batch_size: int,
        progress: ProgressReport,
        evaluate: Callable[[keras.Model, int], dict[str, float]] | None,
    ):
        super().__init__()
        self.train_dir = train_dir
        self.position = position
        self.schedule = schedule
        self.weights = weights
        self.batch_size = batch_size
        self.progress = progress
        self.evaluate = evaluate
        self._writers = {
            name: tf.summary.create_file_writer(os.path.join(train_dir, runs.LOGS, name))
            for name in ("train", "eval")
        }
        self._saved_step = self._begun_at = position.step

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
        loss = float(logs["loss_mean"])
        self.progress.advance(self.batch_size, f"epoch {position.epoch + 1}, loss {loss:.4g}")
        if not math.isfinite(loss):
            raise UserError(
                f"The loss is {loss} at step {position.step}: training diverged. Lower "
                "--base_learning_rate, or clip with --clip_gradient_norm. The last checkpoint of "
                f"{self.train_dir} is from before."
            )
        if position.step % 10 == 0:
            self._log("train", logs)
        if schedule.eval_steps and position.step % schedule.eval_steps == 0:
            self._save_if_best()
            self._checkpoint()
        elif position.step % schedule.checkpoint_steps == 0:
            self._checkpoint()
        if self._is_out_of_steps():
            self.model.stop_training = True

    def on_train_end(self, logs=None) -> None:
        """Ends an epoch, or the training where it stopped in one: saves and checkpoints."""
        if self.position.step == self._begun_at:
            return
        if not self._is_out_of_steps():
            self.position.epoch, self.position.step_in_epoch = self.position.epoch + 1, 0
        self._log("train", logs)
        self._save_if_best()
        self._checkpoint()

    def on_train_begin(self, logs=None) -> None:
        """Notes where the epoch begins."""
        self._begun_at = self.position.step

    def _is_out_of_steps(self) -> bool:
        limit = self.schedule.max_steps
        return limit is not None and self.position.step >= limit

    def _save_if_best(self) -> None:
        """Saves the model where it is the best so far, or where there is nothing to tell by."""
        if self._saved_step == self.position.step:
            return
        self._saved_step = self.position.step
        model = self.weights.update(self.model)
        if self.evaluate is None:
            runs.save_model(self.train_dir, model)
            return
        results = self.evaluate(model, self.position.step)
        self._log("eval", results)
        best = self.position.best
        logging.info(
            "Step %d: GAP %.5f, Hit@1 %.4f, mAP %.4f, loss %.4g%s.",
            *(self.position.step, results["gap"], results["hit_at_1"]),
            *(results["map"], results["loss"]),
            " (best so far)" if best is None or results["gap"] > best else f" (best: {best:.5f})",
        )
        if best is None or results["gap"] > best:
            self.position.best = results["gap"]
            runs.save_model(self.train_dir, model)

    def _checkpoint(self) -> None:
        runs.save_checkpoint(self.train_dir, self.model, dataclasses.asdict(self.position))

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


def train(
    train_dir: str,
    trainer: modeling.Trainer,
    weights: Weights,
    reader: Reader,
    schedule: Schedule,
    seed: int,
    evaluate: Callable[[keras.Model, int], dict[str, float]] | None = None,
) -> Position:
    """Trains, from the run's last checkpoint if it has one.

    Args:
        train_dir: the run, see `runs.start`.
        trainer: compiled, its optimizer built.
        weights: of the trainer, made where it was made.
        reader: of the training shards; its order is fixed by `seed` and the epoch.
        schedule: how long, and what to do on the way.
        seed: of the order of the data.
        evaluate: model and step -> metrics by name, of which `gap` decides which model is best;
            None keeps the last.

    Returns:
        Where training ended.

    Raises:
        UserError: the data is too small for one batch or does not fit, or training diverged.
    """
    state = runs.restore_checkpoint(train_dir, trainer)
    position = Position(**state) if state else Position()
    if state:
        logging.info("Resuming after step %d, in epoch %d.", position.step, position.epoch + 1)
    if schedule.is_over(position):
        logging.info("Nothing is left to train: --num_epochs or --max_steps is reached.")
        return position
    remaining = (schedule.num_epochs - position.epoch) * reader.estimate_num_records()
    with clear_errors(reader), ProgressReport("Training", remaining) as progress:
        callback = RunCallback(
            train_dir, position, schedule, weights, reader.batch_size, progress, evaluate
        )
        with callback.writers():
            while not schedule.is_over(position):
                _train_epoch(trainer, reader, seed, position, callback)
    reader.log.finish()
    return position


def _train_epoch(
    trainer: modeling.Trainer, reader: Reader, seed: int, position: Position, callback: RunCallback
) -> None:
    """Trains on what is left of an epoch, in a `fit` of its own.

    Keras would take the length of the first epoch of a `fit` for that of all, and the first one
    after a resume is short.
    """
    before = position.step
    dataset = reader.shuffled(seed, position.epoch, 1, position.step_in_epoch)
    dataset = dataset.map(lambda batch: _features_and_labels(batch, reader))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Your input ran out of data")
        trainer.fit(_unsharded(dataset), shuffle=False, callbacks=[callback], verbose=0)
    if position.step > before:
        return
    if position.step_in_epoch == 0:
        raise UserError(
            f"The {reader.log.num_records} training examples do not fill one batch of "
            f"{reader.batch_size}. Lower --batch_size."
        )
    # Resumed after the last batch of an epoch, before the end of the epoch was noted.
    position.epoch, position.step_in_epoch = position.epoch + 1, 0


def _features_and_labels(batch: dict, reader: Reader) -> tuple[dict, tf.Tensor]:
    names = [*reader.schema.feature_names, "num_frames"]
    return {name: batch[name] for name in names if name in batch}, batch["labels"]


def _unsharded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Tells tf.distribute to split batches over the devices, and to leave the files alone."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
