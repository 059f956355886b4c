r"""Writes the features of shards as a Parquet table, for other programs.

    yt8m export_features --input_data_pattern='shards/validate-*.tfrecord' \
        --output_file=validate.parquet

A row is a video: id, labels (class ids), with --vocabulary_file label_names, and a column for each
feature: a list, of frames a list of lists. `yt8m import_features --input_file=validate.parquet`
makes shards of it again. The job streams: a group of rows is in memory.
"""

from __future__ import annotations

import numpy as np
from absl import flags

from yt8m.base import define, files, jobs, parquet
from yt8m.base.errors import UserError
from yt8m.conversion import feature_export
from yt8m.data import class_names, detect
from yt8m.data.read_log import FAIL, SKIP, ReadLog
from yt8m.data.reader import Reader
from yt8m.inputs.shards import open_shards

_ANY = np.iinfo(np.int32).max  # A vocabulary that every label is of.


def define_flags() -> None:
    """Defines the flags of this job."""
    define.string("input_data_pattern", "Shards to export.", required=True)
    define.path("output_file", "The table to write, a .parquet.", any_bytes=True)
    define.strings("feature_names", "Features to export; by default all that are found.", [])
    define.strings(
        "video_feature_names",
        "Vectors of the whole video beside its frames to export; by default none.",
        [],
    )
    define.path(
        "vocabulary_file",
        "A CSV with the names of the classes, such as vocabulary.csv. Adds label_names.",
        "",
        any_bytes=True,
    )
    define.integer("batch_size", "Videos in a group of rows.", 64, at_least=1)
    define.choice(
        "on_corrupt_shard",
        "What a damaged shard does: skip leaves out the damaged records, warns and counts them; "
        "fail ends the job.",
        SKIP,
        [SKIP, FAIL],
    )


def main() -> None:
    """Exports as the flags say."""
    args = flags.FLAGS
    if not parquet.is_named(args.output_file):
        raise UserError(
            f"--output_file must end in {parquet.ENDING}. Received: {args.output_file}."
        )
    files.check_output_file(args.output_file)
    paths, schema = open_shards(args.input_data_pattern)
    schema = schema.select(tuple(args.feature_names))
    schema = detect.with_video_features(paths, schema, tuple(args.video_feature_names))
    names = class_names.read(args.vocabulary_file) if args.vocabulary_file else None
    reader = Reader(
        paths,
        schema,
        num_classes=_ANY if names is None else len(names),
        batch_size=args.batch_size,
        max_frames=None,
        log=ReadLog(args.on_corrupt_shard),
    )
    feature_export.check_names(reader)
    count = feature_export.write(args.output_file, reader, names)
    print(f"Exported {count} videos, {schema}: {args.output_file}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
