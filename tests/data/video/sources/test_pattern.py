"""The patterns that name raw video: manifests, data sets, and their parts."""

import pytest

from yt8m.base.errors import UserError
from yt8m.data.video.sources.pattern import Part, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("data/train*.tfrecord", None),
        ("a.tfrecord,lists.txt", None),
        ("clips.csv", [Part("clips.csv")]),
        ("x/clips.CSV#train", [Part("x/clips.CSV", "train")]),
        ("a.csv#train, b.csv#train", [Part("a.csv", "train"), Part("b.csv", "train")]),
        ("u=a.csv#x,h=b.csv", [Part("a.csv", "x", "u"), Part("b.csv", "", "h")]),
        ("tfds:ucf101/ucf101_1#train", [Part("tfds:ucf101/ucf101_1", "train")]),
        ("tfds:ucf101#train[:80%]", [Part("tfds:ucf101", "train[:80%]")]),
    ],
)
def test_a_pattern_is_split_into_its_parts(text, parts):
    assert parse(text) == parts


def test_a_data_set_has_a_name():
    assert Part("tfds:ucf101/ucf101_1").dataset == "ucf101/ucf101_1"
    assert Part("clips.csv").dataset is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("a.csv,b.tfrecord", "'b.tfrecord' is no manifest"), ("u=a.csv,b.csv", "has a task")],
)
def test_patterns_that_do_not_fit_together(text, message):
    with pytest.raises(UserError, match=message):
        parse(text)
