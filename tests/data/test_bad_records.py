"""A record that does not fit the others is named in one sentence: shard, number and id."""

import re
from math import inf as INFINITY
from math import nan as NAN

import pytest
import tensorflow as tf
from shard_files import (
    FRAME_SCHEMA,
    HEADER,
    VIDEO_SCHEMA,
    batches,
    example,
    flip,
    frames,
    make_reader,
    sequence,
    starts_of,
    video,
    write,
)

from yt8m.base.errors import UserError
from yt8m.data.diagnose import clear_errors, find_problem
from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.data.segment_reader import SegmentReader

RATED = {"segment_labels": [1, 2], "segment_start_times": [0, 0], "segment_scores": [1.0, 0.0]}
SEGMENT_SCHEMA = Schema(FRAME, FRAME_SCHEMA.features, segments=True)
FLOAT_SCHEMA = Schema(FRAME, (Feature("rgb", 3, "float32", "rgb"),))


def lists(rgb: bytes = b"abcd", audio: bytes = b"ab", rgb_frames: int = 2, audio_frames: int = 2):
    """The feature lists of a record, which may contradict the schema."""
    return {"rgb": [rgb] * rgb_frames, "audio": [audio] * audio_frames}


def means(**changes) -> bytes:
    """A video-level record called `bad`, with changed keys; None leaves one out."""
    values = {"id": [b"bad"], "labels": [1], "mean_rgb": [0.5] * 3, "mean_audio": [0.5] * 2}
    return example(**{k: v for k, v in (values | changes).items() if v is not None})


def without_id() -> bytes:
    """A video-level record whose id has no value."""
    record = tf.train.Example.FromString(means())
    record.features.feature["id"].bytes_list.ClearField("value")
    return record.SerializeToString()


BAD_ID = {"id": [b"bad"], "labels": [1]}
VIDEO_LEVEL = {
    "size": (means(mean_rgb=[0.5] * 4), "has 4 values of mean_rgb, but the first record has 3"),
    "label": (means(labels=[1, 10]), r"label 10, outside the vocabulary of 10 classes \(0 to 9\)"),
    "negative": (means(labels=[-1, 2]), "label -1, outside the vocabulary of 10"),
    "missing": (means(mean_audio=None), "no video-level mean_audio.*: id, labels, mean_rgb"),
    "label kind": (means(labels=[1.0]), "labels as a float_list. It must be a int64_list"),
    "NaN": (means(mean_rgb=[0.5, NAN, 0.5]), "has NaN or infinity in mean_rgb. Mend or remove"),
    "infinity": (means(mean_audio=[0.5, -INFINITY]), "has NaN or infinity in mean_audio"),
    "frame-level": (frames("bad"), "no video-level mean_rgb.*: audio, id, labels, rgb"),
}
FRAME_LEVEL = {
    "size": (sequence(lists(audio=b"abc"), **BAD_ID), "has 3 values of audio in frame 0, but"),
    "one frame": (
        sequence({"rgb": [b"abcd", b"abc"], "audio": [b"ab"] * 2}, **BAD_ID),
        "has 3 values of rgb in frame 1, but the first record has 4",
    ),
    "floats": (
        sequence({"rgb": [[0.5] * 4], "audio": [b"ab"]}, **BAD_ID),
        "has 0 values of rgb in frame 0",
    ),
    "label": (frames("bad", 2, [10]), "label 10, outside the vocabulary"),
    "negative": (frames("bad", 2, [-1]), "label -1, outside the vocabulary"),
    "lengths": (
        sequence(lists(audio_frames=1), **BAD_ID),
        "different numbers of frames: rgb 2, audio 1",
    ),
    "missing": (
        sequence({"rgb": [b"abcd"]}, **BAD_ID),
        "no frame-level audio, .*: id, labels, rgb",
    ),
    "video-level": (video("bad"), "no frame-level rgb.*: id, labels, mean_audio, mean_rgb"),
}
SEGMENT = {
    "label": (frames("bad", 9, **RATED | {"segment_labels": [1, 10]}), "label 10, outside"),
    "negative": (frames("bad", 9, **RATED | {"segment_labels": [-1, 1]}), "label -1, outside"),
    "lengths": (
        frames("bad", 9, **RATED | {"segment_scores": [1.0]}),
        "2 segment_labels, 2 segment_start_times and 1 segment_scores",
    ),
    "kind": (
        frames("bad", 9, **RATED | {"segment_scores": [1, 0]}),
        "segment_scores as a int64_list. It must be a float_list",
    ),
    "NaN": (
        frames("bad", 9, **RATED | {"segment_scores": [1.0, NAN]}),
        "has NaN or infinity in segment_scores",
    ),
}
FLOATS = {
    "size": (sequence({"rgb": [[0.5] * 2]}, **BAD_ID), "has 2 values of rgb in frame 0"),
    "bytes": (sequence({"rgb": [b"abc"]}, **BAD_ID), "has 0 values of rgb in frame 0"),
    "NaN": (
        sequence({"rgb": [[0.5] * 3, [0.5, 0.5, NAN]]}, **BAD_ID),
        "has NaN or infinity in rgb in frame 1",
    ),
}
GOOD = {
    "video": (VIDEO_SCHEMA, video("good"), {}),
    "frame": (FRAME_SCHEMA, frames("good"), {}),
    "segment": (SEGMENT_SCHEMA, frames("good", 9, **RATED), {"kind": SegmentReader}),
    "floats": (FLOAT_SCHEMA, sequence({"rgb": [[0.5] * 3]}, id=[b"good"], labels=[1]), {}),
}
CASES = [
    pytest.param(kind, record, message, id=f"{kind}, {name}")
    for kind, cases in {
        "video": VIDEO_LEVEL,
        "frame": FRAME_LEVEL,
        "segment": SEGMENT,
        "floats": FLOATS,
    }.items()
    for name, (record, message) in cases.items()
]


def fail(reader, dataset=None) -> str:
    """The sentence that reading ends with."""
    with pytest.raises(UserError) as error, clear_errors(reader):
        batches(reader.sequential() if dataset is None else dataset)
    assert error.value.__suppress_context__ and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("kind", "record", "message"), CASES)
def test_names_shard_record_and_id(kind, record, message, tmp_path):
    schema, good, settings = GOOD[kind]
    write(tmp_path / "a.tfrecord", [good] * 6)
    path = write(tmp_path / "b.tfrecord", [good] * 5 + [record, good])
    reader = make_reader([str(tmp_path / "a.tfrecord"), path], schema, **settings)
    received = fail(reader)
    assert received.startswith(f"Record 5 of {path} (id bad) ")
    assert re.search(message, received), received


@pytest.mark.parametrize(
    ("kind", "record", "message"),
    [
        ("video", means(id=None), "has no id. Its keys: labels, mean_audio, mean_rgb."),
        ("video", without_id(), "has 0 values of id. It must have one: the id of the video."),
        ("video", means(id=[b"a", b"b"]), "has 2 values of id."),
        ("frame", sequence(lists(), id=[b"a", b"b"], labels=[1]), "has 2 values of id."),
        ("frame", sequence(lists(), labels=[1]), "has no id. Its keys: audio, labels, rgb."),
        ("video", b"\xff\xff", "is no tf.Example or tf.SequenceExample"),
        ("frame", b"\xff\xff", "is no tf.Example or tf.SequenceExample"),
    ],
    ids=[
        "video-level",
        "no value",
        "two values",
        "two values beside frames",
        "frame-level",
        "no video-level proto",
        "no frame-level proto",
    ],
)
def test_a_record_without_an_id(kind, record, message, tmp_path):
    schema, good, settings = GOOD[kind]
    path = write(tmp_path / "a.tfrecord", [good, record])
    received = fail(make_reader([path], schema, **settings))
    assert received.startswith(f"Record 1 of {path} {message}")


def test_a_bad_record_is_named_in_shuffled_shards(tmp_path):
    records = [video("good")] * 20 + [means(labels=[77])]
    reader = make_reader([write(tmp_path / "a.tfrecord", records)])
    assert "Record 20 of" in fail(reader, reader.shuffled(seed=0))


def test_a_bad_record_behind_damage_is_named(tmp_path):
    """What is salvaged from a damaged shard may not fit either."""
    path = write(tmp_path / "a.tfrecord", [video("good")] * 4 + [means(labels=[77]), video("good")])
    flip(path, starts_of(path)[1] + HEADER)
    assert "(id bad) has the label 77" in fail(make_reader([path]))


def test_behind_a_shard_that_is_gone(tmp_path):
    path = write(tmp_path / "a.tfrecord", [means(labels=[77])])
    reader = make_reader([str(tmp_path / "missing"), path])
    assert f"Record 0 of {path} (id bad)" in fail(reader)


def test_the_video_labels_do_not_matter_for_segments(tmp_path):
    """The vocabulary of segments is that of their ratings."""
    path = write(tmp_path / "a.tfrecord", [frames("a", 9, [3000], **RATED)])
    reader = make_reader([path], SEGMENT_SCHEMA, SegmentReader)
    assert len(batches(reader.sequential())) == 1
    assert find_problem(reader) is None


def test_good_records_have_no_problem(tmp_path):
    for kind, (schema, good, settings) in GOOD.items():
        path = write(tmp_path / f"{kind}.tfrecord", [good] * 3)
        reader = make_reader([path], schema, **settings)
        with clear_errors(reader):
            batches(reader.sequential())
        assert find_problem(reader) is None


def test_other_errors_pass_unchanged(tmp_path):
    reader = make_reader([write(tmp_path / "a.tfrecord", [video("good")])])
    with pytest.raises(ZeroDivisionError), clear_errors(reader):
        raise ZeroDivisionError
    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible"), clear_errors(reader):
        tf.zeros([2]) + tf.zeros([3])
    with pytest.raises(tf.errors.InvalidArgumentError), clear_errors(reader):
        raise tf.errors.InvalidArgumentError(None, None, "of the model")
