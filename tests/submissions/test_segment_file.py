"""Submissions of segments and lists of their classes: what is written, read and refused."""

import numpy as np
import pytest
from paths import SHARED

from yt8m.base.errors import UserError
from yt8m.data import segment_classes
from yt8m.submissions import segment_file

REAL = SHARED / "data" / "vocabulary"


def write(tmp_path, text: str) -> str:
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    return str(path)


def read(path: str) -> list:
    return list(segment_file.read_rows(path, 4))


def test_a_line_is_as_kaggle_wants_it():
    assert segment_file.format_row(3, ["aBc-:0", "_x:15"]) == "3,aBc-:0 _x:15\n"
    assert segment_file.format_row(0, []) == "0,\n"


def test_lines_are_read_as_they_were_written(tmp_path):
    rows = [(2, ["-a:0", "NA:295", "-a:5"]), (0, []), (1, ["x:0"])]
    text = "".join(segment_file.format_row(*row) for row in rows)
    path = write(tmp_path, f"{segment_file.HEADER}\n{text}")
    assert read(path) == rows


@pytest.mark.parametrize("video_id", ['"q', 'q"', "a:b", "'", "\udcff", "é", "3;4|%"])
def test_ids_of_odd_characters_come_back(video_id, tmp_path):
    assert segment_file.can_be_named(video_id)
    row = (1, [f"{video_id}:5", "b:0", f"{video_id}:0"])
    text = segment_file.format_row(*row)
    assert read(write(tmp_path, f"{segment_file.HEADER}\n{text}")) == [row]


@pytest.mark.parametrize("video_id", ["", "a b", "a,b", "a\tb", "a\n", " a", "a\u00a0", "a\u2003b"])
def test_ids_that_cannot_be_written(video_id):
    assert not segment_file.can_be_named(video_id)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("1", "class,id:start"),
        ("1,a:0,b:0", "class,id:start"),
        ("x,a:0", "class,id:start"),
        ("-1,a:0", "class,id:start"),
        ("\u00b2,a:0", "class,id:start"),
        ("4,a:0", "class 4, outside 0 to 3"),
        ("999999999999,a:0", "class,id:start"),
        ("3,a:0", "second line of class 3"),
        ("1,a:0 b", "Received: 'b'"),
        ("1,a:0 :5", "Received: ':5'"),
        ("1,a:-5", "Received: 'a:-5'"),
        ("1,a:05", "Received: 'a:05'"),
        ("1,a:5.0", "Received: 'a:5.0'"),
        ("1,a:0 b:0 a:0", "names a segment twice"),
    ],
)
def test_a_bad_line_is_named(line, part, tmp_path):
    path = write(tmp_path, f"{segment_file.HEADER}\n3,ok:0\n{line}\n")
    with pytest.raises(UserError, match="line 3") as error:
        read(path)
    assert part in str(error.value)


def test_a_file_of_videos_is_refused(tmp_path):
    with pytest.raises(UserError, match="first line must be Class,Segments"):
        read(write(tmp_path, "VideoId,LabelConfidencePairs\na,1 0.5\n"))


def test_label_ids_are_read_and_sorted(tmp_path):
    path = write(tmp_path, "\ufeffIndex\r\n7\r\n\r\n3\r\n 5\r\n")
    np.testing.assert_array_equal(segment_classes.read_label_ids(path, 8), [3, 5, 7])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "first line must be Index, and each line below a class id. Received: ''"),
        ("3\n7\n", "first line must be Index"),
        ("Index,KnowledgeGraphId\n3,x\n", "Received: 'Index,KnowledgeGraphId'"),
        ("Index\n", "lists no class"),
        ("Index\n3\nseven\n", "line 3 must be a class id. Received: 'seven'"),
        ("Index\n3\n-1\n", "line 3 must be a class id. Received: '-1'"),
        ("Index\n3\n8\n", "line 3 names class 8, but the vocabulary has 8 classes (0 to 7)"),
        ("Index\n3\n5\n3\n", "lists class 3 twice"),
    ],
)
def test_bad_label_ids(text, part, tmp_path):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as error:
        segment_classes.read_label_ids(path, 8)
    assert part in str(error.value) and path in str(error.value)


def test_missing_label_ids(tmp_path):
    with pytest.raises(UserError, match="Cannot read .*none.csv: No such file"):
        segment_classes.read_label_ids(str(tmp_path / "none.csv"), 8)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="the vocabulary is not beside the checkout")
def test_the_published_label_ids():
    ids = segment_classes.read_label_ids(str(REAL / "segment_label_ids.csv"), 3862)
    assert len(ids) == 1000 and ids[0] == 3
