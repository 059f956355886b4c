"""The fuzzer's own TFRecord format is TensorFlow's, and its accounts tell what was done."""

import numpy as np
import pytest
from shard_files import write

from tools.fuzzing import framing

RECORDS = [b"first", b"", b"the third", b"x" * 40]
FRAMED = [framing.frame(record) for record in RECORDS]
SIZES = [len(whole) for whole in FRAMED]


def test_the_format_is_that_of_tensorflow(tmp_path):
    path = write(tmp_path / "a.tfrecord", RECORDS)
    with open(path, "rb") as file:
        assert file.read() == b"".join(FRAMED)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"".join(FRAMED), [0, 1, 2, 3]),
        (b"".join(FRAMED)[:-1], [0, 1, 2]),
        (b"".join(FRAMED)[3:], [1, 2, 3]),
        (b"xyz".join(FRAMED), [0, 1, 2, 3]),
        (FRAMED[2] + FRAMED[0] + FRAMED[2], [2, 0, 2]),
        (b"", []),
    ],
)
def test_what_is_whole_is_found(data, found):
    account = framing.account(data, RECORDS)
    assert account.found == tuple((number, True) for number in found)
    assert account.is_certain
    lost = len(data) - sum(SIZES[number] for number in found)
    assert account.least_lost == account.most_lost == account.lost(found) == lost


def test_a_record_inside_another_may_be_read_or_not():
    """A lying length with the right checksum reaches to the end of the next record, or past it."""
    several = framing.header(SIZES[0] + SIZES[1] - 16)
    data = several + b"".join(FRAMED)[12:]
    account = framing.account(data, RECORDS, [several])
    assert account.found == ((1, False), (2, True), (3, True))
    assert account.most_lost == SIZES[0] + SIZES[1] and account.least_lost == SIZES[0]
    lie = framing.header(SIZES[0] + 5)
    account = framing.account(lie + b"".join(FRAMED)[12:], RECORDS, [lie])
    assert account.found == ((1, True), (2, True), (3, True))


def test_each_flipped_byte_costs_its_record_alone():
    data = b"".join(FRAMED)
    ends = np.cumsum(SIZES)
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        found = framing.account(flipped, RECORDS).found
        hit = int(np.searchsorted(ends, place, side="right"))
        assert [number for number, _ in found] == [n for n in range(4) if n != hit]
