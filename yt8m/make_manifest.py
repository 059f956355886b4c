r"""Writes a manifest of videos, `path,label,group[,split]`, that the jobs train and evaluate on.

    python -m yt8m.make_manifest --video_dir=clips --group_pattern='^(.+)_c\d+' \
        --splits=train:0.7,validate:0.3 --output_file=clips.csv

Of a folder of class folders it takes the label from the first folder of a path. --group_pattern
finds in the path what videos from one source have in common: they come into the same split, for
else a model is judged by scenes that it has seen. --input_manifest takes videos, labels and groups
from a manifest, and deals them out to splits anew. --ucf101_lists takes the official splits.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import math
import os
import re
from collections.abc import Mapping

from absl import flags, logging

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data.video.sources import folders, grouped_splits, manifest, ucf101
from yt8m.data.video.sources import pattern as pattern_lib
from yt8m.data.video.sources.manifest import SEPARATOR, Video
from yt8m.inputs import flags as input_flags

_SHOWN = 5


def define_flags() -> None:
    """Defines the flags of this tool."""
    define.path("output_file", "The manifest to write, a .csv.")
    define.path(
        "video_dir",
        "A folder with a folder for each class, named as the class; or, without "
        "labels, a folder of videos.",
        "",
    )
    define.path("input_manifest", "A manifest to take, instead of a folder.", "")
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
    define.integer("seed", "Of --splits: another one deals the groups out otherwise.", 0)
    define.path("ucf101_lists", "The folder of UCF101's official lists, to take their splits.", "")
    define.choice(
        "ucf101_split", "Which of its three splits.", "1", [str(split) for split in ucf101.SPLITS]
    )


def main() -> None:
    """Writes a manifest as the flags say."""
    args = flags.FLAGS
    check_flags(args)
    if not args.output_file.lower().endswith(pattern_lib.MANIFEST):
        raise UserError(
            f"The name of a manifest must end in {pattern_lib.MANIFEST}: the jobs know it by that. "
            f"Received: --output_file={args.output_file}."
        )
    files.check_output_file(args.output_file)
    fractions = parse_splits(args.splits)
    if args.ucf101_lists:
        videos = read_ucf101(args.ucf101_lists, int(args.ucf101_split), args.video_dir)
    elif args.input_manifest:
        videos = manifest.read(args.input_manifest)
    else:
        videos = read_folder(args.video_dir, args.group_pattern)
    if fractions:
        videos = deal(videos, fractions, args.seed)
    write(videos, args.output_file)
    print(summary(videos, args.output_file))


def check_flags(args: flags.FlagValues) -> None:
    """Fails where flags contradict each other.

    Raises:
        UserError: as above.
    """
    if bool(args.video_dir) == bool(args.input_manifest):
        raise UserError("Give either --video_dir or --input_manifest.")
    if args.input_manifest:
        input_flags.refuse(("group_pattern", "ucf101_lists"), "with --input_manifest")
        if not args.splits:
            raise UserError("--input_manifest needs --splits: there is nothing else to do to it.")
        if os.path.realpath(args.input_manifest) == os.path.realpath(args.output_file):
            raise UserError(
                f"{args.input_manifest} would be overwritten. Name another --output_file."
            )
    if args.ucf101_lists:
        input_flags.refuse(("group_pattern", "splits"), "with --ucf101_lists")
    else:
        input_flags.refuse(("ucf101_split",), "without --ucf101_lists")
    if not args.splits:
        input_flags.refuse(("seed",), "without --splits")


def parse_splits(values: list[str]) -> dict[str, float]:
    """The part of each split, from values such as `train:0.7`.

    Raises:
        UserError: a value has another form, a name comes twice, or the parts are no whole.
    """
    fractions: dict[str, float] = {}
    for value in values:
        name, _, number = (part.strip() for part in value.partition(":"))
        try:
            fraction = float(number)
        except ValueError:
            fraction = math.nan
        if not name or name in fractions or not 0 < fraction <= 1:
            raise UserError(
                "--splits takes different names with a part above 0, such as "
                f"train:0.7,validate:0.3. Received: {','.join(values)}."
            )
        fractions[name] = fraction
    if fractions and not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise UserError(
            f"The parts of --splits must add up to 1. Received: {','.join(values)}, which add up "
            f"to {sum(fractions.values()):g}."
        )
    return fractions


def read_folder(video_dir: str, group_pattern: str) -> list[Video]:
    """The videos below a folder, with the first folder of a path as label.

    Raises:
        UserError: there are none, some lie beside the class folders, or a path does not fit.
    """
    paths, others = folders.find(video_dir)
    if others:
        logging.info("%s: passed over %d file(s) that are no videos by name.", video_dir, others)
    labels = [path.split(os.sep)[0] if os.sep in path else "" for path in paths]
    if any(labels) and not all(labels):
        raise UserError(
            f"{paths[labels.index('')]} lies beside the class folders of {video_dir}. Move it into "
            "the folder of its class."
        )
    for label in labels:
        if SEPARATOR in label:
            raise UserError(
                f"The folder {label!r} has a {SEPARATOR!r} in its name, which separates labels. "
                "Rename it."
            )
    groups = find_groups(paths, group_pattern)
    return [
        Video(path, os.path.join(video_dir, path), (label,) if label else (), group, "")
        for path, label, group in zip(paths, labels, groups, strict=True)
    ]


def find_groups(paths: list[str], pattern: str) -> list[str]:
    """The group of each path; its own where there is no pattern.

    Raises:
        UserError: the pattern is no regular expression, or finds nothing in a path.
    """
    if not pattern:
        return paths
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--group_pattern is no regular expression: {error}. Received: {pattern!r}."
        ) from None
    groups = []
    for path in paths:
        match = expression.search(path)
        group = match and match[1 if expression.groups else 0]
        if not group:
            raise UserError(
                f"--group_pattern finds no group in {path}. Received: {pattern!r}. It must match "
                "the path of every video."
            )
        groups.append(group)
    return groups


def read_ucf101(lists: str, split: int, video_dir: str) -> list[Video]:
    """The clips of an official split; says which are missing.

    Raises:
        UserError: see `ucf101.read`.
    """
    videos, missing = ucf101.read(lists, split, video_dir)
    if missing:
        more = ", ..." if len(missing) > _SHOWN else ""
        logging.warning(
            "%d of the %d clips of split %d are not in %s, and left out: %s%s",
            *(len(missing), len(missing) + len(videos), split, video_dir),
            *(", ".join(missing[:_SHOWN]), more),
        )
    return videos


def deal(videos: list[Video], fractions: Mapping[str, float], seed: int) -> list[Video]:
    """The videos with new splits; warns of classes that a split lacks.

    Raises:
        UserError: a split would be empty.
    """
    splits = grouped_splits.deal(videos, fractions, seed)
    for sentence in grouped_splits.lacking(videos, splits):
        logging.warning("%s.", sentence)
    return [dataclasses.replace(video, split=splits[video.group]) for video in videos]


def write(videos: list[Video], path: str) -> None:
    """Writes a manifest, with paths relative to its folder. It appears whole.

    Raises:
        UserError: it cannot be written, or a name cannot stand in a manifest.
    """
    has_splits = any(video.split for video in videos)
    folder = os.path.dirname(os.path.abspath(path))
    sizes = collections.Counter(video.group for video in videos)
    rows = [_row(video, folder, sizes[video.group] == 1, has_splits) for video in videos]
    with files.atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*manifest.NEEDED, *([manifest.SPLIT] if has_splits else [])])
        writer.writerows(rows)


def _row(video: Video, folder: str, is_alone: bool, has_splits: bool) -> list[str]:
    """The fields of a video. One that is a group of its own, and named as it, needs no name."""
    own = is_alone and video.group in (video.id, os.path.normpath(video.path))
    row = [
        _relative(video.path, folder),
        SEPARATOR.join(video.labels),
        "" if own else video.group,
        *([video.split] if has_splits else []),
    ]
    for field in row:
        if field != field.strip():
            raise UserError(
                f"{video.path}: a manifest cannot keep the space around {field!r}. Rename it."
            )
    return row


def _relative(path: str, folder: str) -> str:
    """The path from the folder of the manifest, where it leads to the video."""
    path = os.path.abspath(path)
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # Another drive.
        return path
    # Behind a link, the folder above is another one.
    is_there = os.path.exists(os.path.join(folder, relative)) or not os.path.exists(path)
    return relative if is_there and not relative.startswith("~") else path


def summary(videos: list[Video], path: str) -> str:
    """What was written: videos, groups and classes, in all and in each split."""
    lines = [f"Wrote {path}: {_count(videos)}"]
    for split in dict.fromkeys(video.split for video in videos if video.split):
        lines.append(f"  {split}: {_count([video for video in videos if video.split == split])}")
    return "\n".join(lines)


def _count(videos: list[Video]) -> str:
    groups = len({video.group for video in videos})
    return f"{len(videos)} videos, {groups} groups, {len(manifest.names(videos))} classes"


if __name__ == "__main__":
    jobs.run(define_flags, main)
