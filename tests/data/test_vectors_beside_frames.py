"""Vectors of the whole video in the context of frame-level records, where they are asked for."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from shard_files import FRAME_SCHEMA, batches, frames, make_reader, video, write

from yt8m.base.errors import UserError
from yt8m.data import detect, diagnose
from yt8m.data.schema import Feature
from yt8m.data.segment_reader import SegmentReader
from yt8m.serving import requests

NAMES = ("title", "code")
TITLE, CODE = Feature("title", 3, "float32", "title"), Feature("code", 2, "uint8", "code")
SCHEMA = dataclasses.replace(FRAME_SCHEMA, video_features=(TITLE, CODE))


def record(name: str, start: float = 0.0, **changes) -> bytes:
    context = {"title": [start, start + 0.5, 1.0], "code": [bytes([7, int(start)])]}
    return frames(name, 7, **(context | changes))


def test_they_are_found_by_name_alone(tmp_path):
    path = write(tmp_path / "a.tfrecord", [record("a", more=[b"x", b"y"], number=[1])])
    schema = detect.detect([path])
    assert schema == FRAME_SCHEMA
    assert detect.with_video_features([path], schema, ()) == FRAME_SCHEMA
    assert detect.with_video_features([path], schema, NAMES) == SCHEMA
    assert SCHEMA.match(schema, path) == SCHEMA
    for name in ("more", "number", "id", "labels", "rgb"):
        with pytest.raises(UserError, match=f"asks for {name}, .* The vectors there: code .*title"):
            detect.with_video_features([path], schema, (name,))
    path = write(tmp_path / "b.tfrecord", [frames("b", rgb=[0.5, 0.5])])
    with pytest.raises(UserError, match="name rgb twice"):
        detect.with_video_features([path], FRAME_SCHEMA, ("rgb",))
    path = write(tmp_path / "v.tfrecord", [video("v")])
    with pytest.raises(UserError, match="for vectors beside frames, and the records are video"):
        detect.with_video_features([path], detect.detect([path]), ("mean_rgb",))


def test_ratings_are_no_vectors(tmp_path):
    path = write(tmp_path / "a.tfrecord", [frames("a", segment_labels=[1], segment_scores=[1.0])])
    with pytest.raises(UserError, match="The vectors there: none"):
        detect.with_video_features([path], detect.detect([path]), ("segment_scores",))


def test_a_batch_has_a_row_a_video(tmp_path):
    path = write(tmp_path / "a.tfrecord", [record("a"), record("b", 2.0), record("c", 4.0)])
    (batch,) = batches(make_reader([path], SCHEMA).sequential())
    expected = [[0, 0.5, 1], [2, 2.5, 1], [4, 4.5, 1]]
    np.testing.assert_array_equal(batch["title"], np.float32(expected))
    np.testing.assert_array_equal(batch["code"], np.uint8([[7, 0], [7, 2], [7, 4]]))
    (plain,) = batches(make_reader([path], FRAME_SCHEMA).sequential())
    assert set(batch) - set(plain) == set(NAMES)
    records = tf.data.TFRecordDataset(path)
    served = requests.parse(tf.stack(list(records)), SCHEMA, 5)
    for name in NAMES:
        np.testing.assert_array_equal(served[name], batch[name])


def test_all_segments_of_a_video_have_its_vector(tmp_path):
    def rated(name: str, start: float) -> bytes:
        ratings = {"segment_labels": [1, 2], "segment_start_times": [0, 2]}
        return record(name, start, **ratings, segment_scores=[1.0, 0.0])

    path = write(tmp_path / "a.tfrecord", [rated("a", 0.0), rated("b", 2.0)])
    schema = dataclasses.replace(SCHEMA, segments=True)
    (batch,) = batches(make_reader([path], schema, SegmentReader).sequential())
    assert batch["ids"].tolist() == [b"a", b"a", b"b", b"b"]
    assert batch["title"][:, 0].tolist() == [0, 0, 2, 2]
    assert batch["code"][:, 1].tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": [1.0, 2.0]}, "has 2 values of title in its context. It must have 3 of float32"),
        ({"title": [b"abc"]}, "has 0 values of title"),
        ({"title": [1.0, 2.0, float("nan")]}, "has NaN or infinity in title"),
        ({"code": [b"abc"]}, "has 3 values of code in its context. It must have 2 of uint8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_does_not_fit_is_explained(changes, message):
    reader = make_reader(["a.tfrecord"], SCHEMA)
    assert diagnose.problem(record("a"), reader) is None
    assert diagnose.problem(record("b", **changes), reader).startswith(f"(id b) {message}")


@pytest.mark.parametrize("bad", [frames("b", 7, code=[b"ab"]), record("b", code=[b"abc"])])
def test_reading_ends_at_a_record_that_does_not_fit(tmp_path, bad):
    path = write(tmp_path / "a.tfrecord", [record("a"), bad])
    reader = make_reader([path], SCHEMA)
    message = (
        r"Record 1 of .*\(id b\) has (no title in its context, which --video_f|3 values of code)"
    )
    with pytest.raises(UserError, match=message), diagnose.clear_errors(reader):
        batches(reader.sequential())


def test_labels_that_are_names_are_explained():
    found = diagnose.problem(frames("a", labels=[b"cat"]), make_reader(["a"], FRAME_SCHEMA))
    assert "has labels as a bytes_list" in found
    assert "class ids, and no names. Number the names" in found
