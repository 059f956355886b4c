r"""Scores a submission against labelled shards, without a model.

For example:

    python -m yt8m.score --submission_file=submission.csv \
        --eval_data_pattern='data/validate*.tfrecord'

The first line of the file says whether it is of videos or, as in 2019, of segments.
"""

from __future__ import annotations

import numpy as np
from absl import flags, logging

from yt8m import (
    evaluation,
    jobs,
    labels,
    metrics,
    report,
    segment_score,
    segment_submission,
    submission,
)
from yt8m.data.reader import Reader
from yt8m.errors import UserError
from yt8m.predictions import Predictions

_BATCH_SIZE = 1024
# Hit@5, PERR and precision at 3 look past the first --top_k.
_LIST_LENGTH = 20


def define_flags() -> None:
    """Defines the flags of this job."""
    jobs.define_path("submission_file", "The submission to score.")
    flags.DEFINE_string("eval_data_pattern", None, "Shards with the labels.", required=True)
    flags.DEFINE_integer("top_k", 20, "Predictions a video that GAP and mAP pool.", lower_bound=1)
    flags.DEFINE_boolean(
        "segment_labels", None, "Whether the file is of segments; by default its first line says."
    )
    jobs.define_path(
        "segment_label_ids_file", "Classes whose ratings count: a CSV with the header Index.", ""
    )
    flags.DEFINE_integer(
        "num_classes", None, "Size of the vocabulary; by default that of YouTube-8M or AudioSet, "
        "whichever the records are.", lower_bound=1,
    )  # fmt: skip
    jobs.define_data_flags(batch_size=_BATCH_SIZE)


def main() -> None:
    """Scores as the flags say."""
    args = flags.FLAGS
    of_segments = _is_of_segments(args.submission_file, args.segment_labels)
    if of_segments:
        jobs.refuse_flags(["top_k"], "for a file of segments, where every rating counts")
    else:
        jobs.refuse_flags(["segment_label_ids_file"], "for a file of videos")
    paths, schema = jobs.open_shards(args.eval_data_pattern)
    num_classes = args.num_classes or schema.default_num_classes()
    settings = {"batch_size": args.batch_size, "log": jobs.read_log()}
    if of_segments:
        settings["segment_classes"] = _classes(args.segment_label_ids_file, num_classes)
        ratings = segment_score.make_reader(paths, schema, num_classes, **settings)
        state = segment_score.score(args.submission_file, ratings)
    else:
        reader = Reader(paths, schema.labels_only(), num_classes, **settings)
        length = min(max(args.top_k, _LIST_LENGTH), num_classes)
        predictions = Predictions.read(args.submission_file, num_classes, length)
        state = score(predictions, reader, args.top_k)
    report.print_table(f"{args.submission_file} on {args.eval_data_pattern}", state.result())


def _is_of_segments(path: str, expected: bool | None) -> bool:
    """Whether the first line of a submission is that of segments.

    A file with another first line is taken for one of videos, and refused when it is read.

    Raises:
        UserError: the file cannot be read, or is not what --segment_labels says.
    """
    header = submission.read_header(path)
    found = header == segment_submission.HEADER
    if expected is None or expected == found:
        return found
    wanted = segment_submission.HEADER if expected else submission.HEADER
    raise UserError(
        f"{path} does not fit --{'' if expected else 'no'}segment_labels: its first line must be "
        f"{wanted}. Received: {header[:80]!r}."
    )


def _classes(label_ids_file: str, num_classes: int) -> tuple[int, ...] | None:
    """The classes whose ratings count; None for all."""
    if not label_ids_file:
        return None
    return tuple(segment_submission.read_label_ids(label_ids_file, num_classes).tolist())


def score(predictions: Predictions, reader: Reader, top_k: int) -> metrics.Evaluation:
    """The metrics of a submission. A labelled video that it lacks counts as not predicted.

    Raises:
        UserError: no labelled video is in the submission.
    """
    state = metrics.Evaluation(reader.num_classes, top_k)
    missing, seen = 0, 0
    empty = len(predictions.classes)
    nothing = np.full((1, predictions.classes.shape[1]), -1, np.int32)
    classes = np.concatenate([predictions.classes, nothing])
    scores = np.concatenate([predictions.scores, np.zeros(nothing.shape, np.float32)])
    for batch in evaluation.batches(reader, "Scoring"):
        rows = np.array(
            [predictions.row.get(i.decode(errors="surrogateescape"), empty) for i in batch["ids"]]
        )
        missing += int((rows == empty).sum())
        seen += len(rows)
        truth = labels.multi_hot_array(batch["labels"], reader.num_classes)
        state.update_top_k(scores[rows], classes[rows], truth)
    if missing == seen:
        raise UserError(
            f"None of the {seen} labelled videos is in the submission of {empty} videos. Score it "
            "on the shards that it predicts."
        )
    if missing:
        logging.warning("%d of %d labelled videos have no predictions.", missing, seen)
    if empty > seen - missing:
        logging.warning("%d predicted videos have no labels.", empty - (seen - missing))
    return state


if __name__ == "__main__":
    jobs.run(define_flags, main)
