"""Every kind of record is recognised from the shards alone."""

import gzip
import re
import zlib

import numpy as np
import pytest
from shard_files import (
    FRAME_SCHEMA,
    batches,
    example,
    flip,
    frames,
    make_reader,
    sequence,
    starts_of,
    write,
)

from yt8m.base.errors import UserError
from yt8m.data.detect import detect
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema

RGB = Feature("rgb", 1024, "uint8", "rgb")
AUDIO = Feature("audio", 128, "uint8", "audio")
MEAN_RGB = Feature("mean_rgb", 1024, "float32", "mean_rgb")
MEAN_AUDIO = Feature("mean_audio", 128, "float32", "mean_audio")
EMBEDDING = Feature("audio_embedding", 128, "uint8", "audio_embedding")

ID = {"id": [b"abcd"], "labels": [1, 2]}
ID_2017 = {"video_id": [b"abcdefghijk"], "labels": [1, 2]}
RGB_LIST = {"rgb": [bytes(1024)] * 2}
AUDIO_LIST = {"audio": [bytes(128)] * 2}
MEANS = {"mean_audio": [0.5] * 128, "mean_rgb": [0.5] * 1024}
SEGMENTS = {
    "segment_labels": [3],
    "segment_start_times": [0],
    "segment_end_times": [5],
    "segment_scores": [1.0],
}
CLIP_TIMES = {"start_time_seconds": [30.0], "end_time_seconds": [40.0]}
MEDIAPIPE = {
    "AUDIO/feature/floats": [[0.5] * 6] * 2,
    "AUDIO/feature/timestamp": [[0], [1]],
    "RGB/feature/floats": [[0.5] * 8] * 2,
    "RGB/feature/timestamp": [[0], [1]],
}
MEDIAPIPE_FEATURES = (
    Feature("rgb", 8, "float32", "RGB/feature/floats"),
    Feature("audio", 6, "float32", "AUDIO/feature/floats"),
)
# The context that MediaPipe's extractor leaves behind: no id and no labels.
EXTRACTED = {
    "clip/data_path": [b"/videos/a.mp4"],
    "clip/start/timestamp": [0],
    "clip/end/timestamp": [120_000_000],
    "RGB/feature/dimensions": [8],
    "RGB/feature/rate": [1.0],
    "AUDIO/feature/dimensions": [6],
    "AUDIO/feature/rate": [1.0],
}

KINDS = {
    "video-level": (example(**ID, **MEANS), Schema(VIDEO, (MEAN_RGB, MEAN_AUDIO)), 3862),
    "video-level of 2017": (
        example(**ID_2017, **MEANS),
        Schema(VIDEO, (MEAN_RGB, MEAN_AUDIO), id_key="video_id"),
        4716,
    ),
    "frame-level": (
        sequence(AUDIO_LIST | RGB_LIST, **ID),
        Schema(FRAME, (RGB, AUDIO)),
        3862,
    ),
    "frame-level of 2017": (
        sequence(RGB_LIST, **ID_2017),
        Schema(FRAME, (RGB,), id_key="video_id"),
        4716,
    ),
    "segments": (
        sequence(AUDIO_LIST | RGB_LIST, **ID, **SEGMENTS),
        Schema(FRAME, (RGB, AUDIO), segments=True),
        3862,
    ),
    "audioset": (
        sequence({"audio_embedding": [bytes(128)] * 10}, **ID_2017, **CLIP_TIMES),
        Schema(FRAME, (EMBEDDING,), id_key="video_id"),
        527,
    ),
    "rgb only": (sequence(RGB_LIST, **ID), Schema(FRAME, (RGB,)), 3862),
    "audio only": (sequence(AUDIO_LIST, **ID), Schema(FRAME, (AUDIO,)), 3862),
    "mean_audio only": (
        example(**ID, mean_audio=[0.5] * 128),
        Schema(VIDEO, (MEAN_AUDIO,)),
        3862,
    ),
    "mediapipe": (
        sequence(MEDIAPIPE, **ID),
        Schema(FRAME, MEDIAPIPE_FEATURES),
        3862,
    ),
    "mediapipe as its extractor writes": (
        sequence(MEDIAPIPE, **EXTRACTED),
        Schema(FRAME, MEDIAPIPE_FEATURES, id_key="clip/data_path"),
        3862,
    ),
    "mediapipe with labels and a name": (
        sequence(MEDIAPIPE, **EXTRACTED, **{"clip/media_id": [b"a"], "clip/label/index": [7]}),
        Schema(FRAME, MEDIAPIPE_FEATURES, id_key="clip/media_id", labels_key="clip/label/index"),
        3862,
    ),
    "mediapipe with the keys of YouTube-8M": (
        sequence(MEDIAPIPE, **EXTRACTED, **ID, **{"clip/label/index": [7]}),
        Schema(FRAME, MEDIAPIPE_FEATURES),
        3862,
    ),
    "own vectors": (
        example(**ID, zoo=[0.5] * 5, **{"clip-b/32": [0.5] * 7}, length=[3.0]),
        Schema(
            VIDEO,
            (
                Feature("clip_b_32", 7, "float32", "clip-b/32"),
                Feature("zoo", 5, "float32", "zoo"),
            ),
        ),
        3862,
    ),
    "without labels": (
        example(id=[b"abcd"], **MEANS),
        Schema(VIDEO, (MEAN_RGB, MEAN_AUDIO)),
        3862,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_of_each_kind_of_record_is_detected(kind, tmp_path):
    record, schema, num_classes = KINDS[kind]
    assert detect([write(tmp_path / "a.tfrecord", [record])]) == schema
    assert schema.default_num_classes() == num_classes


def test_takes_the_sizes_from_the_first_record_with_frames(tmp_path):
    records = [frames("none", 0), frames("none", 0), frames("some", 2)]
    schema = detect([write(tmp_path / "a.tfrecord", records)])
    assert [(f.name, f.size) for f in schema.features] == [("rgb", 4), ("audio", 2)]


def test_goes_on_to_the_next_shard_where_one_shows_nothing(tmp_path):
    (tmp_path / "empty.tfrecord").touch()
    (tmp_path / "text.tfrecord").write_text("no records here\n" * 10)
    paths = [
        str(tmp_path / "empty.tfrecord"),
        str(tmp_path / "text.tfrecord"),
        str(tmp_path / "missing.tfrecord"),
        write(tmp_path / "no_frames.tfrecord", [frames("none", 0)]),
        write(tmp_path / "good.tfrecord", [frames("some", 2)]),
    ]
    assert detect(paths).feature_names == ("rgb", "audio")


@pytest.mark.parametrize("place", [3, 20], ids=["length", "data"])
def test_a_damaged_first_record_does_not_hide_the_others(place, tmp_path):
    path = write(tmp_path / "a.tfrecord", [frames("a"), frames("b")])
    flip(path, place)
    assert detect([path]).feature_names == ("rgb", "audio")


@pytest.mark.parametrize(
    ("record", "keys"),
    [
        (example(labels=[1], mean_rgb=[0.5] * 4), "labels, mean_rgb"),
        (sequence(RGB_LIST, labels=[1]), "labels, rgb"),
        (example(id=[b"a"], labels=[1]), "id, labels"),
        (example(id=[b"a"], label=[1], score=[0.5]), "id, label, score"),
        (example(), "none"),
    ],
    ids=["no id", "frames without id", "no features", "one float is no feature", "empty"],
)
def test_names_the_keys_of_an_unknown_record(record, keys, tmp_path):
    path = write(tmp_path / "a.tfrecord", [record])
    with pytest.raises(UserError, match=r"id or video_id.* keys: " + keys + r"\.$") as error:
        detect([path])
    assert path in str(error.value)


def test_a_record_that_is_no_proto(tmp_path):
    path = write(tmp_path / "a.tfrecord", [b"\xff\xfe not a proto"])
    with pytest.raises(UserError, match="no tf.Example or tf.SequenceExample") as error:
        detect([path])
    assert path in str(error.value)


def test_says_why_no_shard_can_be_read(tmp_path):
    text = tmp_path / "text.tfrecord"
    text.write_text("id,labels\n" * 10)
    with pytest.raises(UserError, match=r"text\.tfrecord is no TFRecord file \(corrupt at byte 0"):
        detect([str(text)])
    cut = write(tmp_path / "cut.tfrecord", [frames("a")])
    data = (tmp_path / "cut.tfrecord").read_bytes()
    (tmp_path / "cut.tfrecord").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"cut\.tfrecord is cut or corrupt at byte 0"):
        detect([cut])
    with pytest.raises(UserError, match=r"cut\.tfrecord .* \(and 1 more\)"):
        detect([cut, str(text)])
    with pytest.raises(UserError, match="missing.tfrecord"):
        detect([str(tmp_path / "missing.tfrecord")])
    empty = write(tmp_path / "empty.tfrecord", [frames("none", 0)])
    with pytest.raises(UserError, match="holds no record with a feature"):
        detect([empty])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (gzip.compress, "is compressed with gzip: decompress it first, such as with `gunzip`"),
        (zlib.compress, "is compressed with zlib: write it without compression"),
        (lambda data: b"PK\x03\x04" + bytes(50), "is a zip archive: unpack it first"),
        (lambda data: b"PAR1" + bytes(50), "is a Parquet file"),
        (lambda data: "a.tfrecord\n".encode("utf-16"), "is a text in UTF-16: save it as UTF-8"),
        (lambda data: frames("a"), "is a tf.SequenceExample by itself.*`yt8m quantize_features`"),
    ],
    ids=["gzip", "zlib", "zip", "Parquet", "UTF-16", "bare"],
)
def test_files_of_other_formats_are_known(make, said, tmp_path, caplog):
    good = write(tmp_path / "good.tfrecord", [frames("b")])
    other = tmp_path / "other.tfrecord"
    other.write_bytes(make((tmp_path / "good.tfrecord").read_bytes()))
    with pytest.raises(UserError, match=f"other.tfrecord {said}"):
        detect([str(other)])
    if "bare" not in said and "itself" not in said:  # Among others it is damage, of that name.
        reader = make_reader([good, str(other)], FRAME_SCHEMA)
        assert len(batches(reader.sequential())) == 1
        assert re.search(f"other.tfrecord {said}", caplog.text)


def test_reads_only_the_beginning_of_an_undamaged_shard(tmp_path):
    path = write(tmp_path / "a.tfrecord", [frames(str(i)) for i in range(3)])
    flip(path, starts_of(path)[1] + 20)
    assert detect([path]).feature_names == ("rgb", "audio")


def test_the_goldens_are_recognised(golden_shard):
    assert detect([golden_shard("reader_video")]) == KINDS["video-level"][1]
    assert np.all([feature.dtype == "float32" for feature in KINDS["video-level"][1].features])


def test_of_many_or_long_keys_an_error_shows_the_beginning(tmp_path):
    record = example(**{"k" * 3000: [1]}, **{f"key{number:03d}": [1] for number in range(100)})
    with pytest.raises(UserError) as error:
        detect([write(tmp_path / "a.tfrecord", [record])])
    assert "Received the keys: key000, key001, " in str(error.value)
    assert str(error.value).endswith("key019, and 81 more.")
    record = example(**{"k" * 3000: [1]})
    with pytest.raises(UserError, match="the keys: k{60}[.]{4}$"):
        detect([write(tmp_path / "b.tfrecord", [record])])
