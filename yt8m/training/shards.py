"""What a training learns from and is judged by, from the flags of `yt8m.train`: shards."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable

import keras
import numpy as np

from yt8m import runs
from yt8m.base import jobs
from yt8m.base.errors import UserError
from yt8m.data import segment_classes
from yt8m.data.reader import Reader
from yt8m.data.schema import Schema
from yt8m.data.teacher import TeacherScores, check_names
from yt8m.data.video.schema import ClipSchema
from yt8m.evaluation import predicting, report
from yt8m.evaluation import segments as segment_evaluation
from yt8m.evaluation import videos as video_evaluation
from yt8m.inputs import flags as input_flags
from yt8m.inputs import shards as shard_inputs
from yt8m.modeling import losses


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a training learns from and is judged by.

    Attributes:
        schema: what the examples hold.
        num_classes: the size of the vocabulary.
        reader: of the examples; a `ClipReader` for raw video.
        check_labels: fails where the examples have no labels.
        evaluate: model and step -> metrics by name; None without data to judge by.
        metric: the one that tells which model is best.
        watched: says what `evaluate` judges by, see `loop.train`.
        teacher: whose scores are learnt besides the labels, or None.
        task_classes: see `trainer.Trainer`.
        fingerprint: tells whether the videos are the same when a training goes on; empty for
            shards, which training may find in another place.
    """

    schema: Schema | ClipSchema
    num_classes: int
    reader: Reader
    check_labels: Callable[[], None]
    evaluate: Callable[[keras.Model, int], dict[str, float]] | None
    metric: str
    watched: str
    teacher: TeacherScores | None = None
    task_classes: np.ndarray | None = None
    fingerprint: str = ""


def open_shards(args) -> TrainingData:
    """Opens the shards that the flags name.

    Args:
        args: the flags of `yt8m.train`.

    Raises:
        UserError: nothing matches or can be read, or flags do not go together.
    """
    jobs.refuse_flags(
        ("clips", "flow", *input_flags.OF_VIDEO),
        "with shards; it is for raw video, such as clips.csv#train",
    )
    paths, schema = shard_inputs.open_shards(args.train_data_pattern)
    schema = schema.select(tuple(args.feature_names), jobs.parse_ints("feature_sizes"))
    num_classes = args.num_classes or schema.default_num_classes()
    of_segments = _segment_settings(args, num_classes)
    evaluate = _evaluator(args, schema, num_classes, of_segments)
    teacher = _teacher(args, paths, num_classes)
    reader = _reader(args, paths, schema, num_classes, of_segments)
    return TrainingData(
        schema,
        num_classes,
        reader,
        lambda: predicting.check_labels(reader),
        evaluate,
        "map_at_k" if args.segment_labels else "gap",
        args.eval_data_pattern,
        teacher,
    )


def keep_results(args, step: int, state, results: dict) -> dict:
    """Writes the metrics of an evaluation during training to the run's folder.

    Args:
        args: the flags of `yt8m.train`.
        step: of the training.
        state: see `metrics.Evaluation`.
        results: its metrics.

    Returns:
        The metrics.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = os.path.join(args.train_dir, runs.EVAL)
    details = {"eval_data_pattern": args.eval_data_pattern, "step": step}
    report.write(folder, f"step-{step:09d}", results | details, state.per_class())
    return results


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
        log=shard_inputs.read_log(),
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
    ids = segment_classes.read_label_ids(path, num_classes).tolist() if path else None
    return {"segment_labels": True, "segment_classes": ids and tuple(ids)}


def _static_shapes(args, jit_compile: bool = False) -> dict[str, int]:
    """See `predicting.static_shapes`; segments are all of one length."""
    same = {"frame_multiple": 1} if args.segment_labels else {}
    return predicting.static_shapes(jit_compile) | same


def _evaluator(args, schema: Schema, num_classes: int, of_segments: dict):
    """The function from a model and a step to metrics; None without --eval_data_pattern."""
    if not args.eval_data_pattern:
        return None
    paths, found = shard_inputs.open_shards(args.eval_data_pattern)
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
    judge = segment_evaluation.evaluate_segments if of_segments else video_evaluation.evaluate

    predicting.check_labels(make_reader())

    def evaluate(model: keras.Model, step: int) -> dict[str, float]:
        reader = make_reader(log=shard_inputs.read_log(), **_static_shapes(args))
        state = judge(model, reader, losses.for_evaluation(args.loss))
        return keep_results(args, step, state, state.result())

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
