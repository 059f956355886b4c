"""Batches of clips: their order, their views, and what a job makes of a video that fails."""

import dataclasses

import numpy as np
import pytest
from video_files import numbered, write

from yt8m.base.errors import UserError
from yt8m.data.diagnose import clear_errors
from yt8m.data.video.clip_reader import ClipReader
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.clips import About, FileFrames, Item
from yt8m.data.video.frames.decoding import VideoError

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


class Broken:
    """A video that was there when it was looked at."""

    def read(self, indices, size):
        """Fails."""
        raise VideoError("the file is gone")


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


def test_a_video_that_can_no_longer_be_read_ends_the_job_with_its_reason():
    given = reader(frames=Broken())
    with pytest.raises(UserError, match="v0.*the file is gone"), clear_errors(given):
        batches(given.sequential())


@pytest.mark.parametrize("name", ["batch_size", "num_clips", "num_crops"])
def test_counts_must_be_positive(name):
    with pytest.raises(UserError, match=f"Received: {name}=0"):
        reader(**{name: 0})


def test_workers_change_nothing(tmp_path):
    paths = [write(tmp_path / f"{i}.mp4", numbered(12, 20 * i)) for i in range(3)]
    given = reader(count=3, clips=dataclasses.replace(CLIPS, resize=16))
    items = [
        dataclasses.replace(item, frames=FileFrames(path), about=About(12, 48, 64))
        for item, path in zip(given.items, paths, strict=True)
    ]
    given = dataclasses.replace(given, items=items)
    elsewhere = dataclasses.replace(given, num_workers=1)
    for here, there in zip(batches(given.shuffled(0)), batches(elsewhere.shuffled(0)), strict=True):
        np.testing.assert_array_equal(here["pixels"], there["pixels"])
