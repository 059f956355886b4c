"""What is in a batch: keys, shapes, types and padding."""

import dataclasses

import numpy as np
import pytest
from shard_files import (
    FRAME_SCHEMA,
    VIDEO_SCHEMA,
    batches,
    example,
    frames,
    ids,
    make_reader,
    sequence,
    video,
    write,
)

from yt8m.base.errors import UserError
from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.data.segment_reader import SegmentReader

MODES = ["sequential", "shuffled"]


def read(tmp_path, records, schema, **settings) -> list[dict[str, np.ndarray]]:
    """All batches of records in one shard, in order."""
    path = write(tmp_path / "a.tfrecord", records)
    return batches(make_reader([path], schema, **settings).sequential())


def test_video_level(tmp_path):
    records = [video("a", [3], 0.25), video("b", [], 0.5), video("c", [9, 0, 9], 1e-3)]
    (batch,) = read(tmp_path, records, VIDEO_SCHEMA)
    assert set(batch) == {"mean_rgb", "mean_audio", "labels", "ids"}
    values = np.float32([[0.25], [0.5], [1e-3]])
    np.testing.assert_array_equal(batch["mean_rgb"], np.repeat(values, 3, axis=1))
    np.testing.assert_array_equal(batch["mean_audio"], np.repeat(-values, 2, axis=1))
    assert batch["mean_rgb"].dtype == np.float32
    np.testing.assert_array_equal(batch["labels"], [[3, -1, -1], [-1, -1, -1], [9, 0, 9]])
    assert batch["labels"].dtype == np.int32
    assert list(batch["ids"]) == [b"a", b"b", b"c"]


def test_frame_level(tmp_path):
    records = [frames("a", 2, [5, 1]), frames("b", 0, []), frames("c", 4, [0])]
    (batch,) = read(tmp_path, records, FRAME_SCHEMA)
    assert set(batch) == {"rgb", "audio", "num_frames", "labels", "ids"}
    rgb = [[1, 2, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4]]
    np.testing.assert_array_equal(batch["rgb"], np.repeat(np.array(rgb)[..., None], 4, axis=2))
    audio = [[101, 102, 0, 0], [0, 0, 0, 0], [101, 102, 103, 104]]
    np.testing.assert_array_equal(batch["audio"], np.repeat(np.array(audio)[..., None], 2, axis=2))
    assert (batch["rgb"].dtype, batch["audio"].dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(batch["num_frames"], [2, 0, 4])
    assert (batch["num_frames"].dtype, batch["labels"].dtype) == (np.int32, np.int32)
    np.testing.assert_array_equal(batch["labels"], [[5, 1], [-1, -1], [0, -1]])
    assert list(batch["ids"]) == [b"a", b"b", b"c"]


def test_every_byte_comes_through(tmp_path):
    record = sequence({"rgb": [bytes(range(256))], "audio": [bytes(2)]}, id=[b"a"], labels=[1])
    feature = Feature("rgb", 256, "uint8", "rgb")
    (batch,) = read(tmp_path, [record], Schema(FRAME, (feature,)))
    np.testing.assert_array_equal(batch["rgb"][0, 0], np.arange(256))


def test_float_frames(tmp_path):
    schema = Schema(FRAME, (Feature("rgb", 3, "float32", "RGB/feature/floats"),))
    lists = [{"RGB/feature/floats": [[t + 0.1, t, -t] for t in range(length)]} for length in (1, 3)]
    records = [sequence(x, id=[b"a"], labels=[1]) for x in lists]
    (batch,) = read(tmp_path, records, schema)
    assert batch["rgb"].dtype == np.float32
    expected = np.float32([[t + 0.1, t, -t] for t in range(3)])
    np.testing.assert_array_equal(batch["rgb"][1], expected)
    np.testing.assert_array_equal(batch["rgb"][0], expected * [[1], [0], [0]])


def test_frames_are_padded_to_the_longest_of_their_batch(tmp_path):
    records = [frames(str(n), n) for n in (1, 2, 7, 3, 4)]
    got = read(tmp_path, records, FRAME_SCHEMA, batch_size=2)
    assert [batch["rgb"].shape for batch in got] == [(2, 2, 4), (2, 7, 4), (1, 4, 4)]
    assert [batch["audio"].shape[1] for batch in got] == [2, 7, 4]


@pytest.mark.parametrize(
    ("max_frames", "lengths"), [(3, [1, 3, 3]), (1, [1] * 3), (None, [1, 5, 3])]
)
def test_frames_after_the_last_wanted_are_cut(max_frames, lengths, tmp_path):
    records = [frames("a", 1), frames("b", 5), frames("c", 3)]
    (batch,) = read(tmp_path, records, FRAME_SCHEMA, max_frames=max_frames)
    np.testing.assert_array_equal(batch["num_frames"], lengths)
    assert batch["rgb"].shape[1] == batch["audio"].shape[1] == max(lengths)
    np.testing.assert_array_equal(batch["rgb"][1, :, 0], np.arange(max(lengths)) + 1)


def test_300_frames_are_kept_unless_told_otherwise(tmp_path):
    (batch,) = read(tmp_path, [frames("a", 320)], FRAME_SCHEMA)
    assert batch["num_frames"] == 300


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 16])
def test_frames_and_labels_in_multiples(longest, tmp_path):
    records = [frames("a", longest, range(longest % 10)), frames("b", 1, [2])]
    settings = {"frame_multiple": 8, "label_multiple": 5}
    (batch,) = read(tmp_path, records, FRAME_SCHEMA, **settings)
    (plain,) = read(tmp_path, records, FRAME_SCHEMA)
    for name, axis_multiple in {"rgb": 8, "audio": 8, "labels": 5}.items():
        width = plain[name].shape[1]
        assert batch[name].shape[1] == -(-width // axis_multiple) * axis_multiple
        np.testing.assert_array_equal(batch[name][:, :width], plain[name])
        assert np.all(batch[name][:, width:] == (-1 if name == "labels" else 0))
        assert batch[name].dtype == plain[name].dtype
    np.testing.assert_array_equal(batch["num_frames"], [longest, 1])


def test_labels_of_videos_in_multiples(tmp_path):
    records = [video("a", [1, 2, 3]), video("b", [4])]
    (batch,) = read(tmp_path, records, VIDEO_SCHEMA, label_multiple=4, frame_multiple=4)
    np.testing.assert_array_equal(batch["labels"], [[1, 2, 3, -1], [4, -1, -1, -1]])
    assert batch["mean_rgb"].shape == (2, 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [video, frames])
def test_a_single_record(kind, mode, tmp_path):
    path = write(tmp_path / "a.tfrecord", [kind("only")])
    reader = make_reader([path], VIDEO_SCHEMA if kind is video else FRAME_SCHEMA)
    assert ids(reader.sequential() if mode == "sequential" else reader.shuffled(0)) == ["only"]
    reader.log.finish()
    assert (reader.log.num_records, reader.log.summary()) == (1, None)


def test_videos_without_labels(tmp_path):
    unlabelled = example(id=[b"a"], mean_rgb=[0.0] * 3, mean_audio=[0.0] * 2)
    (batch,) = read(tmp_path, [unlabelled, video("b", [])], VIDEO_SCHEMA)
    assert np.all(batch["labels"] == -1) and batch["labels"].shape[0] == 2
    (batch,) = read(tmp_path, [frames("a", 2, [])], FRAME_SCHEMA, label_multiple=2)
    assert np.all(batch["labels"] == -1)


def test_only_videos_without_frames(tmp_path):
    (batch,) = read(tmp_path, [frames("a", 0), frames("b", 0)], FRAME_SCHEMA, frame_multiple=4)
    assert batch["rgb"].shape[0] == 2 and np.all(batch["rgb"] == 0)
    np.testing.assert_array_equal(batch["num_frames"], [0, 0])


@pytest.mark.parametrize("name", ["NA", "nan", "null", "-abc", "--id", "0012", "1e5", "", 'é,"x'])
def test_ids_are_text_as_it_is(name, tmp_path):
    (batch,) = read(tmp_path, [frames(name)], FRAME_SCHEMA)
    assert batch["ids"][0] == name.encode()


def test_features_and_keys_that_the_schema_names(tmp_path):
    record = sequence(
        {"rgb": [bytes([7] * 4)], "audio": [bytes([8] * 2)]}, video_id=[b"a"], labels=[1]
    )
    schema = dataclasses.replace(FRAME_SCHEMA, id_key="video_id").select(("audio",))
    (batch,) = read(tmp_path, [record], schema)
    assert set(batch) == {"audio", "num_frames", "labels", "ids"}
    assert list(batch["ids"]) == [b"a"]


@pytest.mark.parametrize(
    "setting",
    [
        "batch_size",
        "num_classes",
        "frame_multiple",
        "label_multiple",
        "max_frames",
        "shuffle_buffer",
    ],
)
def test_settings_must_be_positive(setting):
    with pytest.raises(UserError, match=rf"{setting} must be positive\. Received: {setting}=0\."):
        make_reader(["x"], **{setting: 0})


@pytest.mark.parametrize("schema", [VIDEO_SCHEMA, FRAME_SCHEMA])
def test_segments_need_records_that_have_them(schema):
    with pytest.raises(UserError, match=r"Segments need .* x\.tfrecord are"):
        make_reader(["x.tfrecord"], schema, SegmentReader)
