r"""Writes a manifest of videos, which the jobs train and evaluate on: see docs/datasets.md.

    yt8m make_manifest --video_dir=clips --group_pattern='^(.+)_c\d+' \
        --splits=train:0.7,validate:0.3 --output_file=clips.csv

In a folder of class folders the first folder of a path is the label. --group_pattern finds in the
path what videos from one source have in common. They come into the same split, because otherwise a
model is judged by scenes that it has seen. --input_manifest takes videos, labels and groups from a
manifest, and deals them out to splits anew. --dataset and --annotations take labels, splits and
groups from the official lists of a published data set:

    yt8m make_manifest --video_dir=kinetics --dataset=kinetics --annotations=kinetics400 \
        --output_file=kinetics.csv
"""

from __future__ import annotations

import os
import shlex

from absl import flags, logging

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data.video.sources import (
    class_folders,
    grouped_splits,
    manifest,
    manifest_writing,
    ucf101,
)
from yt8m.data.video.sources import pattern as pattern_lib
from yt8m.data.video.sources.annotations import catalogue
from yt8m.data.video.sources.manifest import Video
from yt8m.inputs import flags as input_flags

_SHOWN = 5


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("output_file", "The manifest to write, a .csv.", any_bytes=True)
    define.path(
        "video_dir",
        "A folder with a folder for each class, named as the class; or, without "
        "labels, a folder of videos.",
        "",
        any_bytes=True,
    )
    define.path("input_manifest", "A manifest to take, instead of a folder.", "", any_bytes=True)
    define.string(
        "group_pattern",
        "Regular expression on the path of a video within --video_dir; what "
        "its first group matches, or else all of it, is the video's group. By default each video "
        "is a group of its own.",
        "",
    )
    define.strings(
        "splits",
        "Names of splits and the part of the videos in each, such as "
        "train:0.7,validate:0.3. Groups are not torn apart.",
        [],
    )
    define.integer("seed", "Seed of --splits: another one deals the groups out in another way.", 0)
    _define_dataset_flags()


def _define_dataset_flags() -> None:
    define.choice(
        "dataset",
        "A published data set whose videos are in --video_dir, in class folders or without.",
        None,
        catalogue.NAMES,
    )
    define.path(
        "annotations",
        "The official lists of --dataset as they are published: a file, or the folder of them.",
        "",
        any_bytes=True,
    )
    define.integer(
        "dataset_split",
        "Which of the three official splits, of hmdb51 and ucf101.",
        1,
        at_least=1,
        at_most=3,
    )
    define.integer(
        "taxonomy_level",
        "Level of the tree of classes of activitynet whose names are the labels, from 1 at the "
        "top; by default the classes themselves.",
        at_least=1,
    )
    define.path(
        "ucf101_lists",
        "Earlier name of --annotations, with --dataset=ucf101.",
        "",
        any_bytes=True,
    )
    define.choice(
        "ucf101_split",
        "Earlier name of --dataset_split, with --ucf101_lists.",
        "1",
        [str(split) for split in ucf101.SPLITS],
    )


def main() -> None:
    """Writes a manifest as the flags say."""
    args = flags.FLAGS
    check_flags(args.video_dir, args.input_manifest, bool(args.splits))
    check_dataset_flags(args.dataset, args.annotations, args.ucf101_lists)
    check_output_file(args.output_file, args.input_manifest)
    fractions = grouped_splits.parse_fractions(args.splits)
    if args.ucf101_lists:
        split = int(args.ucf101_split)
        videos = read_dataset(catalogue.UCF101, args.ucf101_lists, args.video_dir, split, None)
    elif args.dataset:
        videos = read_dataset(
            args.dataset, args.annotations, args.video_dir, args.dataset_split, args.taxonomy_level
        )
    elif args.input_manifest:
        videos = manifest.read(args.input_manifest)
    else:
        videos = class_folders.read(args.video_dir, args.group_pattern)
        say_how_grouped(videos, args.group_pattern, bool(fractions))
    if fractions:
        videos = grouped_splits.split(videos, fractions, args.seed)
    manifest_writing.write(videos, args.output_file)
    print(f"Wrote {args.output_file}: {manifest.summary(videos)}")


def check_flags(video_dir: str, input_manifest: str, has_splits: bool) -> None:
    """Fails where flags contradict each other.

    Args:
        video_dir: the flag of this name; empty where it is left out.
        input_manifest: as well.
        has_splits: whether --splits is given.

    Raises:
        UserError: they do.
    """
    if bool(video_dir) == bool(input_manifest):
        raise UserError("Give either --video_dir or --input_manifest.")
    if input_manifest:
        names = ("group_pattern", "dataset", "annotations", "ucf101_lists")
        input_flags.refuse(names, "with --input_manifest")
        if not has_splits:
            raise UserError("--input_manifest needs --splits: there is nothing else to do to it.")
    if not has_splits:
        input_flags.refuse(("seed",), "without --splits")


def check_dataset_flags(dataset: str | None, annotations: str, ucf101_lists: str) -> None:
    """Fails where flags over published data sets contradict each other or others.

    Args:
        dataset: the flag of this name; None where it is left out.
        annotations: as well, empty where it is left out.
        ucf101_lists: as well.

    Raises:
        UserError: they do.
    """
    others = ("group_pattern", "splits")
    if ucf101_lists:
        names = ("dataset", "annotations", "dataset_split", "taxonomy_level")
        input_flags.refuse((*others, *names), "with --ucf101_lists")
        return
    input_flags.refuse(("ucf101_split",), "without --ucf101_lists")
    if bool(dataset) != bool(annotations):
        raise UserError("--dataset and --annotations go together. Give both, or neither.")
    if dataset:
        input_flags.refuse(others, "with --dataset")
    if dataset not in catalogue.NUM_SPLITS:
        names = " or ".join(sorted(catalogue.NUM_SPLITS))
        input_flags.refuse(("dataset_split",), f"for another --dataset than {names}")
    if dataset != catalogue.ACTIVITYNET:
        reason = f"for another --dataset than {catalogue.ACTIVITYNET}"
        input_flags.refuse(("taxonomy_level",), reason)


def check_output_file(path: str, input_manifest: str) -> None:
    """Fails where the manifest cannot be written, or would replace the one that is read.

    Raises:
        UserError: as above, or its name does not end as that of a manifest.
    """
    if input_manifest and os.path.realpath(input_manifest) == os.path.realpath(path):
        raise UserError(f"{input_manifest} would be overwritten. Name another --output_file.")
    if not path.lower().endswith(pattern_lib.MANIFEST):
        raise UserError(
            f"The name of a manifest must end in {pattern_lib.MANIFEST}: the jobs know it by that. "
            f"Received: --output_file={path}."
        )
    files.check_output_file(path)


def say_how_grouped(videos: list[Video], group_pattern: str, are_split: bool) -> None:
    """Tells how the groups of a folder's videos were found, and warns where there are none.

    Args:
        videos: with their groups.
        group_pattern: by which they were found; empty where each video is a group of its own.
        are_split: whether they are dealt out to splits, where a missing group does harm.
    """
    if len({video.group for video in videos}) < len(videos):
        print(f"Groups are by --group_pattern={shlex.quote(group_pattern)}.")
        return
    how = "there is no --group_pattern"
    if group_pattern:
        how = f"--group_pattern={shlex.quote(group_pattern)} finds nothing that two share"
    found = class_folders.propose_pattern([video.id for video in videos])
    proposal = ""
    if found:
        pattern = shlex.quote(found[0])
        proposal = f" By their names --group_pattern={pattern} makes {found[1]} groups of them."
    if not are_split:
        print(f"Each video is a group of its own: {how}.{proposal}")
        return
    logging.warning(
        "Each of the %d videos is a group of its own: %s. Clips that were cut from one video then "
        "lie on both sides of a split, and what is measured there is too good.%s",
        *(len(videos), how, proposal),
    )


def read_dataset(
    dataset: str, annotations: str, video_dir: str, split: int, level: int | None
) -> list[Video]:
    """The videos of a published data set that are there; says which are missing.

    Raises:
        UserError: see `catalogue.read`.
    """
    found = catalogue.read(dataset, annotations, video_dir, split, level)
    if found.missing:
        more = ", ..." if len(found.missing) > _SHOWN else ""
        of = f"clips of split {split}" if dataset in catalogue.NUM_SPLITS else "videos of the lists"
        logging.warning(
            "%d of the %d %s are not in %s, and left out: %s%s",
            *(len(found.missing), found.num_listed, of, video_dir),
            *(", ".join(found.missing[:_SHOWN]), more),
        )
    return found.videos


if __name__ == "__main__":
    jobs.run(define_flags, main)
