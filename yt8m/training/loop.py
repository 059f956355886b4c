"""The training loop: Keras' `fit`, with what a run needs around it."""

from __future__ import annotations

import gc
import warnings

import tensorflow as tf
from absl import logging

from yt8m import runs
from yt8m.base import interruption
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.diagnose import clear_errors
from yt8m.data.reader import Reader
from yt8m.training import averages, checkpoints
from yt8m.training.callback import Position, RunCallback, TrainingPlan
from yt8m.training.trainer import Trainer
from yt8m.training.training_data import TrainingData


def train(
    train_dir: str,
    trainer: Trainer,
    weights: averages.Weights,
    data: TrainingData,
    schedule: TrainingPlan,
    seed: int,
) -> Position:
    """Trains, from the run's last checkpoint if it has one.

    Args:
        train_dir: the run, see `runs.start`.
        trainer: compiled, its optimizer built.
        weights: of the trainer, made where it was made.
        data: what is learnt from and judged by; the order of its examples is fixed by `seed` and
            the epoch.
        schedule: how long, and what to do on the way.
        seed: of the order of the data.

    Returns:
        Where training ended.

    Raises:
        UserError: the data is too small for one batch or does not fit, or training diverged.
        Interrupted: the process was asked to end; a checkpoint is kept of where it was.
    """
    reader = data.reader
    judged_by = data.judge.name if data.judge else ""
    position = _resume(train_dir, trainer, judged_by)
    weights.resume(position.step)
    total = schedule.remaining_examples(position, reader)
    with clear_errors(reader), ProgressReport("Training", total) as progress:
        callback = RunCallback(
            train_dir,
            position,
            schedule,
            weights,
            reader.batch_size,
            progress,
            data.judge,
            data.examples.metric,
        )
        callback.set_model(trainer)
        with callback.writers():
            callback.watch(judged_by)
            if schedule.is_over(position):
                logging.info("Nothing is left to train: --num_epochs or --max_steps is reached.")
                callback.save()
                return position
            with interruption.deferred():
                callback.catch_up()
                while not schedule.is_over(position):
                    _train_epoch(trainer, data, seed, position, callback)
    reader.log.finish()
    return position


def _resume(train_dir: str, trainer: Trainer, watched: str) -> Position:
    """Restores the last checkpoint and says where it is; the beginning if there is none."""
    position = checkpoints.restore(train_dir, trainer, Position.from_json)
    if position is None:
        return Position(watched=watched)
    logging.info("Resuming after step %d, in epoch %d.", position.step, position.epoch + 1)
    if position.saved_step and not runs.has_model(train_dir):
        logging.info("The saved model is gone: the best is judged anew.")
        position.best, position.saved_step = None, 0
    return position


@tf.autograph.experimental.do_not_convert
def _train_epoch(
    trainer: Trainer, data: TrainingData, seed: int, position: Position, callback: RunCallback
) -> None:
    """Trains on what is left of an epoch, in a `fit` of its own.

    Keras would take the length of the first epoch of a `fit` for that of all, and the first one
    after a resume is short.
    """
    reader = data.reader
    step, step_in_epoch = position.step, position.step_in_epoch
    dataset = reader.shuffled(seed, position.epoch, 1, position.step_in_epoch)
    if data.teacher is not None:
        dataset = dataset.map(data.teacher.add_to)
    dataset = dataset.map(lambda batch: _features_and_labels(batch, reader))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Your input ran out of data")
        trainer.fit(_unsharded(dataset), shuffle=False, callbacks=[callback], verbose=0)
    # Keras' iterator of an epoch and its generator hold each other: without this, a long training
    # gathers iterators of tf.data, each with about ten threads.
    gc.collect()
    if position.step == step and step_in_epoch == 0:
        reader.log.finish()
        raise UserError(reader.shortage())


def _features_and_labels(batch: dict, reader: Reader) -> tuple[dict, dict]:
    features = [*reader.schema.input_names, "num_frames"]
    labels = ["labels", "label_scores", "task", "teacher_classes", "teacher_scores"]
    return tuple(
        {name: batch[name] for name in part if name in batch} for part in (features, labels)
    )


def _unsharded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Tells tf.distribute to split batches over the devices, and to leave the files alone."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
