"""JSON files that were changed or are something else."""

import os

import pytest

from yt8m.base import json_files


def read(tmp_path, content: bytes) -> dict:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    return json_files.read_object(str(path))


def test_an_object_is_read(tmp_path):
    assert read(tmp_path, b'\xef\xbb\xbf{"a": [1, "\xc3\xa9", null]}') == {"a": [1, "é", None]}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "it is no JSON .*line 1, column 1"),
        (b'{"a": 1', "it is no JSON"),
        (b"[" * 100_000, "nests too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nests too deep"),
        (b"[1]", "must hold an object {...}, not a list"),
        (b"1", r"not an integer \(1\)"),
        (b'{"a": "\xff"}', "byte 7 is no UTF-8"),
        (b"\xff\xfe{\0}\0", "no UTF-8"),
        (b'{"a": \0}', "no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
    ids=range(10),
)
def test_what_is_no_object_of_json_is_refused(content, part, tmp_path):
    with pytest.raises(ValueError, match=part):
        read(tmp_path, content)


def test_a_file_that_is_too_large_or_a_pipe_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "MOST_BYTES", 5)
    with pytest.raises(ValueError, match="takes 6 bytes; 5 are the most"):
        read(tmp_path, b"{}    ")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        json_files.read_object(str(tmp_path / "pipe"))
    with pytest.raises(IsADirectoryError):
        json_files.read_object(str(tmp_path))


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"a": 1}, "it has no b"),
        ({"a": 1, "b": "x", "c": 2, "d": 1}, "it has 'd', which this version does not know"),
        ({"a": True, "b": "x"}, r"a of it must be an integer, not true or false \(True\)"),
        ({"a": 1.0, "b": "x"}, r"a of it must be an integer, not a number \(1.0\)"),
        ({"a": 1, "b": None}, "b of it must be a text, not null"),
        ({"a": 1, "b": "x", "c": 1}, "c of it must be true or false"),
        ([], "it must be an object, not a list"),
    ],
)
def test_fields_are_looked_at(values, part):
    kinds = {"a": int, "b": str, "c": bool}
    json_files.check_fields("it", {"a": 1, "b": "x", "c": True}, kinds)
    json_files.check_fields("it", {"a": 1, "b": "x"}, kinds, optional=("c",))
    with pytest.raises(ValueError, match=part):
        json_files.check_fields("it", values, kinds, optional=("c",))
