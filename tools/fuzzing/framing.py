"""The TFRecord format by hand, and which records of a damaged shard must be read.

Shares nothing with the code of the project. Who made a shard knows its records: one is undamaged
where all of its bytes, with its length and both checksums, stand somewhere in the file.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence

_OVERHEAD = 16


def _make_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _make_table()


def checksum(data: bytes) -> bytes:
    """The masked CRC32C of some bytes, as it stands in a file."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def header(length: int) -> bytes:
    """The first twelve bytes of a record of some length."""
    packed = struct.pack("<Q", length)
    return packed + checksum(packed)


def frame(record: bytes) -> bytes:
    """A record as it stands in a shard."""
    return header(len(record)) + record + checksum(record)


@dataclasses.dataclass(frozen=True)
class Account:
    """What is left of a shard.

    Attributes:
        size: of the file, in bytes.
        found: (number of the record, whether it must be read), in the order of the file. One that
            lies inside a record whose header is sound and whose data is not may be read or not.
        framed: the bytes of each record, with what is around it.
    """

    size: int
    found: tuple[tuple[int, bool], ...]
    framed: tuple[int, ...]

    @property
    def is_certain(self) -> bool:
        """Whether it is known of every record that it must be read."""
        return all(must for _, must in self.found)

    def lost(self, read: Sequence[int]) -> int:
        """The bytes that are lost where some records are read."""
        return self.size - sum(self.framed[number] for number in read)

    @property
    def most_lost(self) -> int:
        """The bytes that are lost where only what must be is read."""
        return self.lost([number for number, must in self.found if must])

    @property
    def least_lost(self) -> int:
        """The bytes that are lost where all that may be is read."""
        return self.lost([number for number, _ in self.found])


def account(data: bytes, records: Sequence[bytes], headers: Sequence[bytes] = ()) -> Account:
    """What of some records is in the bytes of a damaged shard.

    Args:
        data: the bytes.
        records: those that the shard was made of.
        headers: other sound ones that were put into the shard, such as one with a lying length.
    """
    framed = [frame(record) for record in records]
    places = sorted(
        (start, number)
        for number, whole in enumerate(framed)
        if whole not in framed[:number]
        for start in _places(data, whole)
    )
    known = {whole[:12] for whole in framed} | set(headers)
    heads = {start for head in known for start in _places(data, head)}
    whole_at = {start: start + len(framed[number]) for start, number in places}
    stepped_over = []
    for start in heads - set(whole_at):
        end = start + _OVERHEAD + struct.unpack_from("<Q", data, start)[0]
        if end == len(data) or end in heads:
            stepped_over.append((start, end))
    found = tuple(
        (number, not any(s < start < e for s, e in stepped_over)) for start, number in places
    )
    return Account(len(data), found, tuple(map(len, framed)))


def _places(data: bytes, part: bytes) -> list[int]:
    places, start = [], data.find(part)
    while start >= 0:
        places.append(start)
        start = data.find(part, start + 1)
    return places
