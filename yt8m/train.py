r"""Trains a model on shards, or on raw video, and keeps everything about it in a run directory.

    python -m yt8m.train --train_dir=runs/moe --model=moe \
        --train_data_pattern='data/train*.tfrecord' --eval_data_pattern='data/validate*.tfrecord'

Started again with the same flags, it goes on from its last checkpoint.
"""

from __future__ import annotations

import os

import keras
from absl import flags, logging

from yt8m import metrics, runs
from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data.video.sources import pattern
from yt8m.inputs import flags as input_flags
from yt8m.modeling import keras_model, losses, specs
from yt8m.training import averages, callback, checkpoints, fine_tuning, loop, optimizers, transfer
from yt8m.training import devices as devices_lib
from yt8m.training import shards as training_shards
from yt8m.training.trainer import Trainer

_PRECISION = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.spec(
        "model",
        "Model and hyperparameters, such as moe(mixtures=4), or a published size of one, such as "
        "netvlad@gated or netvlad@gated(clusters=64). "
        f"Models: {', '.join(sorted(specs.model_names()))}. "
        f"Published sizes: {', '.join(specs.published_names())}.",
        "moe",
        specs.model,
    )
    define.string(
        "train_data_pattern",
        "Shards to train on: a glob, several with commas between, or a text file of paths. Or "
        "raw video: a manifest, such as clips.csv#train, or a data set, such as "
        "tfds:ucf101/ucf101_1#train.",
        required=True,
    )
    define.string(
        "eval_data_pattern", "Shards or videos to evaluate on; the best model is kept.", ""
    )
    define.integer("num_epochs", "Passes over the training data.", 5, at_least=1)
    define.integer("max_steps", "Most batches to train on.", at_least=1)
    input_flags.define_data_flags(batch_size=None)
    input_flags.define_video_flags()
    input_flags.define_clip_flags()
    define.spec("loss", f"Loss: {', '.join(losses.names())}.", "cross_entropy", losses.from_spec)
    define.spec(
        "optimizer",
        f"Optimizer, such as adamw(weight_decay=0.01). {', '.join(optimizers.names())}.",
        "adam",
        optimizers.from_spec,
    )
    define.number("base_learning_rate", "Learning rate at the start.", 0.01, at_least=0)
    define.number(
        "learning_rate_decay", "Factor every --learning_rate_decay_examples examples.", 0.95
    )
    define.integer(
        "learning_rate_decay_examples", "Examples between decays.", 4_000_000, at_least=1
    )
    define.number(
        "clip_gradient_norm",
        "Norm that each variable's gradient is cut to; 0 does not.",
        1.0,
        at_least=0,
    )
    define.number(
        "ema_momentum",
        "Momentum of a moving average of the weights, which is then the "
        "model that is evaluated and saved; 0 keeps none.",
        0.0,
        at_least=0,
        at_most=1,
    )
    define.choice("mixed_precision", "Type to compute in.", "float32", list(_PRECISION))
    define.boolean("jit_compile", "Compile with XLA (JAX always does).")
    define.choice("distribute", devices_lib.HELP, "auto", devices_lib.CHOICES)
    define.integer(
        "seed", "Fixes weights, order of the data and dropout.", 0, at_least=0, at_most=2**32 - 1
    )
    define.integer(
        "num_classes",
        "Size of the vocabulary; by default that of YouTube-8M or AudioSet, "
        "whichever the records are.",
        at_least=1,
    )
    define.strings("feature_names", "Features to use; by default all that are found.", [])
    define.strings("feature_sizes", "Sizes the features must have; by default any.", [])
    define.integer("max_frames", "Frames after these are cut.", 300, at_least=1)
    define.choice(
        "normalize",
        "How to scale the features of a frame: l2, together to unit norm, as the published models "
        "do; rms, each by itself to unit root mean square; none.",
        "l2",
        keras_model.NORMALIZE,
    )
    define.integer(
        "shuffle_buffer",
        "Records to shuffle among; by default 512 MB of them.",
        at_least=1,
        at_most=2**31,
    )
    define.integer("eval_steps", "Evaluate every so many steps besides each epoch.", 0, at_least=0)
    define.integer(
        "checkpoint_steps", "Checkpoint every so many steps besides each epoch.", 1000, at_least=1
    )
    define.integer(
        "average_checkpoints",
        "Evaluate and save the mean of the weights at so many evaluations, the last ones.",
        1,
        at_least=1,
    )
    define.path("init_from", "Folder of a run whose weights to start from.", "")
    define.integer(
        "top_layers",
        "Layers next to the output that learn at the full rate; 0 for all.",
        0,
        at_least=0,
    )
    define.number(
        "lower_rate",
        "Share of the rate that the layers below --top_layers learn at; 0 keeps them as they are.",
        0.0,
        at_least=0,
        at_most=1,
    )
    define.string(
        "teacher", "Name of a teacher whose scores are beside the shards, see yt8m.teach.", ""
    )
    define.path("teacher_dir", "Folder of the teacher's scores, if not beside the shards.", "")
    define.number(
        "distillation",
        "Share of the teacher in the labels, with --teacher.",
        0.5,
        at_least=0,
        at_most=1,
    )
    define.boolean("segment_labels", "Train and evaluate on rated segments (YouTube-8M 2019).")
    define.path(
        "segment_label_ids_file", "Classes whose ratings count: a CSV with the header Index.", ""
    )
    define.boolean("start_new_model", "Delete the run in --train_dir, if there is.")


def main() -> None:
    """Trains as the flags say."""
    args = flags.FLAGS
    parts = pattern.parse(args.train_data_pattern)
    input_flags.settle_batch_size(parts is not None)
    devices = devices_lib.set_up(args.distribute)
    devices_lib.check_batch_size(devices, args.batch_size)
    data = _open_data(args, parts)
    source = _source(args)
    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(_PRECISION[args.mixed_precision])
    try:
        with devices.scope():
            trainer = _make_trainer(args, data, source)
            weights = averages.Weights(trainer, _history(args))
    except ValueError as error:
        raise UserError(f"These flags make no training: {str(error).splitlines()[0]}") from error
    logging.info("%s: %d parameters.", args.model, trainer.model.count_params())
    data.check_labels()
    with files.locked(args.train_dir):
        runs.start(args.train_dir, _run_config(args, data), args.start_new_model)
        end = loop.train(
            args.train_dir,
            trainer,
            weights,
            data.reader,
            callback.Schedule(
                args.num_epochs, args.max_steps, args.eval_steps, args.checkpoint_steps
            ),
            args.seed,
            data.evaluate,
            watched=data.watched,
            metric=data.metric,
            teacher=data.teacher,
        )
    name = callback.REPORTED[data.metric]
    best = "" if end.best is None else f", best {name} {end.best:.5f}"
    print(f"Trained {args.model} to step {end.step}{best}: {args.train_dir}")


def _open_data(args, parts: list[pattern.Part] | None) -> training_shards.TrainingData:
    """The data to train and to evaluate on, of shards or of raw video."""
    if parts is None:
        return training_shards.open_shards(args)
    return jobs.import_extra("yt8m.training.clips", "video").open_videos(args, parts)


def _source(args) -> runs.Run | None:
    """The run to take weights from; None without --init_from, and where training goes on."""
    goes_on = checkpoints.exists(args.train_dir) and not args.start_new_model
    if not args.init_from or goes_on:
        return None
    if not os.path.isdir(args.init_from):
        raise UserError(f"There is no run directory {args.init_from}. Correct --init_from.")
    return runs.load(args.init_from)


def _history(args) -> averages.History | None:
    if args.average_checkpoints == 1:
        return None
    return averages.History(args.train_dir, args.average_checkpoints)


def _make_trainer(args, data: training_shards.TrainingData, source: runs.Run | None) -> Trainer:
    model = keras_model.build(args.model, data.schema, data.num_classes, args.normalize)
    if source is not None:
        transfer.initialize(model, source, args.normalize, data.schema)
    rates = fine_tuning.apply(model, args.top_layers, args.lower_rate)
    loss = losses.get(args.loss.name, **args.loss.arguments)
    gap = metrics.StreamingGAP(name="gap")
    trainer = Trainer(model, data.num_classes, loss, gap, args.distillation, data.task_classes)
    schedule = optimizers.staircase_decay(
        args.base_learning_rate,
        args.learning_rate_decay,
        args.learning_rate_decay_examples,
        args.batch_size,
    )
    optimizer = optimizers.get(
        args.optimizer.name,
        schedule,
        clip_gradient_norm=args.clip_gradient_norm,
        ema_momentum=args.ema_momentum,
        rates=rates,
        **args.optimizer.arguments,
    )
    jit_compile = args.jit_compile or keras.config.backend() == "jax"
    trainer.compile(optimizer=optimizer, jit_compile=jit_compile)
    trainer(model.input)
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _run_config(args, data: training_shards.TrainingData) -> runs.RunConfig:
    return runs.RunConfig(
        model=str(args.model),
        schema=data.schema,
        num_classes=data.num_classes,
        preprocessing={"normalize": args.normalize, "max_frames": args.max_frames},
        loss=str(args.loss),
        optimizer={
            "name": str(args.optimizer),
            "base_learning_rate": args.base_learning_rate,
            "learning_rate_decay": args.learning_rate_decay,
            "learning_rate_decay_examples": args.learning_rate_decay_examples,
            "clip_gradient_norm": args.clip_gradient_norm,
            "ema_momentum": args.ema_momentum,
        },
        training={
            "train_data_pattern": args.train_data_pattern,
            "batch_size": args.batch_size,
            "mixed_precision": args.mixed_precision,
            "shuffle_buffer": args.shuffle_buffer,
            "average_checkpoints": args.average_checkpoints,
            "init_from": args.init_from,
            "videos": data.fingerprint,
            "top_layers": args.top_layers,
            "lower_rate": args.lower_rate,
            "segment_labels": args.segment_labels,
            "segment_label_ids_file": args.segment_label_ids_file,
            "teacher": args.teacher,
            "teacher_dir": args.teacher_dir,
            "distillation": args.distillation if args.teacher else 0.0,
            "seed": args.seed,
        },
        flags=jobs.flag_values(),
    )


if __name__ == "__main__":
    jobs.run(define_flags, main)
