"""Floats to YouTube-8M's bytes and back, against the formulas written out."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.conversion import record_files
from yt8m.conversion.quantized_features import FrameConverter
from yt8m.data.detect import schema_of_record
from yt8m.data.read_log import ReadLog
from yt8m.data.schema import FRAME, Feature, Schema

RGB, AUDIO = "RGB/feature/floats", "AUDIO/feature/floats"


def feature(*values) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def sequence(lists: dict[str, list[tuple]], context: dict[str, tuple]) -> bytes:
    """A serialised tf.SequenceExample; each frame is a tuple of values."""
    frames = {
        key: tf.train.FeatureList(feature=[feature(*frame) for frame in values])
        for key, values in lists.items()
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={k: feature(*v) for k, v in context.items()}),
        feature_lists=tf.train.FeatureLists(feature_list=frames),
    ).SerializeToString()


def extracted(rgb: list[tuple], audio: list[tuple], **context) -> bytes:
    """A record as MediaPipe's extractor writes it."""
    lists = {
        RGB: rgb,
        "RGB/feature/timestamp": [(t * 10**6,) for t in range(len(rgb))],
        AUDIO: audio,
        "AUDIO/feature/timestamp": [(t * 10**6,) for t in range(len(audio))],
    }
    own = {"clip/data_path": (b"/videos/a.mp4",), "RGB/feature/rate": (1.0,)}
    return sequence(lists, own | {key.replace("_", "/"): v for key, v in context.items()})


def make(record: bytes, to: str = "uint8", **settings) -> FrameConverter:
    return FrameConverter(schema_of_record(record, "a"), to, **settings)


def convert(record: bytes, to: str = "uint8", **settings) -> tf.train.SequenceExample:
    converted = make(record, to, **settings).convert(record, "Record 0 of a")
    return tf.train.SequenceExample.FromString(converted)


def bytes_of(example: tf.train.SequenceExample, key: str) -> list[bytes]:
    frames = example.feature_lists.feature_list[key].feature
    assert all(len(frame.bytes_list.value) == 1 for frame in frames)
    return [frame.bytes_list.value[0] for frame in frames]


def test_quantises_as_the_extractor_of_youtube8m_does():
    # round((x + 2) * 255/4), by hand: 127.5 and 128.5 tie, and go to the even number.
    values = {-2.0: 0, 2.0: 255, 0.0: 128, 1 / 63.75: 128, 0.408: 154, -0.6: 89, 1.9: 249}
    record = extracted([tuple(values)], [(-9.0, 9.0)])
    example = convert(record)
    assert list(bytes_of(example, "rgb")[0]) == list(values.values())
    assert bytes_of(example, "audio") == [b"\x00\xff"]


def test_keeps_what_else_is_in_a_record_and_adds_the_usual_keys():
    record = extracted([(0.5, 1.0)] * 2, [(0.0, 0.5)] * 2, clip_label_index=(3, 5))
    example = convert(record)
    assert {key: list(example.context.feature[key].ListFields()) for key in ("id", "labels")} == {
        "id": list(feature(b"/videos/a.mp4").ListFields()),
        "labels": list(feature(3, 5).ListFields()),
    }
    before = tf.train.SequenceExample.FromString(record)
    for key in before.context.feature:
        assert example.context.feature[key] == before.context.feature[key]
    lists, old = example.feature_lists.feature_list, before.feature_lists.feature_list
    assert set(lists) == {"rgb", "audio", "RGB/feature/timestamp", "AUDIO/feature/timestamp"}
    assert lists["RGB/feature/timestamp"] == old["RGB/feature/timestamp"]
    schema = schema_of_record(example.SerializeToString(), "b")
    assert schema == Schema(
        FRAME, (Feature("rgb", 2, "uint8", "rgb"), Feature("audio", 2, "uint8", "audio"))
    )


def test_ids_of_youtube8m_stay():
    record = sequence({"zoo": [(0.5, 0.25)]}, {"video_id": (b"abc",), "labels": (1,)})
    assert set(convert(record).context.feature) == {"video_id", "labels"}


def test_every_byte_survives_the_way_there_and_back():
    every = bytes(range(256))
    original = sequence(
        {"rgb": [(every,), (every[::-1],)], "audio": [(b"\x00\xff",), (b"\x80\x7f",)]},
        {"id": (b"a",), "labels": (1, 2), "segment_labels": (7,)},
    )
    floats = convert(original, "float32")
    schema = schema_of_record(floats.SerializeToString(), "b")
    assert [(f.name, f.key, f.dtype) for f in schema.features] == [
        ("rgb", RGB, "float32"),
        ("audio", AUDIO, "float32"),
    ]
    values = list(floats.feature_lists.feature_list[RGB].feature[0].float_list.value)
    # 4/255 a step, and half of 4/256 more.
    assert values[0] == pytest.approx(-2 + 4 / 512)
    assert values[100] == pytest.approx(-2 + 4 / 512 + 100 * 4 / 255)
    converter = make(floats.SerializeToString())
    back = converter.convert(floats.SerializeToString(), "b")
    assert tf.train.SequenceExample.FromString(back) == tf.train.SequenceExample.FromString(
        original
    )
    assert converter.warnings() == []


def test_names_and_keys_may_be_chosen():
    record = extracted([(0.5, 1.0)], [(0.0, 0.5)])
    example = convert(record, names=("rgb",), keys=("inception",))
    lists = example.feature_lists.feature_list
    assert bytes_of(example, "inception") == [b"\x9f\xbf"]
    assert AUDIO in lists
    assert RGB not in lists
    schema = schema_of_record(example.SerializeToString(), "b")
    assert {f.name: f.dtype for f in schema.features} == {"inception": "uint8", "audio": "float32"}


@pytest.mark.parametrize("lengths", [(3, 2), (2, 3), (4, 2)], ids=str)
def test_features_of_other_lengths_are_cut_to_the_shortest(lengths):
    record = extracted([(0.5, 1.0)] * lengths[0], [(0.0, 0.5)] * lengths[1])
    converter = make(record)
    example = tf.train.SequenceExample.FromString(converter.convert(record, "a"))
    assert len(bytes_of(example, "rgb")) == len(bytes_of(example, "audio")) == 2
    assert converter.warnings()[-1] == "1 records were cut to the shortest of their features."


def test_features_of_lengths_too_far_apart_are_an_error():
    record = extracted([(0.5, 1.0)] * 5, [(0.0, 0.5)] * 2)
    with pytest.raises(UserError, match=r"RGB/feature/floats 5, AUDIO.* 2\. .*difference=3") as e:
        convert(record)
    assert "(id /videos/a.mp4)" in str(e.value)
    example = convert(record, max_length_difference=3)
    assert len(bytes_of(example, "rgb")) == 2


def test_counts_what_is_clipped():
    record = extracted([(2.5, 0.0, -7.0, 2.007, -2.007)] * 2, [(0.1, -0.2)] * 2)
    converter = make(record)
    converter.convert(record, "a")
    assert converter.warnings() == [
        "4 of 10 values of rgb (40.000%) lie outside [-2, 2] and were clipped; the largest "
        "magnitude is 7.",
        "The values of audio lie within 0.2 of 0, so their bytes tell few of them apart: "
        "YouTube-8M's bytes stand for values in [-2, 2].",
    ]


GOOD = extracted([(0.5, 1.0)] * 2, [(0.0, 0.5)] * 2)
BAD = {
    "no proto": (b"\xff\xfe not a proto", "is no tf.SequenceExample"),
    "no id": (sequence({RGB: [(0.5, 1.0)]}, {"labels": (1,)}), "has no clip/data_path"),
    "no sound": (
        sequence({RGB: [(0.5, 1.0)]}, {"clip/data_path": (b"a",)}),
        "has no AUDIO/feature/floats",
    ),
    "an empty list": (extracted([(0.5, 1.0)], []), "different numbers of frames"),
    "other sizes": (extracted([(0.5, 1.0)] * 2, [(0.0, 0.5), (0.1,)]), "has 1 values .* frame 1"),
    "bytes": (extracted([(b"12",)], [(0.0, 0.5)]), "has 0 values of RGB/feature/floats in frame 0"),
    "nan": (extracted([(0.5, 1.0), (0.5, np.nan)], [(0.0, 0.5)] * 2), "NaN or infinity in frame 1"),
    "infinity": (extracted([(-np.inf, 1.0)], [(0.0, 0.5)]), "NaN or infinity in frame 0 of RGB"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_record_that_does_not_fit_is_named(case):
    record, message = BAD[case]
    with pytest.raises(UserError, match=rf"^Record 7 of b.* {message}"):
        make(GOOD, max_length_difference=0).convert(record, "Record 7 of b")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"to": "float32"}, "nothing to make float32 of"),
        ({"names": ("video",)}, "asks for video"),
        ({"keys": ("rgb",)}, "--output_names needs a name a feature. Received: rgb for rgb,audio"),
        ({"keys": ("rgb", "rgb")}, "under one key"),
        ({"names": ("rgb",), "keys": (AUDIO,)}, "under one key"),
    ],
    ids=["as they are", "unknown", "too few keys", "one key", "a key that is there"],
)
def test_what_cannot_be_converted(settings, message):
    with pytest.raises(UserError, match=message):
        make(GOOD, **settings)


def test_features_of_videos_stay_floats():
    schema = Schema("video", (Feature("mean_rgb", 4, "float32", "mean_rgb"),))
    with pytest.raises(UserError, match="Only the features of frames become bytes"):
        FrameConverter(schema, "uint8")


@pytest.fixture
def convert_file(tmp_path):
    """Converts a file; returns the log and the records written, None where there is no shard."""

    def run(path: Path, on_corrupt_shard: str = "skip") -> tuple[ReadLog, list[bytes] | None]:
        log, output = ReadLog(on_corrupt_shard), tmp_path / "new.tfrecord"
        with ProgressReport("Converting") as progress:
            record_files.convert_file(str(path), str(output), make(GOOD), log, progress)
        assert not list(tmp_path.glob(".tmp*"))
        if not output.exists():
            return log, None
        return log, list(tf.data.TFRecordDataset(str(output)).as_numpy_iterator())

    return run


def write(path: Path, records: list[bytes]) -> Path:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_a_bare_record_becomes_a_shard(convert_file, tmp_path):
    (tmp_path / "a.pb").write_bytes(GOOD)
    log, records = convert_file(tmp_path / "a.pb")
    assert (log.num_records, len(records)) == (1, 1)
    assert record_files.look([str(tmp_path / "a.pb")]) == (schema_of_record(GOOD, "a"), 1)


def test_a_damaged_shard_gives_its_other_records(convert_file, tmp_path):
    names = [f"/videos/{number}".encode() for number in range(4)]
    shard = write(
        tmp_path / "a.tfrecord",
        [extracted([(0.5, 1.0)], [(0.0, 0.5)], example_id=(name,)) for name in names],
    )
    data = bytearray(shard.read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    data[12 + length + 4 + 12 + 20] ^= 1
    shard.write_bytes(data)
    log, records = convert_file(shard)
    found = [tf.train.SequenceExample.FromString(r).context.feature for r in records]
    assert [c["example/id"].bytes_list.value[0] for c in found] == [names[i] for i in (0, 2, 3)]
    assert log.lost == {str(shard): 12 + length + 4}
    assert log.num_records == 3
    (tmp_path / "new.tfrecord").unlink()
    with pytest.raises(UserError, match=r"corrupt at byte \d+: .*--on_corrupt_shard=fail"):
        convert_file(shard, "fail")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tfrecord"]


def test_a_file_that_cannot_be_read_gives_no_shard(convert_file, tmp_path):
    (tmp_path / "text.tfrecord").write_text("not a shard\n" * 10)
    for name in ("text.tfrecord", "none.tfrecord"):
        log, records = convert_file(tmp_path / name)
        assert records is None
        assert list(log.lost) == [str(tmp_path / name)]


def test_a_bad_record_leaves_the_shard_that_was_there(convert_file, tmp_path):
    (tmp_path / "new.tfrecord").write_bytes(b"earlier")
    shard = write(tmp_path / "a.tfrecord", [GOOD, BAD["nan"][0]])
    with pytest.raises(UserError, match="Record 1 of .*a.tfrecord"):
        convert_file(shard)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tfrecord", "new.tfrecord"]
    assert (tmp_path / "new.tfrecord").read_bytes() == b"earlier"


def test_outputs_that_would_collide(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    paths = [str(folder / "x.tfrecord"), str(tmp_path / "b" / "x.tfrecord")]
    with pytest.raises(UserError, match="would both become"):
        record_files.output_paths(paths, str(tmp_path / "new"))
    with pytest.raises(UserError, match="would be overwritten"):
        record_files.output_paths(paths[:1], str(folder / ".." / "a"))
    assert record_files.output_paths(["c/y.pb"], str(folder)) == {
        "c/y.pb": str(folder / "y.tfrecord")
    }
