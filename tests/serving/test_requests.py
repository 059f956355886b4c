"""The records of a request give what the reader reads, and bad ones an error that names them."""

import numpy as np
import pytest
import tensorflow as tf
from shard_files import (
    FRAME_SCHEMA,
    VIDEO_SCHEMA,
    batches,
    example,
    frames,
    make_reader,
    sequence,
    video,
    write,
)

from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.serving import requests

FLOAT_SCHEMA = Schema(
    FRAME,
    (
        Feature("rgb", 4, "float32", "RGB/feature/floats"),
        Feature("audio", 2, "float32", "AUDIO/feature/floats"),
    ),
    id_key="clip/data_path",
)


def floats(name: str, num_frames: int = 3) -> bytes:
    """A record of `FLOAT_SCHEMA`, without labels."""
    lists = {
        "RGB/feature/floats": [[t + 0.25, -t, 0.5, 1e-3] for t in map(float, range(num_frames))],
        "AUDIO/feature/floats": [[t - 0.5, 2.0] for t in map(float, range(num_frames))],
    }
    return sequence(lists, **{"clip/data_path": [name.encode()]})


def graph(schema: Schema, max_frames: int | None = None):
    """The parser as a served model has it."""
    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(
        lambda records: requests.parse(records, schema, max_frames), input_signature=signature
    )


def parse(records: list[bytes], schema: Schema, max_frames: int | None = None) -> dict:
    parsed = graph(schema, max_frames)(tf.constant(records))
    return {name: value.numpy() for name, value in parsed.items()}


CASES = {
    "videos": (VIDEO_SCHEMA, [video("a"), video("b", value=-3.5)]),
    "frames": (FRAME_SCHEMA, [frames("a", 3), frames("b", 5), frames("c", 0), frames("d", 1)]),
    "floats": (FLOAT_SCHEMA, [floats("a", 3), floats("b", 0), floats("/c d.mp4", 5)]),
    "no frames at all": (FRAME_SCHEMA, [frames("a", 0), frames("b", 0)]),
    "no float frames at all": (FLOAT_SCHEMA, [floats("a", 0)]),
}


@pytest.mark.parametrize("max_frames", [None, 4, 300])
@pytest.mark.parametrize("case", CASES)
def test_gives_what_the_reader_reads(case, max_frames, tmp_path):
    schema, records = CASES[case]
    reader = make_reader([write(tmp_path / "a.tfrecord", records)], schema, max_frames=max_frames)
    (expected,) = batches(reader.sequential())
    received = parse(records, schema, max_frames)
    assert received.keys() == expected.keys() - {"labels"}
    for name, values in received.items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name])


def test_labels_and_ids_may_be_missing():
    rgb_and_audio = {"rgb": [b"1234"], "audio": [b"56"]}
    records = [sequence(rgb_and_audio), sequence(rgb_and_audio, id=[b"x"], labels=[10**6, -1])]
    received = parse(records, FRAME_SCHEMA)
    assert received["ids"].tolist() == [b"", b"x"]
    assert received["rgb"][:, 0].tobytes() == b"12341234"
    records = [example(mean_rgb=[0.5] * 3, mean_audio=[0.25] * 2, labels=[-1])]
    received = parse(records, VIDEO_SCHEMA)
    assert received["ids"].tolist() == [b""]
    assert received["mean_audio"].tolist() == [[0.25, 0.25]]


ID = {"id": [b"x"]}
BAD = {
    "no proto": (FRAME_SCHEMA, b"\xff\xfe not a proto", "record 1"),
    "cut": (FRAME_SCHEMA, frames("b")[:-1], "record 1"),
    "empty": (FRAME_SCHEMA, b"", "record 1.*audio"),
    "a feature missing": (FRAME_SCHEMA, sequence({"audio": [b"12"]}, **ID), "record 1.*rgb"),
    "floats for bytes": (
        FRAME_SCHEMA,
        sequence({"rgb": [[0.5] * 4], "audio": [b"12"]}, **ID),
        "record 1.*rgb",
    ),
    "too few bytes": (
        FRAME_SCHEMA,
        sequence({"rgb": [b"1234", b"123"], "audio": [b"12"] * 2}, **ID),
        "wrong number of bytes",
    ),
    "too many bytes": (
        FRAME_SCHEMA,
        sequence({"rgb": [b"1234", b"12345"], "audio": [b"12"] * 2}, **ID),
        "wrong number of bytes",
    ),
    "an empty frame": (
        FRAME_SCHEMA,
        sequence({"rgb": [b"", b"1234"], "audio": [b"12"] * 2}, **ID),
        "wrong number of bytes",
    ),
    "other lengths": (
        FRAME_SCHEMA,
        sequence({"rgb": [b"1234"] * 3, "audio": [b"12"] * 2}, **ID),
        "different numbers of frames",
    ),
    "an id that is a number": (
        FRAME_SCHEMA,
        sequence({"rgb": [b"1234"], "audio": [b"12"]}, id=[3]),
        "record 1.*id",
    ),
    "a float too many": (
        FLOAT_SCHEMA,
        sequence({"RGB/feature/floats": [[0.5] * 5], "AUDIO/feature/floats": [[0.5] * 2]}),
        "record 1.*RGB",
    ),
    "float features of other lengths": (
        FLOAT_SCHEMA,
        sequence({"RGB/feature/floats": [[0.5] * 4] * 2, "AUDIO/feature/floats": [[0.5] * 2]}),
        "different numbers of frames",
    ),
    "no video": (VIDEO_SCHEMA, b"\xff\xfe not a proto", "record 1"),
    "a video without a feature": (VIDEO_SCHEMA, example(mean_rgb=[0.5] * 3), "mean_audio"),
    "a value too few": (
        VIDEO_SCHEMA,
        example(mean_rgb=[0.5] * 2, mean_audio=[0.5] * 2),
        "record 1.*mean_rgb",
    ),
    "integers": (
        VIDEO_SCHEMA,
        example(mean_rgb=[5] * 3, mean_audio=[0.5] * 2),
        "record 1.*mean_rgb",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_beside_a_good_one_is_an_error(case):
    schema, bad, message = BAD[case]
    good = {FRAME_SCHEMA: frames("a"), FLOAT_SCHEMA: floats("a"), VIDEO_SCHEMA: video("a")}[schema]
    parse([good, good], schema)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        parse([good, bad], schema)


def test_what_is_no_video_is_said_in_words_that_python_can_read():
    """Of two parsers, only one can say so, and they must not race."""
    function = graph(VIDEO_SCHEMA)
    for _ in range(40):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid protocol message"):
            function(tf.constant([video("a"), b"\xff\xfe not a proto"]))
