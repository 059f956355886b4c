"""Patterns, lists of patterns and listing files name the shards they should, each once."""

import os
import pathlib

import pytest
from shard_files import video, write

from yt8m.base.errors import UserError
from yt8m.data.shard_paths import resolve


@pytest.fixture
def shards(tmp_path) -> dict[str, str]:
    """Name -> path of four shards, written out of order."""
    return {
        name: write(tmp_path / f"{name}.tfrecord", [video(name)])
        for name in ("train10", "train02", "test0", "train1")
    }


def write_listing(folder: pathlib.Path, *lines: str) -> str:
    """Writes a listing file and returns its path."""
    path = folder / "shards.txt"
    path.write_text("\n".join(lines))
    return str(path)


def test_a_glob_is_sorted(shards, tmp_path):
    expected = [shards[name] for name in ("train02", "train1", "train10")]
    assert resolve(str(tmp_path / "train*.tfrecord")) == expected


def test_a_single_shard(shards):
    assert resolve(shards["test0"]) == [shards["test0"]]


@pytest.mark.parametrize("name", ["train[12]", "te?t", "a, b", "data/*"])
def test_what_is_there_by_that_very_name_is_no_glob(name, shards, tmp_path):
    path = tmp_path / f"{name}.tfrecord"
    path.parent.mkdir(exist_ok=True)
    write(path, [video("a")])
    assert resolve(str(path)) == [str(path)]


def test_a_folder_whose_name_looks_like_a_glob(shards, tmp_path):
    for folder in ("data [1]", "data 1"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "train0.tfrecord", [video("a")])
    pattern = str(tmp_path / "data [1]" / "train*.tfrecord")
    assert resolve(pattern) == [str(tmp_path / "data [1]" / "train0.tfrecord")]
    assert resolve(write_listing(tmp_path, "data [1]/train?.tfrecord")) == resolve(pattern)


def test_globs_keep_their_order_and_name_a_shard_once(shards, tmp_path):
    pattern = f"{tmp_path}/train1*, {tmp_path}/test*,,{tmp_path}/*.tfrecord"
    expected = [shards[name] for name in ("train1", "train10", "test0", "train02")]
    assert resolve(pattern) == expected


def test_a_relative_pattern(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path,) = resolve("te*.tfrecord,test0.tfrecord")
    assert os.path.samefile(path, shards["test0"])


def test_a_listing_file(shards, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    path = write_listing(
        other,
        "# the validation shards",
        "",
        "  ../test0.tfrecord  ",
        shards["train10"],
        "../train*.tfrecord",
        shards["train10"],
    )
    names = [os.path.basename(shard) for shard in resolve(path)]
    assert names[:2] == ["test0.tfrecord", "train10.tfrecord"]
    assert set(names[2:]) <= {"train02.tfrecord", "train1.tfrecord", "train10.tfrecord"}
    assert {"train02.tfrecord", "train1.tfrecord"} <= set(names)


def test_a_listing_names_a_shard_once(shards, tmp_path):
    path = write_listing(tmp_path, "train1.tfrecord", "train*.tfrecord", shards["train1"])
    expected = [shards[name] for name in ("train1", "train02", "train10")]
    assert resolve(path) == expected


def test_a_listing_in_the_working_folder(shards, tmp_path, monkeypatch):
    write_listing(tmp_path, "test0.tfrecord")
    monkeypatch.chdir(tmp_path)
    assert resolve("shards.txt") == ["test0.tfrecord"]


def test_a_long_listing_of_any_language(shards, tmp_path):
    path = tmp_path / "shards.txt"
    lines = [f"# {'ä' * 40}" for _ in range(3000)] + ["test0.tfrecord"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert resolve(str(path)) == [shards["test0"]]


def test_a_listing_with_a_byte_order_mark(shards, tmp_path):
    path = tmp_path / "shards.txt"
    path.write_text("test0.tfrecord\ntrain1.tfrecord\n", encoding="utf-8-sig")
    assert resolve(str(path)) == [shards["test0"], shards["train1"]]


def test_a_listing_of_the_home_folder(shards, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve(write_listing(other, "~/test0.tfrecord")) == [shards["test0"]]


@pytest.mark.parametrize("pattern", ["", " ", ",", " , "])
def test_an_empty_pattern(pattern):
    with pytest.raises(UserError, match="pattern is empty"):
        resolve(pattern)


def test_a_pattern_that_matches_nothing_is_named(shards, tmp_path):
    missing = str(tmp_path / "validate*")
    with pytest.raises(UserError) as error:
        resolve(f"{tmp_path}/train*,{missing}")
    assert missing in str(error.value)


def test_a_folder_is_answered_with_a_pattern(tmp_path):
    with pytest.raises(UserError, match=r"is a folder\. .*\*\.tfrecord"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("size", [1, 1000])
def test_text_that_is_no_list(size, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label names\n" * size)
    with pytest.raises(UserError, match=r"neither a TFRecord .* line 'id,label names'") as error:
        resolve(str(path))
    assert str(path) in str(error.value)


def test_a_listing_names_the_line_that_matches_nothing(shards, tmp_path):
    path = write_listing(tmp_path, "train1.tfrecord", "train7.tfrecord")
    with pytest.raises(UserError, match="'train7.tfrecord'"):
        resolve(path)


@pytest.mark.parametrize("size", [100, 5000, 100_000])
def test_bytes_that_are_no_text_are_left_to_the_reader(size, tmp_path):
    path = tmp_path / "latin1.bin"
    path.write_bytes(b"caf\xe9 " * size)
    assert resolve(str(path)) == [str(path)]


def test_bytes_that_turn_from_text_late(tmp_path):
    path = tmp_path / "late.bin"
    path.write_bytes(b"text\n" * 30_000 + b"\xff\x00")
    assert resolve(str(path)) == [str(path)]


def test_an_empty_file_is_left_to_the_reader(tmp_path):
    path = tmp_path / "empty.tfrecord"
    path.touch()
    assert resolve(str(path)) == [str(path)]
