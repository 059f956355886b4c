"""The TFRecord framing, read by hand: to say where a shard is damaged and to save the rest of it.

A record is: length (uint64, little endian), masked CRC32C of the length, data, masked CRC32C of
the data. TensorFlow reads undamaged shards; this module goes on where it stops too early.
"""

from __future__ import annotations

import dataclasses
import os
import struct
from collections.abc import Iterator

import google_crc32c
import numpy as np
import tensorflow as tf

HEADER = 12
FOOTER = 4
_SCAN_BYTES = 1 << 20
_MOST_PASSES = 16  # of checksums over a damaged file: what is made to need more is given up.


def masked_crc(data: bytes) -> int:
    """The CRC32C of `data`, rotated and offset as TFRecord stores it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def has_valid_header(data: bytes) -> bool:
    """Whether `data` begins with the length of a record and the checksum of that length."""
    return len(data) >= HEADER and masked_crc(data[:8]) == struct.unpack("<I", data[8:HEADER])[0]


# How files begin that are given as shards by mistake, and what to do with them.
_OTHER_FORMATS = {
    b"\x1f\x8b": "compressed with gzip: decompress it first, such as with `gunzip`",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"x\x01": "compressed with zlib: write it without compression",
    b"x\x9c": "compressed with zlib: write it without compression",
    b"x\xda": "compressed with zlib: write it without compression",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "a text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "a text in UTF-16: save it as UTF-8",
}


def other_format(head: bytes) -> str | None:
    """What a file is that is no TFRecord file, by its first bytes; None where that is not known."""
    found = (text for start, text in _OTHER_FORMATS.items() if head.startswith(start))
    return None if has_valid_header(head) else next(found, None)


@dataclasses.dataclass(frozen=True)
class Salvage:
    """What is left of a damaged shard.

    Attributes:
        records: the undamaged records found.
        offsets: where each damaged place begins, in bytes. How many records are lost there cannot
            be known: a place may hold several, or none where something was put between two.
        lost: the bytes that belong to no undamaged record.
    """

    records: list[bytes]
    offsets: list[int]
    lost: int


def salvage(data: bytes, base: int = 0) -> Salvage:
    """Walks the records in `data` and steps over the damaged ones.

    A record whose length is sound but whose data is not costs that record alone. Where the length
    itself is damaged, the next sound record is looked for.

    Args:
        data: the bytes of a shard, from the start of a record to the end of the file.
        base: the offset of `data` in the shard, added to the offsets returned.
    """
    records: list[bytes] = []
    offsets: list[int] = []
    position = 0
    budget = _Budget(_MOST_PASSES * len(data))
    while position < len(data):
        end = _record_end(data, position)
        if end is not None and _is_sound(data, position, end):
            records.append(data[position + HEADER : end - FOOTER])
            position = end
            continue
        offsets.append(base + position)
        if end is None or (end < len(data) and not has_valid_header(data[end : end + HEADER])):
            end = _next_sound_record(data, position + 1, budget)
        position = end
    lost = len(data) - sum(HEADER + len(record) + FOOTER for record in records)
    return Salvage(records, offsets, lost)


def can_be_opened(path: str) -> bool:
    """Whether a shard is there and may be read.

    To be asked before TFRecordDataset is told to ignore errors: where a file cannot be opened, it
    then tries again without end.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            file.seek(0)
    except (tf.errors.OpError, OSError):
        return False
    return True


def lengths_fit(path: str) -> bool:
    """Whether no record says, with the right checksum, that it is longer than its file.

    To be asked before TensorFlow reads a shard: it makes room for what such a record says, and the
    process is gone without a word. Files that are not local are taken as they are: to look at each
    length is to read them twice. So is what cannot be read: TensorFlow says why.
    """
    if "://" in path or not os.path.isfile(path):
        return True
    with open(path, "rb") as file:
        descriptor, position = file.fileno(), 0
        size = os.fstat(descriptor).st_size
        while position + HEADER <= size:
            header = os.pread(descriptor, HEADER, position)
            end = position + HEADER + int.from_bytes(header[:8], "little") + FOOTER
            if end > size:
                return not has_valid_header(header)
            position = end
    return True


def readable(path: str) -> list[str]:
    """The shard, in a list, where TensorFlow may read it; else nothing, and `salvage` may."""
    return [path] if can_be_opened(path) and lengths_fit(path) else []


def undamaged(path: str) -> Iterator[bytes]:
    """The records of a shard that can be read, in order, one by one: to look at a few of them.

    None where the shard cannot be opened.
    """
    if not can_be_opened(path):
        return
    with tf.io.gfile.GFile(path, "rb") as file:
        size, position = file.size(), 0
        dataset = without_autotune(tf.data.TFRecordDataset(readable(path)).ignore_errors())
        for record in dataset.as_numpy_iterator():
            position += HEADER + len(record) + FOOTER
            yield record
        if position < size:
            file.seek(position)
            yield from salvage(file.read(), position).records


def _record_end(data: bytes, position: int) -> int | None:
    """Where the record at `position` ends; None if its header is damaged or its end is missing."""
    if not has_valid_header(data[position : position + HEADER]):
        return None
    (length,) = struct.unpack_from("<Q", data, position)
    end = position + HEADER + length + FOOTER
    return end if end <= len(data) else None


def _is_sound(data: bytes, position: int, end: int) -> bool:
    (crc,) = struct.unpack_from("<I", data, end - FOOTER)
    return masked_crc(data[position + HEADER : end - FOOTER]) == crc


class _Budget:
    """So many bytes may be looked at. Damage by chance needs about as many as a file has."""

    def __init__(self, left: int):
        self.left = left

    def allows(self, count: int) -> bool:
        """Takes `count` bytes, if so many are left."""
        if count > self.left:
            return False
        self.left -= count
        return True


def _next_sound_record(data: bytes, start: int, budget: _Budget) -> int:
    """The offset of the first sound record at or after `start`; the end of `data` if none is."""
    for begin in range(start, len(data) - HEADER + 1, _SCAN_BYTES):
        window = np.frombuffer(data, np.uint8)[begin : begin + _SCAN_BYTES + HEADER - 1]
        for position in begin + _header_positions(window):
            end = _record_end(data, int(position))
            allowed = end is not None and budget.allows(end - int(position))
            if allowed and _is_sound(data, int(position), end):
                return int(position)
    return len(data)


def _header_positions(window: np.ndarray) -> np.ndarray:
    """Every place in `window` (bytes) where a length and its checksum agree."""
    count = len(window) - HEADER + 1
    crc = np.full(count, 0xFFFFFFFF, np.uint32)
    for i in range(8):
        crc = _CRC_TABLE[(crc ^ window[i : i + count]) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    crc = (crc >> 15 | crc << 17) + np.uint32(0xA282EAD8)
    stored = sum(window[8 + i : 8 + i + count].astype(np.uint32) << (8 * i) for i in range(4))
    return np.flatnonzero(crc == stored)


def _crc_table() -> np.ndarray:
    """The table of CRC32C (Castagnoli, reversed polynomial 0x82F63B78), one entry a byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


_CRC_TABLE = _crc_table()


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset, with the parallelism that tf.data starts from, one call a core.

    The thread that would tune it sleeps for up to a minute, and who frees an iterator waits for
    it: Python's collector, wherever it runs, stood still for as many minutes as it found iterators.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
