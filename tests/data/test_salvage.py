"""Whatever is damaged in a shard, every other record is found, once and in order."""

import numpy as np
import pytest
from shard_files import FOOTER, HEADER, record_starts, write

from yt8m.data import tfrecord

RECORDS = [b"first", b"", b"a longer record \x00\x01\x02", b"x" * 40, b"last"]
# Where in a record a byte may be flipped, from its start.
PLACES = {"length": 0, "length_high": 7, "length_crc": 9, "data": HEADER, "data_crc": -1}


@pytest.fixture
def shard(tmp_path) -> bytes:
    """The bytes of an undamaged shard, as TensorFlow writes it."""
    path = write(tmp_path / "a.tfrecord", RECORDS)
    with open(path, "rb") as file:
        return file.read()


def damage(data: bytes, *offsets: int) -> bytes:
    """Flips a bit of each byte at `offsets`."""
    damaged = bytearray(data)
    for offset in offsets:
        damaged[offset] ^= 0x40
    return bytes(damaged)


def place(starts: list[int], record: int, kind: str) -> int:
    """The offset of a place in a record."""
    return starts[record + (PLACES[kind] < 0)] + PLACES[kind]


def test_an_undamaged_shard(shard):
    assert tfrecord.salvage(shard) == tfrecord.Salvage(RECORDS, [], lost=0)
    assert tfrecord.salvage(b"") == tfrecord.Salvage([], [], lost=0)


def test_each_single_byte(shard):
    starts = record_starts(shard)
    for offset in range(len(shard)):
        hit = np.searchsorted(starts, offset, side="right") - 1
        found = tfrecord.salvage(damage(shard, offset))
        assert found.records == RECORDS[:hit] + RECORDS[hit + 1 :], offset
        assert found.offsets == [starts[hit]], offset
        assert found.lost == starts[hit + 1] - starts[hit], offset


def test_a_shard_cut_anywhere_gives_its_whole_records(shard):
    starts = record_starts(shard)
    for size in range(len(shard)):
        whole = np.searchsorted(starts, size, side="right") - 1
        found = tfrecord.salvage(shard[:size])
        assert found.records == RECORDS[:whole], size
        assert found.offsets == ([] if size in starts else [starts[whole]]), size


@pytest.mark.parametrize(
    ("damages", "places"),
    [
        ([(1, "data_crc"), (2, "data"), (3, "data")], [1, 2, 3]),
        ([(0, "data"), (2, "data"), (4, "data_crc")], [0, 2, 4]),
        ([(0, "length"), (2, "length_crc"), (4, "length_high")], [0, 2, 4]),
        # A damaged length hides where the next record begins: one place, two records.
        ([(1, "length"), (2, "length")], [1]),
        ([(1, "length"), (2, "data")], [1]),
        ([(2, "data"), (3, "length_crc")], [2]),
        ([(3, "length"), (4, "data")], [3]),
    ],
)
def test_several_damaged_records(damages, places, shard):
    starts = record_starts(shard)
    found = tfrecord.salvage(damage(shard, *(place(starts, *where) for where in damages)))
    lost = {record for record, _ in damages}
    assert found.records == [r for i, r in enumerate(RECORDS) if i not in lost]
    assert found.offsets == [starts[i] for i in places]


@pytest.mark.parametrize("seed", range(30))
def test_random_damage(seed, shard):
    rng = np.random.default_rng(seed)
    starts = record_starts(shard)
    offsets = rng.choice(len(shard), rng.integers(1, 7), replace=False)
    lost = set(np.searchsorted(starts, offsets, side="right") - 1)
    found = tfrecord.salvage(damage(shard, *offsets))
    assert found.records == [r for i, r in enumerate(RECORDS) if i not in lost]
    assert found.offsets[0] == starts[min(lost)]
    assert set(found.offsets) <= {starts[i] for i in lost}
    assert found.lost == sum(starts[i + 1] - starts[i] for i in lost)


@pytest.mark.parametrize("size", [1, 11, 12, 13, 100, 5000])
def test_garbage_between_and_after_records(size, shard):
    garbage = np.random.default_rng(size).bytes(size)
    middle = record_starts(shard)[2]
    found = tfrecord.salvage(shard[:middle] + garbage + shard[middle:] + garbage)
    assert found.records == RECORDS
    assert found.offsets == [middle, len(shard) + size]


def test_nothing_to_find():
    text = b"This is no TFRecord file.\n" * 1000
    assert tfrecord.salvage(text) == tfrecord.Salvage([], [0], lost=len(text))
    assert tfrecord.salvage(bytes(5000)) == tfrecord.Salvage([], [0], lost=5000)


def test_offsets_count_from_the_start_of_the_shard(shard):
    starts = record_starts(shard)
    rest = damage(shard, starts[3] + HEADER)[starts[2] :]
    found = tfrecord.salvage(rest, base=starts[2])
    assert found.records == [RECORDS[2], RECORDS[4]]
    assert found.offsets == [starts[3]]


def test_a_header_across_the_border_of_two_scans(shard, monkeypatch):
    monkeypatch.setattr(tfrecord, "_SCAN_BYTES", 64)
    for size in range(1, 140):
        found = tfrecord.salvage(b"\xaa" * size + shard)
        assert found == tfrecord.Salvage(RECORDS, [0], lost=size), size


def test_a_record_whose_length_claims_more_than_the_file(shard):
    huge = (1 << 40).to_bytes(8, "little")
    header = huge + tfrecord.masked_crc(huge).to_bytes(4, "little")
    assert tfrecord.salvage(header + shard) == tfrecord.Salvage(RECORDS, [0], len(header))


def test_valid_headers(shard):
    starts = record_starts(shard)
    for start in starts[:-1]:
        assert tfrecord.has_valid_header(shard[start : start + HEADER])
        assert not tfrecord.has_valid_header(shard[start + 1 : start + 1 + HEADER])
    assert not tfrecord.has_valid_header(shard[: HEADER - 1])
    assert not tfrecord.has_valid_header(b"")
    assert HEADER + FOOTER + len(RECORDS[0]) == starts[1]


def test_lengths_that_are_made_up_do_not_take_for_ever(monkeypatch):
    """Each header says, with the right checksum, that its record is all of the rest."""
    size = 12 * 2000 + FOOTER
    data = b"".join(header(size - start - HEADER - FOOTER) for start in range(0, 12 * 2000, 12))
    data += bytes(FOOTER)
    checked = []
    is_sound = tfrecord._is_sound

    def counted(data, position, end):
        checked.append(end - position)
        return is_sound(data, position, end)

    monkeypatch.setattr(tfrecord, "_is_sound", counted)
    assert tfrecord.salvage(data) == tfrecord.Salvage([], [0], lost=len(data))
    assert sum(checked) < 20 * len(data)


def header(length: int) -> bytes:
    """The length of a record and its checksum."""
    said = length.to_bytes(8, "little")
    return said + tfrecord.masked_crc(said).to_bytes(4, "little")
