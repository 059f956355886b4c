"""Rated segments: five frames each, every rating of one start time together."""

import numpy as np
import pytest
from shard_files import FRAME_SCHEMA, batches, frames, ids, make_reader, write

from yt8m.base.errors import UserError
from yt8m.data.diagnose import clear_errors
from yt8m.data.schema import FRAME, Schema
from yt8m.data.segment_reader import SegmentReader

SCHEMA = Schema(FRAME, FRAME_SCHEMA.features, segments=True)


def rated(name: str, num_frames: int, *ratings: tuple[int, int, float]) -> bytes:
    """A video with ratings (start, class, score)."""
    starts, classes, scores = zip(*ratings, strict=True) if ratings else ((), (), ())
    context = {"segment_start_times": starts, "segment_labels": classes}
    if ratings:
        context |= {"segment_scores": scores, "segment_end_times": [s + 5 for s in starts]}
    return frames(name, num_frames, **context)


def make(tmp_path, records, **settings):
    """A reader of the segments of records in one shard."""
    path = write(tmp_path / "a.tfrecord", records)
    return make_reader([path], SCHEMA, SegmentReader, **settings)


def read(reader) -> dict[str, np.ndarray]:
    """The only batch."""
    (batch,) = batches(reader.sequential())
    return batch


def test_frames_labels_and_scores(tmp_path):
    reader = make(
        tmp_path,
        [rated("a", 20, (10, 3, 1.0), (0, 4, 0.0)), rated("b", 5, (0, 9, 0.5))],
    )
    batch = read(reader)
    assert set(batch) == {
        *("rgb", "audio", "num_frames", "ids", "start_times"),
        *("labels", "label_scores"),
    }
    assert list(batch["ids"]) == [b"a", b"a", b"b"]
    np.testing.assert_array_equal(batch["start_times"], [10, 0, 0])
    np.testing.assert_array_equal(batch["num_frames"], [5, 5, 5])
    first = np.array([10, 0, 0])[:, None] + np.arange(5)
    np.testing.assert_array_equal(batch["rgb"], np.repeat(first[..., None] + 1, 4, axis=2))
    np.testing.assert_array_equal(batch["audio"], np.repeat(first[..., None] + 101, 2, axis=2))
    np.testing.assert_array_equal(batch["labels"], [[3], [4], [9]])
    np.testing.assert_array_equal(batch["label_scores"], [[1.0], [0.0], [0.5]])
    assert (batch["rgb"].dtype, batch["labels"].dtype) == (np.uint8, np.int32)
    assert batch["label_scores"].dtype == np.float32
    assert reader.log.num_skipped_segments == 0


def test_ratings_of_one_start_time_are_one_segment(tmp_path):
    ratings = [(5, 1, 1.0), (0, 2, 0.0), (5, 3, 0.0), (10, 4, 1.0), (5, 1, 0.0), (0, 6, 1.0)]
    batch = read(make(tmp_path, [rated("a", 15, *ratings)]))
    np.testing.assert_array_equal(batch["start_times"], [5, 0, 10])
    np.testing.assert_array_equal(batch["labels"], [[1, 3, 1], [2, 6, -1], [4, -1, -1]])
    np.testing.assert_array_equal(batch["label_scores"], [[1, 0, 0], [0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("num_frames", "max_frames", "kept"),
    [(15, 300, [0, 10]), (14, 300, [0]), (16, 300, [0, 10]), (30, 15, [0, 10]), (30, 14, [0])],
)
def test_a_segment_past_the_end_is_counted_and_left_out(num_frames, max_frames, kept, tmp_path):
    ratings = [(10, 1, 1.0), (0, 2, 1.0), (100, 3, 1.0), (100, 4, 0.0), (-5, 5, 1.0)]
    reader = make(tmp_path, [rated("a", num_frames, *ratings)], max_frames=max_frames)
    batch = read(reader)
    assert sorted(batch["start_times"]) == kept
    assert {1, 2} >= set(batch["labels"].ravel()) - {-1}
    assert reader.log.num_skipped_segments == 4 - len(kept)
    assert f"{4 - len(kept)} rated segment(s) past the frames" in reader.log.summary()


def test_videos_without_a_segment(tmp_path):
    records = [
        rated("none", 20),
        rated("short", 4, (0, 1, 1.0)),
        rated("empty", 0, (0, 1, 1.0)),
        rated("good", 5, (0, 1, 1.0)),
    ]
    reader = make(tmp_path, records)
    assert list(read(reader)["ids"]) == [b"good"]
    assert (reader.log.num_records, reader.log.num_skipped_segments) == (4, 2)


def test_no_segment_at_all(tmp_path):
    reader = make(tmp_path, [rated("none", 20), rated("short", 4, (0, 1, 1.0))])
    assert batches(reader.sequential()) == []


def test_labels_of_segments_in_multiples(tmp_path):
    ratings = [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 0.0), (5, 4, 1.0)]
    batch = read(make(tmp_path, [rated("a", 10, *ratings)], label_multiple=4, frame_multiple=8))
    np.testing.assert_array_equal(batch["labels"], [[1, 2, 3, -1], [4, -1, -1, -1]])
    np.testing.assert_array_equal(batch["label_scores"], [[1, 1, 0, 0], [1, 0, 0, 0]])
    assert batch["rgb"].shape == (2, 8, 4) and np.all(batch["rgb"][:, 5:] == 0)
    np.testing.assert_array_equal(batch["num_frames"], [5, 5])


def test_shuffled_skips_segments_not_videos(tmp_path):
    records = [
        rated(f"v{n}", 20, *((5 * s, n % 10, 1.0) for s in range(1 + n % 3))) for n in range(12)
    ]
    reader = make(tmp_path, records, batch_size=5)
    whole = ids(reader.shuffled(seed=1))
    assert sorted(whole) == sorted(ids(reader.sequential())) and len(whole) == 24
    assert ids(reader.shuffled(seed=1, skip_batches=2)) == whole[10:]


@pytest.mark.parametrize("lengths", [(1, 2, 2), (2, 1, 2), (2, 2, 1), (1, 1, 0)])
@pytest.mark.parametrize("only", [None, (1,)])
def test_ratings_that_do_not_agree_are_no_segments(lengths, only, tmp_path):
    """Cut to the shortest list, they would be other ratings."""
    classes, starts, scores = lengths
    context = {"segment_labels": [1] * classes, "segment_start_times": [0] * starts}
    if scores:  # Without a value a list has no type.
        context["segment_scores"] = [1.0] * scores
    records = [rated("good", 20, (0, 1, 1.0)), frames("odd", 20, **context)]
    reader = make(tmp_path, records, segment_classes=only)
    said = f"id odd. has {classes} segment_labels, {starts} segment_start_times and {scores} "
    with pytest.raises(UserError, match=said), clear_errors(reader):
        read(reader)
