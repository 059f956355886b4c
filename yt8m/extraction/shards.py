"""The shards of an extraction: which videos are in which, and which of them are done.

Beside the shards lies a folder `log`. Before the work `NAME.todo.json` says what a shard is to
hold, and behind it `NAME.jsonl` says what became of each video, a line each.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import socket
from collections.abc import Iterable

import tensorflow as tf

from yt8m.base import files, temporaries
from yt8m.base.errors import UserError, first_line
from yt8m.data import record_writing
from yt8m.data.ids import as_bytes
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.spans import Span
from yt8m.extraction.extractor import Extractor, Features

LOG = "log"
_MEASURED = f"{temporaries.PREFIX}measured-"
_MOMENTS = f"{temporaries.PREFIX}moments-"
_SUFFIX = ".tfrecord"
_TODO = ".todo.json"
_DONE = ".jsonl"
_VIDEOS_A_SHARD = 10
_MOST_BY_DEFAULT = 1000


@dataclasses.dataclass(frozen=True)
class Item:
    """A video of a shard.

    Attributes:
        id: its id in the record.
        path: the file.
        labels: class ids, sorted.
        num_bytes: the size of the file; -1 where there is none.
        mtime_ns: when it last changed, in nanoseconds; -1 where there is none.
        start, end: the part of the file, see `Span`; None and None for the whole.
    """

    id: str
    path: str
    labels: tuple[int, ...]
    num_bytes: int
    mtime_ns: int
    start: float | None = None
    end: float | None = None

    @property
    def span(self) -> Span:
        """The part of the file."""
        return Span(self.start, self.end)

    @property
    def key(self) -> tuple:
        """What makes the features of a video be made anew when it changes."""
        return self.id, self.labels, self.num_bytes, self.mtime_ns


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard.

    Attributes:
        name: such as `train-00003-of-00010`.
        items: its videos, in the order of their records.
    """

    name: str
    items: tuple[Item, ...]


def default_number(num_videos: int) -> int:
    """Shards of a split by default: ten videos each, and no more than a thousand shards."""
    return min(math.ceil(num_videos / _VIDEOS_A_SHARD), _MOST_BY_DEFAULT)


def plan(splits: dict[str, list[Item]], numbers: dict[str, int]) -> list[Shard]:
    """Deals the videos of each split out to its shards, by their ids alone.

    A video stays in its shard whatever other videos there are. A shard that no video falls to is
    left out.

    Args:
        splits: the name of a split -> its videos.
        numbers: the name of a split -> how many shards it has.
    """
    found = []
    for split, items in splits.items():
        dealt: dict[int, list[Item]] = {}
        for item in in_order(items):
            dealt.setdefault(_place(item) % numbers[split], []).append(item)
        for number in sorted(dealt):
            name = record_writing.shard_name(split, number, numbers[split])
            found.append(Shard(name, tuple(dealt[number])))
    return found


def in_order(items: Iterable[Item]) -> list[Item]:
    """Videos in an order that their ids alone decide, as good as drawn."""
    return sorted(items, key=_place)


def _place(item: Item) -> int:
    digest = hashlib.sha256(as_bytes(item.id)).digest()
    return int.from_bytes(digest[:8], "big")


def shard_path(folder: str, name: str) -> str:
    """Where a shard is."""
    return os.path.join(folder, name + _SUFFIX)


def _log_path(folder: str, name: str, suffix: str) -> str:
    return os.path.join(folder, LOG, name + suffix)


def finished(folder: str) -> list[str]:
    """The names of the shards of a folder that were finished, sorted."""
    return sorted(name.removesuffix(_DONE) for name in _listed(folder) if _is_log(name))


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(os.path.join(folder, LOG))
    return []


def _is_log(name: str) -> bool:
    return name.endswith(_DONE) and not name.startswith(temporaries.PREFIX)


def read_log(folder: str, name: str) -> list[dict]:
    """What became of the videos of a finished shard, and in a last line how large it is.

    Returns:
        The lines; none where the log is not there or is no log.
    """
    try:
        with open(_log_path(folder, name, _DONE), encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except (OSError, ValueError):
        return []


def is_done(folder: str, shard: Shard) -> bool:
    """Whether a shard is there, whole, and of these very videos."""
    *lines, last = read_log(folder, shard.name) or [{}]
    if list(map(_key, lines)) != [item.key for item in shard.items] or "records" not in last:
        return False
    path = shard_path(folder, shard.name)
    if not last["records"]:
        return not os.path.exists(path)
    return os.path.exists(path) and os.path.getsize(path) == last["size"]


def _key(line: dict) -> tuple:
    """The `Item.key` of the video that a line of a log is about."""
    labels = tuple(line.get("labels", ()))
    return line.get("id"), labels, line.get("bytes"), line.get("mtime_ns")


def write_todo(folder: str, shard: Shard) -> None:
    """Writes what a shard is to hold.

    Raises:
        UserError: it cannot be written.
    """
    items = [dataclasses.astuple(item) for item in shard.items]
    with files.atomic_file(_log_path(folder, shard.name, _TODO)) as file:
        json.dump({"items": items}, file)


def read_todo(folder: str, name: str) -> Shard:
    """The inverse of `write_todo`."""
    with open(_log_path(folder, name, _TODO), encoding="utf-8") as file:
        items = json.load(file)["items"]
    return Shard(name, tuple(Item(i, path, tuple(labels), *of) for i, path, labels, *of in items))


def remove(folder: str, name: str) -> None:
    """Removes a shard and its log, if they are there."""
    for path in (
        _log_path(folder, name, _DONE),
        _log_path(folder, name, _TODO),
        shard_path(folder, name),
    ):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def remove_leftovers(folder: str) -> None:
    """Removes what a killed extraction left half done. Nothing else may be writing there."""
    for place in (folder, os.path.join(folder, LOG)):
        os.makedirs(place, exist_ok=True)
        for name in os.listdir(place):
            if name.startswith(temporaries.PREFIX):
                os.remove(os.path.join(place, name))


def count_videos(folder: str, todo: Iterable[Shard]) -> int:
    """How many videos of these shards were looked at, also of those that are not finished."""
    wanted, counts = {shard.name: len(shard.items) for shard in todo}, {}
    for entry in _listed(folder):
        if not entry.endswith(_DONE):
            continue
        target = temporaries.target_name(entry)
        name = (target or entry).removesuffix(_DONE)
        if name not in wanted:
            continue
        lines = wanted[name]
        if target:
            with contextlib.suppress(FileNotFoundError):
                with open(os.path.join(folder, LOG, entry), "rb") as file:
                    lines = file.read().count(b"\n")
        counts[name] = max(counts.get(name, 0), min(lines, wanted[name]))
    return sum(counts.values())


def tell_measured(folder: str) -> None:
    """Tells that one more video was measured; each process has a file for that."""
    path = os.path.join(folder, LOG, f"{_MEASURED}{socket.gethostname()}-{os.getpid()}")
    with open(path, "ab") as file:
        file.write(b".")


def count_measured(folder: str) -> int:
    """How many videos were measured, as `tell_measured` told."""
    log = os.path.join(folder, LOG)
    return sum(
        os.path.getsize(os.path.join(log, name))
        for name in _listed(folder)
        if name.startswith(_MEASURED)
    )


def moments_path(folder: str, number: int) -> str:
    """The file of what a part of the videos was measured to."""
    return os.path.join(folder, LOG, f"{_MOMENTS}{number:05d}.npz")


def moments_paths(folder: str) -> list[str]:
    """Those files that are there."""
    names = sorted(name for name in _listed(folder) if name.startswith(_MOMENTS))
    return [os.path.join(folder, LOG, name) for name in names]


def write(folder: str, name: str, extractor: Extractor) -> None:
    """Makes one shard of its `NAME.todo.json`. The shard and its log appear when they are whole.

    A video that cannot be used is left out, and the log says why.

    Raises:
        UserError: a file cannot be written.
    """
    shard = read_todo(folder, name)
    path, records = shard_path(folder, name), 0
    try:
        # Another worker may be given the same shard, where one is slow: each has its own files.
        # The log appears last, and while it is written it says how many videos were looked at.
        with files.atomic_file(_log_path(folder, name, _DONE)) as log:
            with files.scratch_path(path) as temporary:
                with tf.io.TFRecordWriter(temporary) as writer:
                    for item in shard.items:
                        record, line = _extract(item, extractor)
                        if record is not None:
                            writer.write(record)
                            records += 1
                        _write_line(log, line)
                _write_line(log, {"records": records, "size": os.path.getsize(temporary)})
                _put(temporary, path, keep=records > 0)
    except tf.errors.OpError as error:
        raise UserError(f"Cannot write {path}: {first_line(error)}") from None
    with contextlib.suppress(FileNotFoundError):
        os.remove(_log_path(folder, name, _TODO))


def _put(temporary: str, path: str, keep: bool) -> None:
    """The new shard in place of the old one; none where it would be empty."""
    if keep:
        files.put(temporary, path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def _write_line(log, values: dict) -> None:
    log.write(json.dumps(values) + "\n")
    log.flush()


def _extract(item: Item, extractor: Extractor) -> tuple[bytes | None, dict]:
    line = {"id": item.id, "labels": list(item.labels)}
    line |= {"bytes": item.num_bytes, "mtime_ns": item.mtime_ns}
    try:
        if item.num_bytes < 0:
            raise VideoError("there is no such file")
        features = extractor.features(item.path, item.span)
    except VideoError as error:
        # What may pass is of no file that there will be: the next run tries it again.
        unknown = {} if error.lasting else {"mtime_ns": None}
        return None, line | unknown | {"problem": str(error)}
    except OSError as error:
        return None, line | {"mtime_ns": None, "problem": f"cannot be read: {error.strerror}"}
    found = {
        "frames": len(next(iter(features.frames.values()))),
        "values": {name: frames.size for name, frames in features.frames.items()},
        "clipped": features.clipped,
        "largest": features.largest,
    }
    return make_record(item, features), line | found


def make_record(item: Item, features: Features) -> bytes:
    """A video as a serialised frame-level record, as those of YouTube-8M."""
    return record_writing.frame_record(item.id, item.labels, features.frames)
