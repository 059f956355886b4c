r"""Scores a submission against labelled shards, without a model.

For example:

    yt8m score --submission_file=submission.csv \
        --eval_data_pattern='data/validate*.tfrecord'

The first line of the file says whether it is of videos or, as in 2019, of segments.
"""

from __future__ import annotations

from absl import flags

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data import segment_classes
from yt8m.data.read_log import ReadLog
from yt8m.data.reader import Reader
from yt8m.evaluation import report
from yt8m.inputs import beside_shards
from yt8m.inputs import flags as input_flags
from yt8m.inputs import shards as shard_inputs
from yt8m.submissions import score_segments, segment_file, video_file
from yt8m.submissions.predictions import Predictions
from yt8m.submissions.score_videos import LIST_LENGTH, score_videos

_BATCH_SIZE = 1024


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("submission_file", "The submission to score.", any_bytes=True)
    define.string("eval_data_pattern", "Shards with the labels.", required=True)
    define.integer("top_k", "Predictions a video that GAP and mAP pool.", 20, at_least=1)
    define.boolean(
        "segment_labels", "Whether the file is of segments; by default its first line says.", None
    )
    define.path(
        "segment_label_ids_file",
        "Classes whose ratings count: a CSV with the header Index.",
        "",
        any_bytes=True,
    )
    define.integer(
        "num_classes",
        "Size of the vocabulary; by default that of YouTube-8M or AudioSet, "
        "whichever the records are.",
        at_least=1,
    )
    define.path("results_file", "Also write the metrics, as JSON.", "", any_bytes=True)
    define.path("classes_file", "Also write the metrics of each class, a CSV.", "", any_bytes=True)
    define.path(
        "vocabulary_file",
        "CSV with the names of the classes, for --classes_file; by default a vocabulary.csv beside "
        "the shards.",
        "",
        any_bytes=True,
    )
    input_flags.define_data_flags(batch_size=_BATCH_SIZE)


def main() -> None:
    """Scores as the flags say."""
    args = flags.FLAGS
    of_segments = _is_of_segments(args.submission_file, args.segment_labels)
    if of_segments:
        input_flags.refuse(["top_k"], "for a file of segments, where every rating counts")
    else:
        input_flags.refuse(["segment_label_ids_file"], "for a file of videos")
    for path in filter(None, (args.results_file, args.classes_file)):
        files.check_output_file(path)
    names = None
    paths, schema = shard_inputs.open_shards(args.eval_data_pattern)
    num_classes = args.num_classes or schema.default_num_classes()
    if args.classes_file:
        names = beside_shards.names(paths, num_classes, args.vocabulary_file)
    else:
        input_flags.refuse(["vocabulary_file"], "without --classes_file")
    settings = {"batch_size": args.batch_size, "log": ReadLog(args.on_corrupt_shard)}
    if of_segments:
        listed = segment_classes.read_if_given(args.segment_label_ids_file, num_classes)
        settings["segment_classes"] = listed
        ratings = score_segments.rating_reader(paths, schema, num_classes, **settings)
        state = score_segments.score_segments(args.submission_file, ratings)
    else:
        reader = Reader(paths, schema.labels_only(), num_classes, **settings)
        length = min(max(args.top_k, LIST_LENGTH), num_classes)
        predictions = Predictions.read(args.submission_file, num_classes, length)
        state = score_videos(predictions, reader, args.top_k)
    results = state.result()
    report.print_table(f"{args.submission_file} on {args.eval_data_pattern}", results)
    if args.results_file:
        files.write_json(args.results_file, results)
    if args.classes_file:
        report.write_classes(args.classes_file, state.per_class(), names)


def _is_of_segments(path: str, expected: bool | None) -> bool:
    """Whether the first line of a submission is that of segments.

    A file with another first line is taken for one of videos, and refused when it is read.

    Raises:
        UserError: the file cannot be read, or is not what --segment_labels says.
    """
    header = video_file.read_header(path)
    found = header == segment_file.HEADER
    if expected is None or expected == found:
        return found
    wanted = segment_file.HEADER if expected else video_file.HEADER
    raise UserError(
        f"{path} does not fit --{'' if expected else 'no'}segment_labels: its first line must be "
        f"{wanted}. Received: {header[:80]!r}."
    )


if __name__ == "__main__":
    jobs.run(define_flags, main)
