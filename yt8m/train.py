r"""Trains a model on shards, or on raw video, and keeps everything about it in a run directory.

    python -m yt8m.train --train_dir=runs/moe --model=moe \
        --train_data_pattern='data/train*.tfrecord' --eval_data_pattern='data/validate*.tfrecord'

Started again with the same flags, it goes on from its last checkpoint.
"""

from __future__ import annotations

import os

import keras
from absl import flags, logging

from yt8m import (
    averages,
    checkpoints,
    distribution,
    fine_tuning,
    jobs,
    losses,
    metrics,
    modeling,
    optimizers,
    run_callback,
    runs,
    specs,
    training_data,
    transfer,
)
from yt8m import training as training_lib
from yt8m.data.video import pattern
from yt8m.errors import UserError

_PRECISION = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def define_flags() -> None:
    """Defines the flags of this job."""
    models = ", ".join(sorted(specs.model_names()))
    jobs.define_path("train_dir", "Folder of the run.")
    jobs.define_spec_flag(
        "model", "moe", specs.model, f"Model and hyperparameters, such as moe(mixtures=4). {models}"
    )
    flags.DEFINE_string(
        "train_data_pattern",
        None,
        "Shards to train on: a glob, several with commas between, or a text file of paths. Or "
        "raw video: a manifest, such as clips.csv#train, or a data set, such as "
        "tfds:ucf101/ucf101_1#train.",
        required=True,
    )
    flags.DEFINE_string(
        "eval_data_pattern", "", "Shards or videos to evaluate on; the best model is kept."
    )
    flags.DEFINE_integer("num_epochs", 5, "Passes over the training data.", lower_bound=1)
    flags.DEFINE_integer("max_steps", None, "Most batches to train on.", lower_bound=1)
    jobs.define_data_flags(batch_size=None)
    jobs.define_video_flags()
    jobs.define_clip_flags()
    jobs.define_spec_flag(
        "loss", "cross_entropy", losses.from_spec, f"Loss: {', '.join(losses.names())}."
    )
    jobs.define_spec_flag(
        "optimizer",
        "adam",
        optimizers.from_spec,
        f"Optimizer, such as adamw(weight_decay=0.01). {', '.join(optimizers.names())}.",
    )
    flags.DEFINE_float("base_learning_rate", 0.01, "Learning rate at the start.", lower_bound=0)
    flags.DEFINE_float(
        "learning_rate_decay", 0.95, "Factor every --learning_rate_decay_examples examples."
    )
    flags.DEFINE_integer(
        "learning_rate_decay_examples", 4_000_000, "Examples between decays.", lower_bound=1
    )
    flags.DEFINE_float(
        "clip_gradient_norm", 1.0, "Norm that each variable's gradient is cut to; 0 does not.", 0
    )
    flags.DEFINE_float(
        "ema_momentum", 0.0, "Momentum of a moving average of the weights, which is then the "
        "model that is evaluated and saved; 0 keeps none.", 0, 1,
    )  # fmt: skip
    flags.DEFINE_enum("mixed_precision", "float32", list(_PRECISION), "Type to compute in.")
    flags.DEFINE_boolean("jit_compile", False, "Compile with XLA (JAX always does).")
    flags.DEFINE_enum("distribute", "auto", distribution.CHOICES, distribution.HELP)
    flags.DEFINE_integer("seed", 0, "Fixes weights, order of the data and dropout.", 0, 2**32 - 1)
    flags.DEFINE_integer(
        "num_classes", None, "Size of the vocabulary; by default that of YouTube-8M or AudioSet, "
        "whichever the records are.", lower_bound=1,
    )  # fmt: skip
    flags.DEFINE_list("feature_names", [], "Features to use; by default all that are found.")
    flags.DEFINE_list("feature_sizes", [], "Sizes the features must have; by default any.")
    flags.DEFINE_integer("max_frames", 300, "Frames after these are cut.", lower_bound=1)
    flags.DEFINE_enum(
        "normalize",
        "l2",
        modeling.NORMALIZE,
        "How to scale the features of a frame: l2, together to unit norm, as the published models "
        "do; rms, each by itself to unit root mean square; none.",
    )
    flags.DEFINE_integer(
        "shuffle_buffer", None, "Records to shuffle among; by default 512 MB of them.", 1, 2**31
    )
    flags.DEFINE_integer("eval_steps", 0, "Evaluate every so many steps besides each epoch.", 0)
    flags.DEFINE_integer(
        "checkpoint_steps", 1000, "Checkpoint every so many steps besides each epoch.", 1
    )
    flags.DEFINE_integer(
        "average_checkpoints", 1, "Evaluate and save the mean of the weights at so many "
        "evaluations, the last ones.", lower_bound=1,
    )  # fmt: skip
    jobs.define_path("init_from", "Folder of a run whose weights to start from.", "")
    flags.DEFINE_integer(
        "top_layers", 0, "Layers next to the output that learn at the full rate; 0 for all.", 0
    )
    flags.DEFINE_float(
        "lower_rate", 0.0, "Share of the rate that the layers below --top_layers learn at; 0 keeps "
        "them as they are.", 0, 1,
    )  # fmt: skip
    flags.DEFINE_string(
        "teacher", "", "Name of a teacher whose scores are beside the shards, see yt8m.teach."
    )
    jobs.define_path("teacher_dir", "Folder of the teacher's scores, if not beside the shards.", "")
    flags.DEFINE_float(
        "distillation", 0.5, "Share of the teacher in the labels, with --teacher.", 0, 1
    )
    flags.DEFINE_boolean(
        "segment_labels", False, "Train and evaluate on rated segments (YouTube-8M 2019)."
    )
    jobs.define_path(
        "segment_label_ids_file", "Classes whose ratings count: a CSV with the header Index.", ""
    )
    flags.DEFINE_boolean("start_new_model", False, "Delete the run in --train_dir, if there is.")


def main() -> None:
    """Trains as the flags say."""
    args = flags.FLAGS
    parts = pattern.parse(args.train_data_pattern)
    jobs.settle_batch_size(parts is not None)
    devices = distribution.set_up(args.distribute)
    distribution.check_batch_size(devices, args.batch_size)
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
    with runs.locked(args.train_dir):
        runs.start(args.train_dir, _run_config(args, data), args.start_new_model)
        end = training_lib.train(
            args.train_dir,
            trainer,
            weights,
            data.reader,
            run_callback.Schedule(
                args.num_epochs, args.max_steps, args.eval_steps, args.checkpoint_steps
            ),
            args.seed,
            data.evaluate,
            watched=data.watched,
            metric=data.metric,
            teacher=data.teacher,
        )
    name = run_callback.REPORTED[data.metric]
    best = "" if end.best is None else f", best {name} {end.best:.5f}"
    print(f"Trained {args.model} to step {end.step}{best}: {args.train_dir}")


def _open_data(args, parts: list[pattern.Part] | None) -> training_data.TrainingData:
    """The data to train and to evaluate on, of shards or of raw video."""
    if parts is None:
        return training_data.open_shards(args)
    return jobs.import_extra("yt8m.clip_training", "video").open_videos(args, parts)


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


def _make_trainer(
    args, data: training_data.TrainingData, source: runs.Run | None
) -> modeling.Trainer:
    model = modeling.build(args.model, data.schema, data.num_classes, args.normalize)
    if source is not None:
        transfer.initialize(model, source, args.normalize, data.schema)
    rates = fine_tuning.apply(model, args.top_layers, args.lower_rate)
    loss = losses.get(args.loss.name, **args.loss.arguments)
    gap = metrics.StreamingGAP(name="gap")
    trainer = modeling.Trainer(
        model, data.num_classes, loss, gap, args.distillation, data.task_classes
    )
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


def _run_config(args, data: training_data.TrainingData) -> runs.RunConfig:
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
