"""Where the frames of tensorflow-datasets are: the records of a shard, walked without reading them.

Worker processes import it: no TensorFlow. A record is framed as `yt8m.data.tfrecord` says, and is a
serialised `tf.train.Example`, in which whatever has a length is stepped over: of a frame nothing
but its place is looked at. Checksums are checked of the records' lengths alone: those of the data
would need all of it. An image that is damaged is found when it is decoded.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c
import numpy as np

from yt8m.data.video.frames.decoding import VideoError
from yt8m.data.video.frames.record_frames import RecordFrames

_HEADER, _FOOTER = 12, 4
_VARINT, _LENGTH = 0, 2
_LONGEST_VARINT = 10
# The numbers of fields: of tf.train.Example; of an entry of its map; of a feature; of a list.
_FEATURES, _ENTRY = 1, 1
_KEY, _FEATURE = 1, 2
_BYTES_LIST, _INT_LIST = 1, 3
_VALUES = 1

_Span = tuple[int, int]


class _BrokenError(Exception):
    """Bytes are not what they should be."""


@dataclasses.dataclass(frozen=True)
class Keys:
    """What to look for in a record.

    Attributes:
        video: the key of the frames.
        label: the key of the class ids.
        texts: keys of texts.
    """

    video: str
    label: str
    texts: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Record:
    """A video in a shard.

    Attributes:
        number: of the record in its shard, from 0.
        frames: where its frames are.
        size: (height, width) of the first of them.
        labels: its class ids.
        texts: those of its texts that are there, by key.
    """

    number: int
    frames: RecordFrames
    size: tuple[int, int]
    labels: tuple[int, ...]
    texts: dict[str, str]


@dataclasses.dataclass
class Shard:
    """What a shard holds.

    Attributes:
        records: those that can be used, in order.
        bad: the numbers of those that cannot, and why.
        damage: what is wrong with the shard, to go behind its path; empty if nothing is.
    """

    records: list[Record]
    bad: list[tuple[int, str]]
    damage: str = ""


def read_shard(path: str, keys: Keys, start: int, stop: int, num_records: int) -> Shard:
    """Finds the videos among some records of a shard.

    Behind a damaged length nothing is looked for: what is there has lost its number.

    Args:
        path: the shard.
        keys: what to look for.
        start: the first record to take.
        stop: the one behind the last.
        num_records: how many the shard should hold.
    """
    shard = Shard([], [])
    count = 0
    try:
        with open(path, "rb", buffering=0) as file:
            for span in _records(file):
                if count >= start:
                    _add(shard, file, path, keys, count, span)
                count += 1
                if count == stop:
                    return shard
            reason = "ends too early"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except _BrokenError as error:
        reason = str(error)
    shard.damage = f"{reason}; only its first {count} of {num_records} records are used"
    return shard


def _add(shard: Shard, file: BinaryIO, path: str, keys: Keys, number: int, span: _Span) -> None:
    """Adds a record, or why it cannot be used."""
    try:
        found = dict(_entries(file, span))
        images = _byte_values(file, found.get(keys.video))
        labels = _int_values(file, found.get(keys.label))
        texts = {key: _text(file, found[key]) for key in keys.texts if key in found}
        if not images:
            raise VideoError("holds no frame")
        offsets, ends = np.array(images, np.int64).T
        frames = RecordFrames(path, offsets, ends - offsets)
        record = Record(number, frames, frames.first_size(), labels, texts)
    except (_BrokenError, VideoError) as error:
        shard.bad.append((number, str(error)))
        return
    shard.records.append(record)


def _records(file: BinaryIO) -> Iterator[_Span]:
    """Where the data of each record begins and ends."""
    size = file.seek(0, 2)
    position = 0
    while position < size:
        header = _read(file, (position, position + _HEADER))
        if len(header) < _HEADER or _masked_crc(header[:8]) != struct.unpack("<I", header[8:])[0]:
            raise _BrokenError(f"is cut or damaged at byte {position}")
        first = position + _HEADER
        last = first + struct.unpack_from("<Q", header)[0]
        if last + _FOOTER > size:
            raise _BrokenError(f"is cut at byte {size}")
        yield first, last
        position = last + _FOOTER


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _entries(file: BinaryIO, example: _Span) -> Iterator[tuple[str, _Span]]:
    """The features of a serialised tf.train.Example: the key of each, and where it is."""
    for features in _fields(file, example, _FEATURES):
        for entry in _fields(file, features, _ENTRY):
            keys = list(_fields(file, entry, _KEY))
            values = list(_fields(file, entry, _FEATURE))
            if keys and values:
                yield _read(file, keys[-1]).decode(errors="replace"), values[-1]


def _byte_values(file: BinaryIO, feature: _Span | None) -> list[_Span]:
    """Where each value of a feature of bytes is."""
    lists = [] if feature is None else _fields(file, feature, _BYTES_LIST)
    return [value for values in lists for value in _fields(file, values, _VALUES)]


def _text(file: BinaryIO, feature: _Span) -> str:
    values = _byte_values(file, feature)
    return _read(file, values[0]).decode(errors="replace") if values else ""


def _int_values(file: BinaryIO, feature: _Span | None) -> tuple[int, ...]:
    """The values of a feature of integers: packed together, or with a tag before each."""
    found: list[int] = []
    for values in [] if feature is None else _fields(file, feature, _INT_LIST):
        data = _read(file, values)
        place = 0
        while place < len(data):
            tag, place = _varint(data, place)
            end = place + 1
            if tag == _VALUES << 3 | _LENGTH:
                length, place = _varint(data, place)
                end = place + length
            elif tag != _VALUES << 3 | _VARINT:
                raise _BrokenError(f"is no tf.train.Example at byte {values[0]}")
            while place < end:
                value, place = _varint(data, place)
                found.append(value - (1 << 64) if value >> 63 else value)
    return tuple(found)


def _fields(file: BinaryIO, message: _Span, number: int) -> Iterator[_Span]:
    """Where the fields of a number are, in a message whose fields all have lengths."""
    position, end = message
    while position < end:
        head = _read(file, (position, position + 2 * _LONGEST_VARINT))
        tag, used = _varint(head, 0)
        if tag & 7 != _LENGTH:
            raise _BrokenError(f"is no tf.train.Example at byte {position}")
        length, used = _varint(head, used)
        first = position + used
        position = first + length
        if position > end:
            raise _BrokenError(f"is no tf.train.Example at byte {first}")
        if tag >> 3 == number:
            yield first, position


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number at a place, seven bits in a byte, and the place behind it."""
    value = 0
    for count, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise _BrokenError("is no tf.train.Example: a number in it has no end")


def _read(file: BinaryIO, span: _Span) -> bytes:
    file.seek(span[0])
    return file.read(span[1] - span[0])
