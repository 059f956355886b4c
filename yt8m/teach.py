r"""Writes a teacher's scores beside shards, for `yt8m train --teacher` to learn from.

    yt8m teach --train_dir=runs/large --name=large \
        --input_data_pattern='data/train*.tfrecord'

The teacher is a run, or with --submission_file whatever wrote a submission over these shards,
such as `yt8m ensemble`, or with --teacher_saved_model a SavedModel of another program, such as
Google's baselines. Each shard gets a file of its own, `SHARD.NAME.npz`, when it is whole; a
shard that has one is passed over, so a job that was stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
from absl import flags, logging

from yt8m import runs
from yt8m.base import define, jobs
from yt8m.base.errors import UserError
from yt8m.data.ids import FirstRecords, as_text
from yt8m.data.read_log import SKIP, ReadLog
from yt8m.data.reader import Reader
from yt8m.data.teacher import TeacherScores, check_names, sidecar_path
from yt8m.evaluation import predicting, saved_teacher
from yt8m.inputs import flags as input_flags
from yt8m.inputs.shards import ShardInput, open_shards
from yt8m.submissions.predictions import Predictions

# The classes and the scores of a batch, (batch, k) each.
Teacher = Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run that teaches.", "")
    define.path(
        "submission_file", "A submission that teaches, in place of a run.", "", any_bytes=True
    )
    define.path(
        "teacher_saved_model",
        "Folder of a SavedModel that teaches: from records, or joined frames and their number, to "
        "predictions. It is a program; load those that you trust.",
        "",
    )
    define.string("input_data_pattern", "Shards to write scores for.", required=True)
    define.string("name", "Name of the teacher, a part of the files' names.", "teacher")
    define.path("output_dir", "Folder for the files; by default, beside each shard.", "")
    define.integer("top_k", "Classes to keep of each video.", 20, at_least=1)
    define.integer(
        "num_classes",
        "Size of the vocabulary of a submission or a SavedModel; by default that of "
        "YouTube-8M or AudioSet, whichever the records are.",
        at_least=1,
    )
    define.boolean("overwrite", "Write files anew that are there.")
    input_flags.define_data_flags(batch_size=1024)


def main() -> None:
    """Writes scores as the flags say."""
    args = flags.FLAGS
    named = (args.train_dir, args.submission_file, args.teacher_saved_model)
    if sum(map(bool, named)) != 1:
        raise UserError(
            "Name one teacher: either --train_dir, --submission_file or --teacher_saved_model."
        )
    if args.train_dir:
        input_flags.refuse(["num_classes"], "with --train_dir, whose run has one")
        reader, teacher = from_run(
            args.train_dir, args.input_data_pattern, args.batch_size, args.top_k
        )
    elif args.teacher_saved_model:
        reader, teacher = from_saved_model(
            args.teacher_saved_model,
            args.input_data_pattern,
            args.batch_size,
            args.top_k,
            args.num_classes,
        )
    else:
        reader, teacher = from_submission(
            args.submission_file,
            args.input_data_pattern,
            args.batch_size,
            args.top_k,
            args.num_classes,
        )
    check_names(reader.paths, args.name, args.output_dir)
    paths = {shard: sidecar_path(shard, args.name, args.output_dir) for shard in reader.paths}
    if args.overwrite:
        missing = list(paths)
    else:
        missing = [shard for shard, path in paths.items() if not tf.io.gfile.exists(path)]
    scored = (
        (paths[shard], *score_shard(_reader_of(reader, shard, args.on_corrupt_shard), teacher))
        for shard in missing
    )
    there = len(paths) - len(missing)
    write_all(scored, next(filter(None, named)), anyway=bool(there))
    kept = f"; {there} were there (--overwrite writes them anew)" if there else ""
    print(f"Wrote the scores of {len(missing)} of {len(paths)} shard(s){kept}.")


def write_all(scored: Iterable[tuple[str, TeacherScores, int]], teacher: str, anyway: bool) -> None:
    """Writes a file for each shard, and none where the teacher has nothing to say of any.

    Args:
        scored: the path of each file, its scores, and the number of the records of its shard.
        teacher: its run or submission, for the error.
        anyway: whether other shards have their files already.

    Raises:
        UserError: the shards hold no records, or the teacher knows none of their videos.
    """
    waiting: list[tuple[str, TeacherScores]] = []
    num_records, num_shards = 0, 0
    for path, scores, count in scored:
        num_records += count
        num_shards += 1
        anyway |= len(scores.ids) > 0
        waiting.append((path, scores))
        if anyway:
            for each, held in waiting:
                held.write(each)
            waiting.clear()
    if num_shards and not num_records:
        raise UserError("Nothing could be read: the shards hold no records.")
    if waiting:
        raise UserError(
            f"{teacher} knows none of the {num_records} videos of {num_shards} shard(s), from "
            f"{waiting[0][0].rpartition('.npz')[0]} on, so nothing was written. Name the shards "
            "that it predicts."
        )


def _reader_of(reader: Reader, shard: str, on_corrupt: str) -> Reader:
    """A reader of one of the shards of a reader, which counts for itself."""
    return dataclasses.replace(reader, paths=[shard], log=ReadLog(on_corrupt))


def score_shard(reader: Reader, teacher: Teacher) -> tuple[TeacherScores, int]:
    """What the teacher says of the videos of one shard: of none, where none can be read.

    Returns:
        The scores, and the number of records that were read.

    Raises:
        UserError: the records do not fit, a score is not finite, or the shard is damaged and the
            job was told to fail on that.
    """
    ids, classes, scores = [], [], []
    first = FirstRecords()
    try:
        for batch in predicting.batches(reader, f"Scoring {reader.paths[0]}"):
            found, values = teacher(batch)
            predicting.check_finite(values, batch, reader)
            known = (found >= 0).any(axis=1)
            known &= [first.add(as_text(video_id)) for video_id in batch["ids"]]
            ids.extend(batch["ids"][known])
            classes.append(found[known])
            scores.append(values[known])
    except UserError as error:
        if reader.log.num_records or reader.log.failure:
            raise
        logging.warning("%s: %s", reader.paths[0], error)
    first.warn()
    if not ids:
        logging.warning("The teacher has nothing to say of %s.", reader.paths[0])
        classes, scores = [np.zeros((0, 1), int)], [np.zeros((0, 1))]
    joined = np.concatenate(classes), np.concatenate(scores)
    scores_of_all = TeacherScores.make(ids, *joined, reader.num_classes)
    return scores_of_all, reader.log.num_records


def from_run(train_dir: str, pattern: str, batch_size: int, top_k: int) -> tuple[Reader, Teacher]:
    """A reader of shards, and a run that teaches their `top_k` likeliest classes.

    Raises:
        UserError: no run, nothing to read, or records that do not fit the model.
    """
    run = runs.load(train_dir)
    reader = ShardInput.for_run(run.config, batch_size, SKIP).open(pattern)
    predict = predicting.top_k_predictor(run.model, top_k)
    return reader, lambda batch: tuple(predict(batch))[::-1]


def from_saved_model(
    path: str, pattern: str, batch_size: int, top_k: int, num_classes: int | None
) -> tuple[Reader, Teacher]:
    """A reader of shards, and a SavedModel that teaches their `top_k` likeliest classes.

    Raises:
        UserError: the model or the shards cannot be read, or they do not fit.
    """
    paths, schema = open_shards(pattern)
    num_classes = num_classes or schema.default_num_classes()
    teacher = saved_teacher.load(path, schema, top_k)

    def checked(batch: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        classes, scores = teacher(batch)
        if classes.max(initial=0) >= num_classes or scores.min(initial=0) < 0:
            raise UserError(
                f"{path} answers the class {classes.max()} and the score {scores.min():g}; classes "
                f"must be below {num_classes} and scores probabilities. Correct --num_classes."
            )
        return classes, scores

    return Reader(paths, schema, num_classes, batch_size), checked


def from_submission(
    path: str, pattern: str, batch_size: int, top_k: int, num_classes: int | None
) -> tuple[Reader, Teacher]:
    """A reader of the ids of shards, and a submission that teaches.

    Raises:
        UserError: the file or the shards cannot be read, or its scores are no probabilities.
    """
    paths, schema = open_shards(pattern)
    num_classes = num_classes or schema.default_num_classes()
    reader = Reader(paths, schema.labels_only(), num_classes, batch_size)
    predictions = Predictions.read(path, num_classes, top_k)
    if (predictions.scores < 0).any() or (predictions.scores > 1).any():
        raise UserError(f"{path} has scores outside 0 to 1; a teacher's are probabilities.")
    nothing = len(predictions.classes)
    classes = np.pad(predictions.classes, ((0, 1), (0, 0)), constant_values=-1)
    scores = np.pad(predictions.scores, ((0, 1), (0, 0)))

    def teacher(batch: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        rows = [predictions.row.get(as_text(i), nothing) for i in batch["ids"]]
        return classes[rows], scores[rows]

    return reader, teacher


if __name__ == "__main__":
    jobs.run(define_flags, main)
