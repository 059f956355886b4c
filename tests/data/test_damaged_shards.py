"""A damaged shard costs the damaged records, and is named with the place; or it ends the job."""

import os
import pathlib

import pytest
from shard_files import (
    FOOTER,
    HEADER,
    VIDEO_SCHEMA,
    flip,
    ids,
    make_reader,
    record_starts,
    starts_of,
    video,
    write_video_shards,
)

from yt8m.base.errors import UserError
from yt8m.data import tfrecord
from yt8m.data.detect import detect
from yt8m.data.diagnose import clear_errors
from yt8m.data.read_log import FAIL, ReadLog

# More records than TensorFlow reads in one block, so that damage falls into several of them.
SIZE = 150
# Where in a record a bit is flipped, from its start; the checksum of its data ends it.
PLACES = {"length": 1, "length_crc": 10, "data": HEADER + 3, "data_crc": -2}


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Three shards; the tests damage the middle one."""
    return write_video_shards(tmp_path, [20, SIZE, 20])


@pytest.fixture(params=["sequential", "shuffled"])
def mode(request) -> str:
    """Both ways to read."""
    return request.param


def read(reader, mode: str) -> list[str]:
    """The ids read, in order for `sequential`, else sorted by shard and record."""
    if mode == "sequential":
        return ids(reader.sequential())
    key = lambda name: tuple(int(part) for part in name.split("-"))  # noqa: E731
    return sorted(ids(reader.shuffled(seed=1)), key=key)


def expected(lost: set[int], size: int = SIZE) -> list[str]:
    """The ids of all shards but those of the records lost of the middle one."""
    middle = [f"1-{record}" for record in range(size) if record not in lost]
    return [f"0-{i}" for i in range(20)] + middle + [f"2-{i}" for i in range(20)]


def bytes_without(lost: set[int], path: str) -> int:
    """The bytes of the middle shard as it is that belong to no record but those lost."""
    kept = [video(f"1-{r}", [r % 10]) for r in range(SIZE) if r not in lost]
    return os.path.getsize(path) - sum(HEADER + len(record) + FOOTER for record in kept)


def check(paths, mode, lost: set[int], offsets: list[int], caplog) -> None:
    """What is returned, counted and said."""
    reader = make_reader(paths, batch_size=64)
    assert read(reader, mode) == expected(lost)
    assert reader.log.num_records == 40 + SIZE - len(lost)
    lost_bytes = bytes_without(lost, paths[1])
    assert reader.log.lost == {paths[1]: lost_bytes}
    (message,) = [m for m in caplog.messages if paths[1] in m]
    assert f"at byte {', '.join(map(str, offsets))}: {lost_bytes:,} byte(s)" in message
    assert f"lost in {len(offsets)} place(s)" in message
    assert paths[1] in reader.log.summary()


@pytest.mark.parametrize("record", [0, 64, SIZE - 1])
@pytest.mark.parametrize("place", PLACES)
def test_a_flipped_bit(place, record, paths, mode, caplog):
    starts = starts_of(paths[1])
    flip(paths[1], starts[record + (PLACES[place] < 0)] + PLACES[place])
    check(paths, mode, {record}, [starts[record]], caplog)


def test_several_records_in_a_row(paths, mode, caplog):
    starts = starts_of(paths[1])
    flip(paths[1], *(starts[record] + HEADER + 5 for record in (70, 71, 72, 140)))
    check(paths, mode, {70, 71, 72, 140}, [starts[r] for r in (70, 71, 72, 140)], caplog)


def test_every_pass_counts_anew_and_warns_once(paths, mode, caplog):
    flip(paths[1], starts_of(paths[1])[63] + HEADER)
    reader = make_reader(paths)
    for passes in (1, 2, 3):
        assert read(reader, mode) == expected({63})
        assert reader.log.num_records == passes * (40 + SIZE - 1)
        assert reader.log.lost == {paths[1]: bytes_without({63}, paths[1])}
    assert len([m for m in caplog.messages if paths[1] in m]) == 1


def test_several_lengths_in_a_row(paths, mode, caplog):
    starts = starts_of(paths[1])
    flip(paths[1], *(starts[record] for record in (10, 11, 12)), starts[90])
    check(paths, mode, {10, 11, 12, 90}, [starts[10], starts[90]], caplog)


@pytest.mark.parametrize("part", [1, 5, HEADER, HEADER + 10])
@pytest.mark.parametrize("record", [0, SIZE - 1])
def test_a_cut_shard(record, part, paths, mode):
    path = pathlib.Path(paths[1])
    starts = starts_of(paths[1])
    path.write_bytes(path.read_bytes()[: starts[record] + part])
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(record, SIZE)))
    assert reader.log.lost == {paths[1]: part}


def test_a_cut_between_records_cannot_be_seen(paths, mode):
    path = pathlib.Path(paths[1])
    path.write_bytes(path.read_bytes()[: starts_of(paths[1])[70]])
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(70, SIZE)))
    assert reader.log.lost == {}


@pytest.mark.parametrize("garbage", [b"\0" * 7, b"some text\n" * 40])
def test_garbage_at_the_end(garbage, paths, mode, caplog):
    path = pathlib.Path(paths[1])
    end = path.stat().st_size
    path.write_bytes(path.read_bytes() + garbage)
    check(paths, mode, set(), [end], caplog)


@pytest.mark.parametrize("content", [b"id,labels\n" * 50, b"x"], ids=["text", "one byte"])
def test_a_file_that_is_no_shard(content, paths, mode, caplog):
    pathlib.Path(paths[1]).write_bytes(content)
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(SIZE)))
    assert reader.log.lost == {paths[1]: len(content)}
    assert f"{paths[1]} is no readable TFRecord file: corrupt at byte 0" in caplog.text


def test_an_empty_file_is_no_damage(paths, mode):
    pathlib.Path(paths[1]).write_bytes(b"")
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(SIZE)))
    assert (reader.log.lost, reader.log.summary()) == ({}, None)


def test_a_file_that_is_gone(paths, mode, caplog):
    os.remove(paths[1])
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(SIZE)))
    assert reader.log.lost == {paths[1]: 0}
    assert f"{paths[1]} cannot be read" in caplog.text
    reader.log.finish()
    assert "1 damaged or unreadable shard" in caplog.messages[-1]


def test_a_file_that_becomes_a_folder(paths, mode):
    os.remove(paths[1])
    os.mkdir(paths[1])
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(SIZE)))
    assert set(reader.log.lost) == {paths[1]}


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_a_file_without_permission(paths, mode):
    os.chmod(paths[1], 0)
    reader = make_reader(paths)
    assert read(reader, mode) == expected(set(range(SIZE)))
    assert set(reader.log.lost) == {paths[1]}


def test_fail_names_the_shard_and_the_byte(paths, mode):
    start = starts_of(paths[1])[70]
    flip(paths[1], start + HEADER)
    reader = make_reader(paths, log=ReadLog(FAIL))
    with pytest.raises(UserError, match="--on_corrupt_shard=fail") as error, clear_errors(reader):
        read(reader, mode)
    assert f"{paths[1]} is cut or corrupt at byte {start}: " in str(error.value)
    assert error.value.__suppress_context__


def test_fail_names_a_file_that_is_gone(paths, mode):
    os.remove(paths[1])
    reader = make_reader(paths, log=ReadLog(FAIL))
    with pytest.raises(UserError, match="cannot be read") as error, clear_errors(reader):
        read(reader, mode)
    assert paths[1] in str(error.value)


def test_fail_does_not_mind_sound_shards(paths, mode):
    reader = make_reader(paths, log=ReadLog(FAIL))
    with clear_errors(reader):
        assert read(reader, mode) == expected(set())
    reader.log.finish()


def test_nothing_could_be_read(paths, mode):
    for path in paths:
        pathlib.Path(path).write_text("no records\n")
    reader = make_reader(paths)
    assert read(reader, mode) == []
    with pytest.raises(UserError, match="Nothing could be read: 3 damaged or unreadable") as error:
        reader.log.finish()
    assert all(path in str(error.value) for path in paths)


def test_nothing_is_there(tmp_path, mode):
    (tmp_path / "a.tfrecord").touch()
    reader = make_reader([str(tmp_path / "a.tfrecord")])
    assert read(reader, mode) == []
    with pytest.raises(UserError, match="the shards hold no records"):
        reader.log.finish()


def test_all_of_it_at_once(paths, mode):
    """Flips in two records, a cut at the end, and text for the last shard."""
    path = pathlib.Path(paths[1])
    data = path.read_bytes()
    starts = record_starts(data)
    path.write_bytes(data[: starts[SIZE - 1] + 20])
    flip(paths[1], starts[3], starts[80] + HEADER)
    pathlib.Path(paths[2]).write_text("no records\n")
    reader = make_reader(paths)
    assert read(reader, mode) == expected({3, 80, SIZE - 1})[:-20]
    lost = bytes_without({3, 80, SIZE - 1}, paths[1])
    assert reader.log.lost == {paths[1]: lost, paths[2]: len("no records\n")}


def with_length(path: str, start: int, length: int) -> None:
    """Makes the record at `start` say, with the right checksum, that it is so long."""
    data = bytearray(pathlib.Path(path).read_bytes())
    said = length.to_bytes(8, "little")
    data[start : start + HEADER] = said + tfrecord.masked_crc(said).to_bytes(4, "little")
    pathlib.Path(path).write_bytes(bytes(data))


# TensorFlow ends the process without a word where a record says that it is so long.
LENGTHS = [1 << 35, (1 << 62) - 1, (1 << 64) - 1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("record", [0, 70])
def test_a_record_that_says_it_is_longer_than_the_file(length, record, paths, mode, caplog):
    start = starts_of(paths[1])[record]
    with_length(paths[1], start, length)
    check(paths, mode, {record}, [start], caplog)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_records_behind_such_a_length_show_what_is_in_a_shard(length, paths):
    with_length(paths[1], 0, length)
    assert detect([paths[1]]) == VIDEO_SCHEMA
    assert len(list(tfrecord.undamaged(paths[1]))) == SIZE - 1


def test_lengths_of_undamaged_and_of_cut_files_are_left_to_tensorflow(paths):
    data = pathlib.Path(paths[1]).read_bytes()
    assert tfrecord.lengths_fit(paths[1])
    for size in (0, 1, HEADER, len(data) - 1):
        pathlib.Path(paths[1]).write_bytes(data[:size])
        assert tfrecord.lengths_fit(paths[1]) == (size < HEADER), size
    pathlib.Path(paths[1]).write_text("no shard at all, but some text")
    assert tfrecord.lengths_fit(paths[1])
