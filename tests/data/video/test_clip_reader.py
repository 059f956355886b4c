"""Batches of clips: their order, their views, and what a job makes of a video that fails."""

import dataclasses
from unittest.mock import Mock

import numpy as np
import pytest
from video_files import numbered, numbers_of, write

from yt8m.base.errors import UserError
from yt8m.data.diagnose import clear_errors
from yt8m.data.video.clip_reader import ClipReader
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.clips import About, FileFrames, Item
from yt8m.data.video.frames.decoding import VideoError
from yt8m.data.video.sources import listing
from yt8m.data.video.video_log import VideoLog
from yt8m.evaluation.clips import scored

CLIPS = Clips(frames=4, resize=12, crop=8)


@dataclasses.dataclass(frozen=True)
class Numbered:
    """A video of 30 frames: every pixel holds its video, the number of its frame, its column."""

    video: int

    def read(self, indices, size):
        """Draws the frames."""
        frames = np.zeros((len(indices), *size, 3), np.uint8)
        frames[..., 0] = self.video
        frames[..., 1] = np.asarray(indices)[:, None, None]
        frames[..., 2] = np.arange(size[1])
        return frames

    def flow_source(self, indices, flow, size, cache_dir):
        """What moves in them."""
        return Drift(size)


@dataclasses.dataclass(frozen=True)
class Drift:
    """Everything moves to the right by as many pixels as the frame's number."""

    size: tuple
    num_frames: int = 30

    def forward(self, pair):
        """The field after a frame."""
        return np.broadcast_to(np.float32([pair / 2, 0]), (*self.size, 2))


@dataclasses.dataclass(frozen=True)
class Broken(Numbered):
    """A video that was whole when it was looked at, of which frames are damaged."""

    damaged: range

    def read(self, indices, size):
        """Draws the frames, if no damaged one is among them."""
        for index in set(indices.tolist()) & set(self.damaged):
            raise VideoError(f"frame {index} is damaged")
        return super().read(indices, size)


def reader(count=5, frames=None, inputs=("pixels",), flow=None, clips=CLIPS, **settings):
    schema = ClipSchema(inputs, clips, flow, tuple("abcdef"))
    items = [
        Item(f"v{i}", (i % 6,), frames or Numbered(i), About(30, 12, 16)) for i in range(count)
    ]
    return ClipReader(items, schema, **({"batch_size": 2} | settings))


def batches(dataset):
    return list(dataset.as_numpy_iterator())


def rows(found, name):
    return np.concatenate([batch[name] for batch in found])


def test_sequential_gives_every_view_in_order():
    found = batches(reader(count=3, num_clips=2, num_crops=3, batch_size=4).sequential())
    assert [len(batch["ids"]) for batch in found] == [4, 4, 4, 4, 2]
    assert rows(found, "ids").tolist() == [b"v0"] * 6 + [b"v1"] * 6 + [b"v2"] * 6
    pixels = rows(found, "pixels")
    assert pixels.shape == (18, 4, 8, 8, 3)
    assert pixels.dtype == np.uint8
    assert pixels[:, 0, 0, 0, 1].tolist() == [0, 0, 0, 26, 26, 26] * 3
    assert pixels[:, 0, 0, 0, 2].tolist() == [0, 4, 8] * 6
    assert rows(found, "labels").tolist() == [[0]] * 6 + [[1]] * 6 + [[2]] * 6
    assert (rows(found, "num_frames") == 4).all()


def test_views_that_would_be_too_large_together_are_made_in_parts(monkeypatch):
    whole = batches(reader(num_clips=5, num_crops=3).sequential())
    monkeypatch.setattr("yt8m.data.video.clip_reader._TASKS_BYTES", 2 * 3 * 4 * 8 * 8 * 3)
    parts = reader(num_clips=5, num_crops=3)
    assert parts._parts() == [range(0, 2), range(2, 4), range(4, 5)]
    for one, other in zip(whole, batches(parts.sequential()), strict=True):
        np.testing.assert_array_equal(one["pixels"], other["pixels"])


def test_an_epoch_has_a_clip_of_every_video_and_the_next_one_others():
    epochs = [batches(reader(count=6).shuffled(3, epoch)) for epoch in (0, 1, 0)]
    for found in epochs:
        assert sorted(rows(found, "ids")) == [b"v%d" % i for i in range(6)]
    first, second, again = (rows(found, "pixels") for found in epochs)
    np.testing.assert_array_equal(first, again)
    assert (rows(epochs[0], "ids") != rows(epochs[1], "ids")).any()
    assert {tuple(clip[0, 0, 0]) for clip in first} != {tuple(clip[0, 0, 0]) for clip in second}


def test_two_epochs_at_once_are_those_of_two():
    together = batches(reader(count=4).shuffled(3, 5, num_epochs=2))
    apart = [batch for epoch in (5, 6) for batch in batches(reader(count=4).shuffled(3, epoch))]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one["pixels"], other["pixels"])


def test_training_goes_on_in_the_middle_of_an_epoch():
    all_of_it = batches(reader(count=7).shuffled(1, 2))
    rest = batches(reader(count=7).shuffled(1, 2, 1, 2))
    assert len(rest) == 2
    for one, other in zip(all_of_it[2:], rest, strict=True):
        np.testing.assert_array_equal(one["pixels"], other["pixels"])
        np.testing.assert_array_equal(one["ids"], other["ids"])


def test_the_last_batch_may_be_left_out():
    assert len(batches(reader(drop_remainder=True).shuffled(0))) == 2
    assert len(batches(reader().shuffled(0))) == 3


def test_padding_of_short_clips_is_zero():
    clips = dataclasses.replace(CLIPS, frames=40, short="mask")
    batch = batches(reader(count=1, clips=clips).sequential())[0]
    assert batch["num_frames"].tolist() == [30]
    assert not batch["pixels"][0, 30:].any()
    assert batch["pixels"][0, 29, 0, 0, 1] == 29


def test_flow_is_of_the_same_frames_and_the_same_part():
    flow = Flow(length=2, bound=20)
    given = reader(count=8, inputs=("pixels", "flow"), flow=flow, batch_size=8)
    batch = batches(given.shuffled(0))[0]
    assert batch["flow"].shape == (8, 4, 8, 8, 4)
    flipped = batch["pixels"][:, 0, 0, 0, 2] > batch["pixels"][:, 0, 0, -1, 2]
    assert 0 < flipped.sum() < 8
    numbers = batch["pixels"][..., 0, 0, 1].astype(float)
    moved = (batch["flow"][..., 0, 0, 0] - 128.0) / 127 * 20
    expected = np.minimum(numbers, 28) / 2 * np.where(flipped, -1, 1)[:, None]
    np.testing.assert_allclose(moved, expected, atol=0.1)


def test_several_labels_are_padded():
    given = reader(count=2)
    items = [dataclasses.replace(given.items[0], labels=()), given.items[1]]
    items.append(dataclasses.replace(given.items[1], labels=(2, 4, 5)))
    found = batches(dataclasses.replace(given, items=items).sequential())
    assert rows(found, "labels").tolist() == [[-1, -1, -1], [1, -1, -1], [2, 4, 5]]


def with_broken(given, *numbers, damaged=range(14, 15)):
    """The reader with some of its videos broken."""
    items = list(given.items)
    for number in numbers:
        items[number] = dataclasses.replace(items[number], frames=Broken(number, damaged))
    return dataclasses.replace(given, items=items)


def test_a_video_that_turns_out_to_be_damaged_is_left_out(caplog):
    given = with_broken(reader(), 1, 4)
    for _ in range(2):
        assert rows(batches(given.sequential()), "ids").tolist() == [b"v0", b"v2", b"v3"]
    assert [record.getMessage() for record in caplog.records] == [
        f"v{number} is left out: frame 14 is damaged." for number in (1, 4)
    ]
    caplog.clear()
    given.log.finish()
    (record,) = caplog.records
    assert record.getMessage() == (
        "Read 6 clips; 2 video(s) that cannot be used were left out: v1, v4."
    )
    assert [item.id for item in given.without_left_out().items] == ["v0", "v2", "v3"]


def test_a_video_that_is_gone_is_left_out_by_workers_too(tmp_path):
    given = of_files(tmp_path, 4, num_workers=1)
    (tmp_path / "1.mp4").unlink()
    assert rows(batches(given.sequential()), "ids").tolist() == [b"v0", b"v2", b"v3"]
    assert given.log.lost == {"v1": 1}


def test_batches_of_a_training_are_filled_up_behind_a_damaged_video():
    given = with_broken(reader(count=9, drop_remainder=True), 2, 5, damaged=range(30))
    whole = rows(batches(reader(count=9).shuffled(3)), "ids").tolist()
    found = batches(given.shuffled(3))
    assert [len(batch["ids"]) for batch in found] == [2, 2, 2]
    assert rows(found, "ids").tolist() == [v for v in whole if v not in (b"v2", b"v5")][:6]


def test_a_damaged_video_ends_the_job_with_its_reason_where_it_is_to():
    given = with_broken(reader(log=VideoLog("fail")), 2)
    says = r"^v2 cannot be used: frame 14 is damaged \(--on_corrupt_shard=fail\)\.$"
    with pytest.raises(UserError, match=says), clear_errors(given):
        batches(given.sequential())


def test_nothing_is_left_where_every_video_is_damaged():
    given = with_broken(reader(), *range(5))
    assert batches(given.sequential()) == []
    with pytest.raises(UserError, match=r"Nothing could be read: 5 video\(s\)"):
        given.log.finish()


@pytest.mark.parametrize("frame", [3, 29])
@pytest.mark.parametrize("broken", [(1,), (2,), (0, 2), (0, 1, 2)])
def test_a_video_is_left_out_as_a_whole(monkeypatch, broken, frame):
    """Its clips are made in three parts, of which the first or the last is damaged."""
    monkeypatch.setattr("yt8m.data.video.clip_reader._TASKS_BYTES", 2 * 3 * 4 * 8 * 8 * 3)
    model = Mock(side_effect=lambda batch: batch["pixels"][:, 0, 0, 0] / 9)
    monkeypatch.setattr("yt8m.evaluation.predicting.predictor", lambda model: model)
    given = with_broken(
        reader(count=3, num_clips=5, num_crops=3), *broken, damaged=range(frame, frame + 1)
    )
    found = []
    try:
        for ids, _, scores in scored(model, given, "Testing"):
            assert scores.shape[:3] == (len(ids), 5, 3)
            assert (scores[..., 0] * 9).mean(axis=(1, 2)).tolist() == [int(i[1:]) for i in ids]
            found += ids
    except UserError as error:
        assert "could be read" in str(error) and len(broken) == 3
    assert found == [f"v{number}" for number in range(3) if number not in broken]


def test_videos_of_two_tasks_with_one_id_are_told_apart():
    given = reader(count=2)
    schema = dataclasses.replace(given.schema, tasks=("x", "y"), classes=("x/a", "y/b"))
    items = [dataclasses.replace(item, id="v", task=n) for n, item in enumerate(given.items)]
    given = with_broken(dataclasses.replace(given, schema=schema, items=items), 1)
    assert rows(batches(given.sequential()), "task").tolist() == [0]
    assert given.log.lost == {"y=v": 1}
    assert given.without_left_out().items == given.items[:1]


@pytest.mark.parametrize("name", ["batch_size", "num_clips", "num_crops"])
def test_counts_must_be_positive(name):
    with pytest.raises(UserError, match=f"Received: {name}=0"):
        reader(**{name: 0})


def of_files(folder, count, **settings):
    """A reader of files."""
    given = reader(count=count, clips=dataclasses.replace(CLIPS, resize=16), **settings)
    items = [
        dataclasses.replace(item, frames=FileFrames(path), about=About(12, 48, 64))
        for number, item in enumerate(given.items)
        for path in [write(folder / f"{number}.mp4", numbered(12, 20 * number))]
    ]
    return dataclasses.replace(given, items=items)


def test_clips_at_a_rate(tmp_path):
    """Every fifth frame of a file of 25 a second, also where a clip of those is not long enough."""
    path = write(tmp_path / "a.mp4", numbered(18))
    clips = dataclasses.replace(CLIPS, resize=(48, 64), crop=(48, 64), frames_per_second=5.0)
    schema = ClipSchema(("pixels",), clips, None, ("a",))
    listed = listing.Listing([listing.Listed("a", path, ("a",))], ("a",), ())
    (item,) = listing.items(listed, schema, "", 0, VideoLog())
    assert item.about.num_frames == 4
    (batch,) = batches(ClipReader([item], schema, 1).sequential())
    assert numbers_of(batch["pixels"][0]) == [0, 5, 10, 15]
    of_shards = listing.Listed("b", "b", (), frames=Numbered(0), about=About(30, 8, 8))
    with pytest.raises(UserError, match="does not say when its frames are shown"):
        listing.items(listing.Listing([of_shards], ("a",), ()), schema, "", 0, VideoLog())


def test_workers_change_nothing(tmp_path):
    given = of_files(tmp_path, 3)
    elsewhere = dataclasses.replace(given, num_workers=1)
    for here, there in zip(batches(given.shuffled(0)), batches(elsewhere.shuffled(0)), strict=True):
        np.testing.assert_array_equal(here["pixels"], there["pixels"])
