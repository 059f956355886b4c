r"""Makes shards of features that others made: arrays of a folder, or a table.

    yt8m import_features --input_dir=arrays --labels_file=labels.csv --output_dir=shards \
        --splits=train:0.8,validate:0.2

--input_dir is a folder with an .npy or .npz file a video: an array of (size,) for the whole video
or of (frames, size). Its labels are in --labels_file, a CSV or Parquet of id, labels and, if
wanted, group and split. --input_file is a table with the features in it. Labels are names, `;`
between several; they are numbered in sorted order or by --vocabulary_file.

The job writes shards of each split, vocabulary.csv with the names of the classes, and import.json,
which says what was imported. The folder appears when it is whole, in place of an earlier import.
docs/features.md describes the tables and the records.
"""

from __future__ import annotations

import os

from absl import flags, logging

from yt8m.base import define, jobs
from yt8m.base.errors import UserError
from yt8m.conversion import feature_import
from yt8m.conversion.feature_import import Summary
from yt8m.conversion.feature_sources import Folder, TableOfFeatures
from yt8m.data import class_names
from yt8m.data.schema import FRAME
from yt8m.data.video.sources import grouped_splits
from yt8m.inputs import flags as input_flags

_TRAIN = "train"


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("output_dir", "Folder for the shards and the vocabulary.")
    define.path("input_dir", "A folder of .npy or .npz files, one a video.", "", any_bytes=True)
    define.path(
        "labels_file",
        "With --input_dir: a CSV or Parquet of id,labels[,group][,split]; an id is the path of a "
        "file in the folder without its ending. Without it the records have no labels.",
        "",
        any_bytes=True,
    )
    define.string(
        "feature_name", "With --input_dir: what the array of an .npy file is called.", "features"
    )
    define.path(
        "input_file",
        "A table, .csv or .parquet, with the columns id[,labels][,group][,split] and features: "
        "NAME_0, NAME_1 and so on, or in Parquet lists. With the column frame a row is a frame.",
        "",
        any_bytes=True,
    )
    define.strings("feature_names", "With --input_file: the features to take; by default all.", [])
    define.path(
        "vocabulary_file",
        "A CSV with the columns Index and Name, to number the labels by. By default the labels "
        "that there are, sorted.",
        "",
        any_bytes=True,
    )
    define.strings(
        "splits",
        "Names of splits and the part of the videos in each, such as train:0.7,validate:0.3. "
        "Groups are not torn apart. By default the column split.",
        [],
    )
    define.integer("seed", "Seed of --splits: another one deals the groups out in another way.", 0)
    define.integer(
        "num_shards",
        "Shards of each split; by default one for 1000 videos, 100 at most.",
        at_least=1,
        at_most=800,
    )
    define.boolean(
        "quantize",
        "Make the floats of frames YouTube-8M's bytes, which stand for values in [-2, 2]: a "
        "quarter of the size. By default they stay floats.",
    )


def main() -> None:
    """Imports as the flags say."""
    args = flags.FLAGS
    check_flags(args.input_dir, args.input_file, bool(args.splits))
    feature_import.check_output_dir(args.output_dir)
    fractions = grouped_splits.parse_fractions(args.splits)
    if args.input_dir:
        source = Folder(args.input_dir, args.labels_file, args.feature_name)
    else:
        source = TableOfFeatures(args.input_file, args.feature_names)
    vocabulary = class_names.read(args.vocabulary_file) if args.vocabulary_file else None
    summary = feature_import.run(
        source,
        args.output_dir,
        vocabulary,
        fractions,
        args.seed,
        args.num_shards,
        args.quantize,
    )
    for warning in summary.warnings:
        logging.warning(warning)
    print(describe(summary, args.output_dir))


def check_flags(input_dir: str, input_file: str, has_splits: bool) -> None:
    """Fails where flags contradict each other.

    Args:
        input_dir: the flag of this name; empty where it is left out.
        input_file: as well.
        has_splits: whether --splits is given.

    Raises:
        UserError: they do.
    """
    if bool(input_dir) == bool(input_file):
        raise UserError("Give either --input_dir, a folder of arrays, or --input_file, a table.")
    if input_dir:
        input_flags.refuse(("feature_names",), "with --input_dir, whose files name their arrays")
    else:
        input_flags.refuse(("labels_file", "feature_name"), "with --input_file")
    if not has_splits:
        input_flags.refuse(("seed",), "without --splits")


def describe(summary: Summary, output_dir: str) -> str:
    """What was imported, and how to train on it."""
    splits = ", ".join(f"{count} in {name}" for name, count in sorted(summary.videos.items()))
    total = sum(summary.videos.values())
    unlabelled = f", {summary.num_unlabelled} without labels" if summary.num_unlabelled else ""
    lines = [f"Imported {total} videos ({splits}){unlabelled}, {summary.schema}: {output_dir}"]
    if not summary.num_classes:
        return "\n".join([*lines, "They have no labels: predict them with yt8m inference."])
    split = _TRAIN if _TRAIN in summary.videos else sorted(summary.videos)[0]
    model = "average" if summary.schema.kind == FRAME else "moe"
    train = [
        "yt8m train --train_dir=run",
        f"--train_data_pattern='{os.path.join(output_dir, split)}-*.tfrecord'",
        f"--num_classes={summary.num_classes} --model={model}",
    ]
    beside = [feature.name for feature in summary.schema.video_features]
    train += [f"--video_feature_names={','.join(beside)}"] if beside else []
    return "\n".join([*lines, f"To train on it: {' '.join(train)}"])


if __name__ == "__main__":
    jobs.run(define_flags, main)
