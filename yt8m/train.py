r"""Trains a model on shards, or on raw video, and keeps everything about it in a run directory.

    yt8m train --train_dir=runs/moe --model=moe \
        --train_data_pattern='data/train*.tfrecord' --eval_data_pattern='data/validate*.tfrecord'

Started again with the same flags, it goes on from its last checkpoint.
"""

from __future__ import annotations

import os
import re
import shlex
import sys

import keras
from absl import flags, logging

from yt8m import runs
from yt8m.base import define, files, interruption, jobs, spec_language
from yt8m.base.errors import UserError, first_line
from yt8m.data.video.sources import pattern
from yt8m.extraction import recipe
from yt8m.inputs import flags as input_flags
from yt8m.modeling import keras_model, losses, specs
from yt8m.training import averages, checkpoints, loop, optimizers, shards, training_data
from yt8m.training import devices as devices_lib
from yt8m.training.callback import REPORTED, TrainingPlan
from yt8m.training.network_settings import NetworkSettings, OptimizerSettings

# Flags that have a meaning for shards alone.
_OF_SHARDS = (
    "feature_names",
    "feature_sizes",
    "video_feature_names",
    "max_frames",
    "normalize",
    "shuffle_buffer",
    "segment_labels",
    "segment_label_ids_file",
    "teacher",
    "teacher_dir",
    "distillation",
    "num_classes",
    "vocabulary_file",
)
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
    define.path(
        "vocabulary_file",
        "CSV with the names of the classes: vocabulary.csv of YouTube-8M, or "
        "class_labels_indices.csv of AudioSet. By default a vocabulary.csv beside the shards.",
        "",
        any_bytes=True,
    )
    define.strings("feature_names", "Features to use; by default all that are found.", [])
    define.strings("feature_sizes", "Sizes the features must have; by default any.", [])
    define.strings(
        "video_feature_names",
        "Vectors of the whole video beside its frames, such as the embedding of its title, that "
        "join the pooled frames before the head; by default none.",
        [],
    )
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
        "teacher", "Name of a teacher whose scores are beside the shards, see `yt8m teach`.", ""
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
    of_clips = pattern.parse(args.train_data_pattern) is not None
    if of_clips:
        _refuse_for_clips(args.model, args.eval_data_pattern)
    else:
        _refuse_for_shards(args.segment_labels, args.teacher)
    batch_size = input_flags.batch_size(of_clips)
    devices = devices_lib.set_up(args.distribute)
    devices_lib.check_batch_size(devices, batch_size)
    folder = os.path.join(args.train_dir, runs.EVAL)
    if of_clips:
        clips = jobs.import_extra("yt8m.training.clips", "video")
        reading = input_flags.clip_settings()
        settings = input_flags.fill(clips.VideoSettings, batch_size=batch_size, reading=reading)
        data = clips.open_data(settings, args.model, args.loss, folder)
    else:
        sizes = input_flags.integers("feature_sizes")
        settings = input_flags.fill(
            shards.ShardSettings, batch_size=batch_size, feature_sizes=sizes
        )
        data = shards.open_data(settings, args.loss, folder, args.jit_compile)
    network = input_flags.fill(NetworkSettings)
    optimizer = input_flags.fill(OptimizerSettings)
    source = _source(args.train_dir, args.init_from, args.start_new_model)
    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(_PRECISION[args.mixed_precision])
    try:
        with devices.scope():
            trainer = network.make_trainer(data, optimizer, source)
            weights = averages.Weights(trainer, _history(args.train_dir, args.average_checkpoints))
    except ValueError as error:
        raise UserError(f"These flags make no training: {first_line(error)}") from error
    logging.info("%s: %d parameters.", args.model, trainer.model.count_params())
    data.examples.check_labels(data.reader)
    data.reader.check_fills_a_batch()
    training = {
        "train_data_pattern": args.train_data_pattern,
        "batch_size": batch_size,
        "mixed_precision": args.mixed_precision,
        "average_checkpoints": args.average_checkpoints,
        "seed": args.seed,
    }
    config = runs.RunConfig(
        model=str(args.model),
        schema=data.schema,
        num_classes=data.num_classes,
        preprocessing=input_flags.preprocessing(data.schema),
        loss=str(args.loss),
        optimizer=optimizer.recorded(),
        training=training | data.recorded | network.recorded(data.teacher is not None),
        eval_data_pattern=args.eval_data_pattern,
        flags=input_flags.given_values(),
    )
    with files.locked(args.train_dir):
        runs.start(args.train_dir, config, args.start_new_model)
        _keep_what_is_known(args.train_dir, config, data)
        schedule = input_flags.fill(TrainingPlan)
        try:
            end = loop.train(args.train_dir, trainer, weights, data, schedule, args.seed)
        except interruption.Interrupted:
            _say_what_is_kept(args.train_dir)
            raise
    best = "" if end.best is None else f", best {REPORTED[data.examples.metric]} {end.best:.5f}"
    print(f"Trained {args.model} to step {end.step}{best}: {args.train_dir}")


def _keep_what_is_known(
    train_dir: str, config: runs.RunConfig, data: training_data.TrainingData
) -> None:
    """Puts the names of the classes, and how features are made, into the run."""
    if data.names is not None:
        runs.write_names(train_dir, config, data.names)
    if data.features_dir:
        recipe.copy(data.features_dir, train_dir)


def _say_what_is_kept(train_dir: str) -> None:
    """After an interruption: which files there are, and the command that goes on from them."""
    step = checkpoints.last_step(train_dir)
    if step is None:
        return
    best = " and the best model so far" if runs.has_model(train_dir) else ""
    kept = f"Kept in {train_dir}: the checkpoint of step {step}{best}."
    # The flag would delete it all.
    given = [text for text in sys.argv[1:] if not re.match("--?start_new_model", text)]
    print(f"{kept} To go on: {shlex.join(['yt8m', 'train', *given])}", file=sys.stderr)


def _refuse_for_clips(model: spec_language.Spec, eval_data_pattern: str) -> None:
    """Fails where a flag is given that means nothing to a training on raw video."""
    input_flags.refuse(_OF_SHARDS, "with raw video; it is for shards")
    if "pixels" in model.inputs and "flow" not in model.inputs:
        input_flags.refuse(["flow"], f"for {model.name}, which looks at pixels alone")
    if not eval_data_pattern:
        input_flags.refuse(["num_clips", "num_crops"], "without --eval_data_pattern")


def _refuse_for_shards(segment_labels: bool, teacher: str) -> None:
    """Fails where a flag is given that means nothing to a training on shards."""
    reason = "with shards; it is for raw video, such as clips.csv#train"
    input_flags.refuse(("clips", "flow", *input_flags.OF_VIDEO), reason)
    if not segment_labels:
        input_flags.refuse(["segment_label_ids_file"], "without --segment_labels")
    if not teacher:
        input_flags.refuse(["teacher_dir", "distillation"], "without --teacher")


def _source(train_dir: str, init_from: str, start_new_model: bool) -> runs.Run | None:
    """The run to take weights from; None without --init_from, and where training goes on."""
    goes_on = checkpoints.exists(train_dir) and not start_new_model
    if not init_from or goes_on:
        return None
    if not os.path.isdir(init_from):
        raise UserError(f"There is no run directory {init_from}. Correct --init_from.")
    return runs.load(init_from)


def _history(train_dir: str, average_checkpoints: int) -> averages.History | None:
    return averages.History(train_dir, average_checkpoints) if average_checkpoints > 1 else None


if __name__ == "__main__":
    jobs.run(define_flags, main)
