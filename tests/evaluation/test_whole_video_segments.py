"""Whole videos cut into segments, and a model's best ones."""

import keras
import numpy as np
import pytest
from shard_files import FRAME_SCHEMA, frames, make_reader, sequence, write

from yt8m.base.errors import UserError
from yt8m.evaluation import segments as segment_evaluation
from yt8m.modeling import losses
from yt8m.submissions import predict_segments


def make(tmp_path, records, **settings):
    path = write(tmp_path / "a.tfrecord", records)
    return make_reader([path], FRAME_SCHEMA, **settings)


def cut(reader, batch_size):
    """All batches of segments, and the names of the segments in their order."""
    index = predict_segments.SegmentIndex()
    found = list(predict_segments.segment_batches(reader, index, batch_size))
    return found, index.names().of(np.arange(len(index))), index


def model(num_classes=10):
    """Class c says 1 / (1 + the distance of the first frame's byte from 10 c)."""
    inputs = {
        "rgb": keras.Input((None, 4), dtype="uint8", name="rgb"),
        "audio": keras.Input((None, 2), dtype="uint8", name="audio"),
        "num_frames": keras.Input((), dtype="int32", name="num_frames"),
    }
    first = keras.ops.cast(inputs["rgb"][:, 0, :1], "float32")
    distance = keras.ops.abs(first - 10.0 * np.arange(num_classes, dtype=np.float32))
    return keras.Model(inputs, 1 / (1 + distance))


@pytest.mark.parametrize("read", [1, 2, 100])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_consecutive_segments_of_five_frames(read, batch_size, tmp_path):
    lengths = {"a": 17, "none": 0, "b": 4, "c": 5, "d": 30, "e": 9}
    reader = make(tmp_path, [frames(*item) for item in lengths.items()], batch_size=read)
    found, names, index = cut(reader, batch_size)
    expected = [(n, s) for n, length in lengths.items() for s in range(0, length - 4, 5)]
    assert names == [f"{name}:{start}" for name, start in expected]
    sizes = [len(batch["ids"]) for batch in found]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1) and 0 < sizes[-1] <= batch_size
    joined = {key: np.concatenate([batch[key] for batch in found]) for key in found[0]}
    assert joined["ids"].tolist() == [name.encode() for name, _ in expected]
    starts = np.array([start for _, start in expected])
    bytes_of = starts[:, None, None] + np.arange(5)[:, None] + 1
    np.testing.assert_array_equal(joined["rgb"], np.broadcast_to(bytes_of, (11, 5, 4)))
    np.testing.assert_array_equal(joined["audio"], np.broadcast_to(bytes_of + 100, (11, 5, 2)))
    assert joined["rgb"].dtype == np.uint8 and joined["num_frames"].dtype == np.int32
    np.testing.assert_array_equal(joined["num_frames"], np.full(11, 5))
    assert (index.num_videos, index.num_short, len(index)) == (6, 2, 11)


def test_frames_past_the_most_are_in_no_segment(tmp_path):
    _, names, _ = cut(make(tmp_path, [frames("a", 30)], max_frames=14), 8)
    assert names == ["a:0", "a:5"]


def test_a_later_record_of_the_same_id_is_left_out(tmp_path):
    records = [frames("a", 3), frames("a", 11), frames("b", 5), frames("a", 25), frames("b", 5)]
    (batch,), names, index = cut(make(tmp_path, records, batch_size=2), 3)
    assert names == ["a:0", "a:5", "b:0"]
    assert batch["ids"].tolist() == [b"a", b"a", b"b"]
    assert (index.num_videos, index.num_short, index.known.num_repeated) == (5, 1, 2)


@pytest.mark.parametrize("name", [b"a b", b"a,b", b"", b"a\n"])
def test_an_id_that_cannot_be_written(name, tmp_path):
    lists = {"rgb": [b"1234"] * 5, "audio": [b"12"] * 5}
    reader = make(tmp_path, [frames("a", 5), sequence(lists, id=[name], labels=[1])])
    with pytest.raises(UserError, match="cannot stand in a submission of segments"):
        cut(reader, 4)


@pytest.mark.parametrize(("batch_size", "most"), [(1, 3), (4, 3), (100, 50)])
def test_the_best_segments_of_each_class_are_written(batch_size, most, tmp_path):
    records = [frames(f"v{n}", 100 - 7 * n) for n in range(9)]
    reader = make(tmp_path, records, batch_size=batch_size)
    path = tmp_path / "out.csv"
    index = predict_segments.write_segment_submission(
        str(path), model(), reader, np.array([2, 0, 9]), most
    )
    lines = ["Class,Segments"]
    names = [(n, s) for n in range(9) for s in range(0, 96 - 7 * n, 5)]
    for class_id in (2, 0, 9):
        ranked = sorted(names, key=lambda name: abs(name[1] + 1 - 10 * class_id))
        lines.append(f"{class_id}," + " ".join(f"v{n}:{s}" for n, s in ranked[:most]))
    assert path.read_text().splitlines() == lines
    assert len(index) == len(names)


def test_only_videos_that_are_too_short(tmp_path):
    reader = make(tmp_path, [frames("a", 4), frames("b", 0)])
    with pytest.raises(UserError, match="None of the 2 videos has the 5 frames of a segment"):
        predict_segments.write_segment_submission(
            str(tmp_path / "o"), model(), reader, np.arange(3), 5
        )
    assert not (tmp_path / "o").exists()


def test_whole_videos_are_no_rated_segments(tmp_path):
    reader = make(tmp_path, [frames("a", 10)])
    with pytest.raises(ValueError, match="must be a SegmentReader. Received: Reader"):
        segment_evaluation.evaluate_segments(model(), reader, losses.CrossEntropy())


@pytest.mark.parametrize(("size", "max_frames", "videos"), [(1024, 300, 17), (32, 300, 1)])
def test_videos_are_read_by_the_batch_of_segments(size, max_frames, videos, tmp_path):
    reader = make(tmp_path, [frames("a", 10)], batch_size=size, max_frames=max_frames)
    assert predict_segments.whole_video_reader(reader).batch_size == videos
