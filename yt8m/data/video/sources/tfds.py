"""Data sets of tensorflow-datasets as videos: what is prepared on disk, read without TensorFlow.

tensorflow-datasets says what there is and which records a split takes; the records are walked by
`record_index`, and a clip decodes only its own frames, see `record_frames`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import glob
import os
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from yt8m.base.errors import UserError, first_line
from yt8m.base.progress import ProgressReport
from yt8m.data.video import workers
from yt8m.data.video.clips import About
from yt8m.data.video.frames.record_frames import RecordFrames
from yt8m.data.video.sources import record_index

_LABELS = ("label", "labels")
_NAMES = ("filename", "file_name")
_GROUP = "group"
_DATA_DIR = "TFDS_DATA_DIR"


@dataclasses.dataclass(frozen=True)
class StoredVideo:
    """A video of a data set.

    Attributes:
        id: the name of its file where the records tell it (`filename` or `file_name`), or
            `DATASET/SPLIT/NUMBER`, the number of its record in the split.
        labels: the names of its labels; none where the data set says -1.
        group: videos of one group are of one source; empty where the records have no `group`.
        frames: where its frames are.
        about: how many there are, and their size. There are no I-frames and no shots: anchors are
            empty.
    """

    id: str
    labels: tuple[str, ...]
    group: str
    frames: RecordFrames
    about: About


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A split of a data set.

    Attributes:
        videos: in the order of the records.
        classes: the names of all labels of the data set, in its order.
    """

    videos: list[StoredVideo]
    classes: tuple[str, ...]


def open_dataset(
    name: str, split: str, on_bad: Callable[[str, str], None], num_workers: int = 0
) -> Dataset:
    """Finds the videos of a data set that is prepared: in TFDS_DATA_DIR, or tfds' own folder.

    Args:
        name: `DATASET`, `DATASET/CONFIG` or `DATASET/CONFIG:VERSION`. It is not downloaded.
        split: a split or a slice of it as tfds writes them: `train`, `train[:80%]`, `train+test`;
            may be empty where there is one.
        on_bad: called with the path of a damaged shard, or the id of a video that cannot be used,
            and a reason to go behind it. Of a damaged shard the videos before the damage are used.
        num_workers: processes that look through shards; 0 looks in this one.

    Raises:
        UserError: there is no such data set, or no such split; it is not prepared; it has no
            videos and labels; its files are of another format, or not on a local disk.
    """
    builder = _find(name)
    keys, label_names = _features(builder)
    shards = _chosen(builder, split)
    tasks = [(s.filename, keys, s.skip, s.skip + s.take, s.examples_in_shard) for s in shards]
    first_numbers = _first_numbers(builder)
    dataset, _ = os.path.split(builder.info.full_name)  # Without the version.
    videos: list[StoredVideo] = []
    results = workers.ordered(record_index.read_shard, tasks, num_workers)
    with (
        contextlib.closing(results),
        ProgressReport(f"Looking through {name}", len(tasks), "shards") as progress,
    ):
        for (path, *_), shard in zip(tasks, results, strict=True):
            split_name, first = first_numbers[path]
            prefix = f"{dataset}/{split_name}"
            videos += [
                _video(r, f"{prefix}/{first + r.number}", label_names) for r in shard.records
            ]
            for number, reason in shard.bad:
                on_bad(f"{prefix}/{first + number}", reason)
            if shard.damage:
                on_bad(path, shard.damage)
            progress.advance(1)
    return Dataset(videos, tuple(label_names))


def _video(record: record_index.Record, default_id: str, names: list[str]) -> StoredVideo:
    texts = [record.texts[key] for key in _NAMES if record.texts.get(key)]
    about = About(len(record.frames.offsets), *record.size, anchors=())
    wrong = [number for number in record.labels if number >= len(names)]
    if wrong:
        raise UserError(
            f"{default_id} has the label {wrong[0]}, but its data set has {len(names)} classes. "
            "Prepare it again."
        )
    labels = tuple(names[number] for number in record.labels if number >= 0)
    group = record.texts.get(_GROUP, "")
    return StoredVideo((texts or [default_id])[0], labels, group, record.frames, about)


def _import() -> ModuleType:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise UserError(
            f"A tfds: data set needs the package {error.name}, which is not installed. Install the "
            "extra `video`: pip install '.[video]'."
        ) from None
    return tensorflow_datasets


def _find(name: str) -> Any:
    """The builder of prepared files. No code of the data set is run, and no network is asked.

    Raises:
        UserError: there are no such files.
    """
    tfds = _import()
    folder = os.path.expanduser(os.environ.get(_DATA_DIR) or tfds.core.constants.DATA_DIR)
    try:
        parsed, parts = tfds.core.naming.parse_builder_name_kwargs(name)
    except ValueError:
        parsed, parts = None, {}
    if parsed is None or parsed.namespace or set(parts) - {"config", "version"}:
        raise UserError(
            "A data set is DATASET, DATASET/CONFIG or DATASET/CONFIG:VERSION, such as "
            f"ucf101/ucf101_1. Received: {name!r}."
        )
    try:
        builder = tfds.core.read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        raise UserError(_why_not_found(tfds, name, parsed.name, parts, folder)) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} in {folder} cannot be read: {first_line(error)} Prepare it again."
        ) from None
    if builder.info.file_format.value != "tfrecord":
        raise UserError(
            f"{name} in {folder} is of {builder.info.file_format.value} files; only tfrecord can "
            "be read. Prepare it with `tfds build --file_format=tfrecord`."
        )
    if "://" in str(builder.data_dir):
        raise UserError(f"{builder.data_dir} is no local folder. Copy it to a local disk.")
    return builder


def _why_not_found(tfds: ModuleType, name: str, dataset: str, parts: dict, folder: str) -> str:
    pattern = os.path.join(glob.escape(folder), dataset, "**", "features.json")
    prepared = [os.path.dirname(path) for path in glob.glob(pattern, recursive=True)]
    known = tfds.list_builders(with_community_datasets=False)
    if dataset not in known and not prepared:
        beside = os.listdir(folder) if os.path.isdir(folder) else []
        similar = difflib.get_close_matches(dataset, [*known, *beside])
        hint = f" Similar ones: {', '.join(similar)}." if similar else ""
        return f"tensorflow-datasets has no data set {dataset!r}, nor has {folder}.{hint}"
    held = ", ".join(sorted(os.path.relpath(path, folder) for path in prepared))
    configs = tfds.builder_cls(dataset).builder_configs if dataset in known else {}
    if configs and parts.get("config") not in (None, *configs):
        return f"{dataset} has no configuration {parts['config']!r}; it has {', '.join(configs)}."
    text = f"{name} is not prepared in {folder}" + (f", which holds {held}. " if held else ". ")
    if dataset not in known:
        return f"{text}Name one of those, or set {_DATA_DIR} to the folder where it is."
    command = _command(name, dataset, parts.get("config"))
    return (
        f"{text}Prepare it with `{command} --data_dir={folder}`, or set {_DATA_DIR} to where it is."
    )


def _command(name: str, dataset: str, config: str | None) -> str:
    ours = re.fullmatch(r"ucf101_(\d)", config or "")
    if dataset != "ucf101" or not ours:
        return f"tfds build {name}"
    folders = "--video_dir=UCF-101 --lists_dir=ucfTrainTestlist"
    return f"yt8m prepare_ucf101 {folders} --split={ours[1]}"


def _features(builder: Any) -> tuple[record_index.Keys, list[str]]:
    """Under which keys a record holds a video, its labels and its name; and the labels' names.

    Raises:
        UserError: it has no video, or no labels.
    """
    features, types = builder.info.features, _import().features
    named = dict(features) if isinstance(features, types.FeaturesDict) else {}
    videos = [key for key, feature in named.items() if isinstance(feature, types.Video)]
    video = "video" if "video" in videos else videos[0] if len(videos) == 1 else None
    labels = {key: _class_label(named.get(key), types) for key in _LABELS}
    label = next((key for key, feature in labels.items() if feature is not None), None)
    if video is None or label is None:
        found = ", ".join(f"{key}: {type(named[key]).__name__}" for key in sorted(named))
        raise UserError(
            f"{builder.info.full_name} has no feature `video` of type Video with a `label` or "
            f"`labels` of type ClassLabel beside it. It has {found or features}."
        )
    if named[video].feature.np_dtype != "uint8":
        raise UserError(
            f"{builder.info.full_name} has frames of {named[video].feature.np_dtype}; only uint8 "
            "can be read."
        )
    texts = tuple(key for key in (*_NAMES, _GROUP) if isinstance(named.get(key), types.Text))
    return record_index.Keys(video, label, texts), labels[label].names


def _class_label(feature: Any, types: Any) -> Any:
    """The ClassLabel that a feature is, or a sequence of which it is; None otherwise."""
    if isinstance(feature, types.Sequence):
        feature = feature.feature
    known = isinstance(feature, types.ClassLabel) and feature.num_classes is not None
    return feature if known else None


def _chosen(builder: Any, split: str) -> list[Any]:
    """Which records of which files a split takes."""
    splits = builder.info.splits
    valid = f"{builder.info.full_name} has {', '.join(splits) or 'no splits'}"
    if not split and len(splits) != 1:
        raise UserError(f"Name a split behind #, as in tfds:NAME#train. {valid}.")
    try:
        return splits[split or next(iter(splits))].file_instructions
    except (ValueError, KeyError) as error:
        raise UserError(
            f"#{split} is no split: {first_line(error).rstrip('.')}. {valid}; a part of "
            "one is written train[:80%] or train[100:200]."
        ) from None


def _first_numbers(builder: Any) -> dict[str, tuple[str, int]]:
    """Of each file its split, and the number of its first record in that split."""
    numbers = {}
    for name, split in builder.info.splits.items():
        first = 0
        for path, length in zip(split.filepaths, split.shard_lengths, strict=True):
            numbers[os.fspath(path)] = name, first
            first += length
    return numbers
