r"""Trains a model on shards and keeps everything about it in a run directory.

    python -m yt8m.train --train_dir=runs/moe --model=moe \
        --train_data_pattern='data/train*.tfrecord' --eval_data_pattern='data/validate*.tfrecord'

Started again with the same flags, it goes on from its last checkpoint.
"""

from __future__ import annotations

import functools
import os

import keras
from absl import flags, logging

from yt8m import (
    averages,
    checkpoints,
    distribution,
    evaluation,
    jobs,
    losses,
    metrics,
    modeling,
    optimizers,
    report,
    runs,
    segment_submission,
    segments,
    specs,
    transfer,
)
from yt8m import training as training_lib
from yt8m.data.reader import Reader
from yt8m.data.schema import Schema
from yt8m.data.teacher import TeacherScores, check_names
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
        "Shards to train on: a glob, several with commas between, or a text file of paths.",
        required=True,
    )
    flags.DEFINE_string("eval_data_pattern", "", "Shards to evaluate on; the best model is kept.")
    flags.DEFINE_integer("num_epochs", 5, "Passes over the training data.", lower_bound=1)
    flags.DEFINE_integer("max_steps", None, "Most batches to train on.", lower_bound=1)
    jobs.define_data_flags(batch_size=1024)
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
    devices = distribution.set_up(args.distribute)
    distribution.check_batch_size(devices, args.batch_size)
    paths, schema = jobs.open_shards(args.train_data_pattern)
    schema = schema.select(tuple(args.feature_names), jobs.parse_ints("feature_sizes"))
    num_classes = args.num_classes or schema.default_num_classes()
    of_segments = _segment_settings(args, num_classes)
    evaluate = _evaluator(args, schema, num_classes, of_segments)
    teacher = _teacher(args, paths, num_classes)
    source = _source(args)
    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(_PRECISION[args.mixed_precision])
    try:
        with devices.scope():
            trainer = _make_trainer(args, schema, num_classes)
            if source is not None:
                transfer.initialize(trainer.model, source, args.normalize)
            weights = averages.Weights(trainer, _history(args))
    except ValueError as error:
        raise UserError(f"These flags make no training: {str(error).splitlines()[0]}") from error
    logging.info("%s: %d parameters.", args.model, trainer.model.count_params())
    reader = _reader(args, paths, schema, num_classes, of_segments)
    evaluation.check_labels(reader)
    with runs.locked(args.train_dir):
        runs.start(args.train_dir, _run_config(args, schema, num_classes), args.start_new_model)
        end = training_lib.train(
            args.train_dir,
            trainer,
            weights,
            reader,
            training_lib.Schedule(
                args.num_epochs, args.max_steps, args.eval_steps, args.checkpoint_steps
            ),
            args.seed,
            evaluate,
            watched=args.eval_data_pattern,
            metric="map_at_k" if args.segment_labels else "gap",
            teacher=teacher,
        )
    name = "MAP@K" if args.segment_labels else "GAP"
    best = "" if end.best is None else f", best {name} {end.best:.5f}"
    print(f"Trained {args.model} to step {end.step}{best}: {args.train_dir}")


def _reader(args, paths: list[str], schema: Schema, num_classes: int, of_segments: dict) -> Reader:
    """The reader of the training shards."""
    return Reader(
        paths,
        schema,
        num_classes,
        args.batch_size,
        max_frames=args.max_frames,
        drop_remainder=True,
        shuffle_buffer=args.shuffle_buffer,
        log=jobs.read_log(),
        **of_segments,
        **_static_shapes(args, args.jit_compile),
    )


def _segment_settings(args, num_classes: int) -> dict:
    """What tells a reader to cut out rated segments; nothing without --segment_labels."""
    if not args.segment_labels:
        jobs.refuse_flags(["segment_label_ids_file"], "without --segment_labels")
        return {}
    if not losses.label_weighted(losses.get(args.loss.name, **args.loss.arguments)):
        raise UserError(
            "--segment_labels needs a loss of each class by itself, such as cross_entropy, as only "
            f"some classes of a segment are rated. Received: --loss={args.loss}."
        )
    if args.teacher:
        raise UserError("--teacher scores whole videos, so it does not go with --segment_labels.")
    path = args.segment_label_ids_file
    ids = segment_submission.read_label_ids(path, num_classes).tolist() if path else None
    return {"segment_labels": True, "segment_classes": ids and tuple(ids)}


def _static_shapes(args, jit_compile: bool = False) -> dict[str, int]:
    """See `evaluation.static_shapes`; segments are all of one length."""
    same = {"frame_multiple": 1} if args.segment_labels else {}
    return evaluation.static_shapes(jit_compile) | same


def _evaluator(args, schema: Schema, num_classes: int, of_segments: dict):
    """The function from a model and a step to metrics; None without --eval_data_pattern."""
    if not args.eval_data_pattern:
        return None
    paths, found = jobs.open_shards(args.eval_data_pattern)
    found = schema.match(found, args.eval_data_pattern)
    make_reader = functools.partial(
        Reader,
        paths,
        found,
        num_classes,
        args.batch_size,
        max_frames=args.max_frames,
        **of_segments,
    )
    judge = segments.evaluate_segments if of_segments else evaluation.evaluate

    evaluation.check_labels(make_reader())

    def evaluate(model: keras.Model, step: int) -> dict[str, float]:
        reader = make_reader(log=jobs.read_log(), **_static_shapes(args))
        state = judge(model, reader, losses.for_evaluation(args.loss))
        results = state.result()
        folder = os.path.join(args.train_dir, runs.EVAL)
        details = {"eval_data_pattern": args.eval_data_pattern, "step": step}
        report.write(folder, f"step-{step:09d}", results | details, state.per_class())
        return results

    return evaluate


def _teacher(args, paths: list[str], num_classes: int) -> TeacherScores | None:
    """The teacher's scores of the training shards; None without --teacher."""
    if not args.teacher:
        jobs.refuse_flags(["teacher_dir", "distillation"], "without --teacher")
        return None
    if not losses.takes_soft_labels(losses.get(args.loss.name, **args.loss.arguments)):
        raise UserError(
            f"--teacher needs a loss that takes probabilities as labels, such as cross_entropy. "
            f"Received: --loss={args.loss}."
        )
    check_names(paths, args.teacher, args.teacher_dir)
    return TeacherScores.read(paths, args.teacher, num_classes, args.teacher_dir)


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


def _make_trainer(args, schema: Schema, num_classes: int) -> modeling.Trainer:
    model = modeling.build(args.model, schema, num_classes, args.normalize)
    loss = losses.get(args.loss.name, **args.loss.arguments)
    gap = metrics.StreamingGAP(name="gap")
    trainer = modeling.Trainer(model, num_classes, loss, gap, args.distillation)
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
        **args.optimizer.arguments,
    )
    jit_compile = args.jit_compile or keras.config.backend() == "jax"
    trainer.compile(optimizer=optimizer, jit_compile=jit_compile)
    trainer(model.input)
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _run_config(args, schema: Schema, num_classes: int) -> runs.RunConfig:
    return runs.RunConfig(
        model=str(args.model),
        schema=schema,
        num_classes=num_classes,
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
