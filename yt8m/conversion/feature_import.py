"""Imports features: arrays or a table become shards, a vocabulary and splits, all or nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from yt8m.base import files
from yt8m.base.errors import UserError, first_line
from yt8m.base.progress import ProgressReport
from yt8m.conversion import imported_classes
from yt8m.conversion.feature_records import RecordMaker
from yt8m.conversion.feature_sources import Listed, Source
from yt8m.conversion.imported_classes import Classes
from yt8m.data import class_names, record_writing
from yt8m.data.schema import Schema
from yt8m.serving import output_folder

# Says what was imported, and so that the folder may be replaced by another import.
DESCRIPTION = "import.json"
_VIDEOS_A_SHARD = 1000
_MOST_BY_DEFAULT = 100
# Shards are written side by side, and a process may have about a thousand files open.
_MOST_SHARDS = 800

# Split -> its shards in turn, without end.
_Writers = dict[str, Iterator[tf.io.TFRecordWriter]]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was imported.

    Attributes:
        schema: of the records.
        num_classes: the size of the vocabulary.
        videos: how many, by split.
        num_unlabelled: those of them that have no label.
        warnings: what was lost.
    """

    schema: Schema
    num_classes: int
    videos: Mapping[str, int]
    num_unlabelled: int
    warnings: Sequence[str]


def check_output_dir(path: str) -> None:
    """Fails before the work where the folder cannot be written or holds what would be lost.

    Raises:
        UserError: see above.
    """
    output_folder.check(path, _parts(path), DESCRIPTION)


def run(
    source: Source,
    output_dir: str,
    vocabulary: list[str] | None,
    fractions: Mapping[str, float],
    seed: int,
    num_shards: int | None,
    to_bytes: bool,
) -> Summary:
    """Imports features.

    Args:
        source: of the features.
        output_dir: the folder for the shards; it appears when it is whole.
        vocabulary: a name a class; None numbers the labels that there are.
        fractions: see `imported_classes.split`.
        seed: likewise.
        num_shards: of each split; None makes one for a thousand videos, a hundred at most.
        to_bytes: whether the floats of frames become YouTube-8M's bytes.

    Raises:
        UserError: something cannot be read, does not fit, or cannot be written.
    """
    listed = source.listed()
    classes = imported_classes.number(listed, vocabulary)
    splits = imported_classes.split(listed, fractions, seed)
    counts = Counter(splits.values())
    shards = {name: _num_shards(counts[name], num_shards) for name in sorted(counts)}
    if sum(shards.values()) > _MOST_SHARDS:
        raise UserError(
            f"{sum(shards.values())} shards would be written at once, and {_MOST_SHARDS} are the "
            "most. Lower --num_shards."
        )
    with output_folder.writing(output_dir, _parts(output_dir), DESCRIPTION) as folder:
        with _writers(folder, shards) as writers:
            maker = _write(source, {v.id: v for v in listed}, classes, splits, writers, to_bytes)
        _describe(folder, maker.schema, classes, counts)
    unlabelled = sum(not video.labels for video in listed)
    warnings = maker.losses.warnings()
    return Summary(maker.schema, classes.count, dict(counts), unlabelled, warnings)


def _write(
    source: Source,
    listed: Mapping[str, Listed],
    classes: Classes,
    splits: Mapping[str, str],
    writers: _Writers,
    to_bytes: bool,
) -> RecordMaker:
    """Writes the records of all videos, and returns what made them."""
    examples = iter(source.examples(listed))
    first = next(examples)
    maker = RecordMaker(first, to_bytes)
    with ProgressReport("Importing", len(listed), "videos") as progress:
        for example in itertools.chain([first], examples):
            labels = sorted(classes.ids[label] for label in listed[example.id].labels)
            next(writers[splits[example.id]]).write(maker.make(example, labels))
            progress.advance(1)
    return maker


def _num_shards(num_videos: int, wanted: int | None) -> int:
    by_default = min(math.ceil(num_videos / _VIDEOS_A_SHARD), _MOST_BY_DEFAULT)
    return min(num_videos, wanted or by_default)


@contextlib.contextmanager
def _writers(folder: str, shards: Mapping[str, int]) -> Iterator[_Writers]:
    """Opens the shards of each split: an iterator that gives them in turn, without end.

    Raises:
        UserError: one cannot be written, also inside the block.
    """
    try:
        with contextlib.ExitStack() as stack:
            turns = {}
            for split, count in shards.items():
                names = [record_writing.shard_name(split, i, count) for i in range(count)]
                paths = [os.path.join(folder, f"{name}.tfrecord") for name in names]
                opened = [stack.enter_context(tf.io.TFRecordWriter(path)) for path in paths]
                turns[split] = itertools.cycle(opened)
            yield turns
    except tf.errors.OpError as error:
        raise UserError(f"Cannot write the shards: {first_line(error)}") from None


def _describe(folder: str, schema: Schema, classes: Classes, counts: Mapping[str, int]) -> None:
    if classes.names is not None:
        class_names.write(os.path.join(folder, class_names.FILE), classes.names)
    videos = {"num_classes": classes.count, "videos": dict(sorted(counts.items()))}
    files.write_json(os.path.join(folder, DESCRIPTION), {"schema": schema.to_json()} | videos)


def _parts(folder: str) -> set[str]:
    """What an earlier import may have left in a folder."""
    shard = re.compile(r"[\w-]+-\d{5}-of-\d{5}\.tfrecord", re.ASCII)
    there = os.listdir(folder) if os.path.isdir(folder) else []
    return {DESCRIPTION, class_names.FILE, *(name for name in there if shard.fullmatch(name))}
