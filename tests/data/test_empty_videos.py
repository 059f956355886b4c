"""Videos without frames: kept, counted, warned of, and never a batch without a time axis."""

import numpy as np
import pytest
from shard_files import FRAME_SCHEMA, NUM_CLASSES, frames, write

from yt8m.data import detect
from yt8m.data.reader import Reader


@pytest.fixture
def path(tmp_path):
    records = [frames("none", 0), frames("two", 2), frames("nothing", 0)]
    return write(tmp_path / "a.tfrecord", records)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_they_are_read_and_counted(path, caplog, batch_size, order):
    reader = Reader([str(path)], FRAME_SCHEMA, NUM_CLASSES, batch_size)
    dataset = reader.sequential() if order == "sequential" else reader.shuffled(seed=1)
    lengths = {}
    for batch in dataset.as_numpy_iterator():
        assert batch["rgb"].shape[1] == batch["audio"].shape[1] == max(1, batch["num_frames"].max())
        lengths |= dict(zip(batch["ids"], batch["num_frames"], strict=True))
    assert lengths == {b"none": 0, b"two": 2, b"nothing": 0}
    assert reader.log.num_empty == 2
    assert "2 video(s) without a frame" in reader.log.summary()
    warnings = [r.getMessage() for r in caplog.records if "has no frames" in r.getMessage()]
    assert len(warnings) == 1, "one warning, not one a video"
    assert "'none'" in warnings[0] or "'nothing'" in warnings[0]


def test_other_frames_stay_as_they_are(path):
    reader = Reader([str(path)], FRAME_SCHEMA, NUM_CLASSES, 3)
    batch = next(reader.sequential().as_numpy_iterator())
    assert batch["rgb"][1].any() and not batch["rgb"][0].any()
    np.testing.assert_array_equal(batch["num_frames"], [0, 2, 0])


def test_an_empty_first_video_does_not_hide_what_the_records_hold(path):
    assert detect.detect([str(path)]) == FRAME_SCHEMA
