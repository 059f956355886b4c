"""Which frames make a clip."""

import numpy as np
import pytest

from yt8m.data.video.clip_specs import Clips
from yt8m.data.video.sampling import evaluation_frames, training_frames


def drawn(clips, num_frames, anchors=(0,), draws=200):
    random = np.random.default_rng(0)
    return [training_frames(clips, num_frames, anchors, random) for _ in range(draws)]


def test_dense_clips_follow_the_stride_and_begin_everywhere():
    clips = Clips(frames=4, stride=3)
    starts = set()
    for frames, valid in drawn(clips, 20):
        assert valid == 4
        assert (np.diff(frames) == 3).all()
        starts.add(frames[0])
    assert starts == set(range(11))  # The last begins at 10 and ends at 19.


@pytest.mark.parametrize(
    ("num_clips", "starts"), [(1, [6]), (2, [0, 12]), (3, [0, 6, 12]), (4, [0, 4, 8, 12])]
)
def test_dense_evaluation_spreads_the_starts(num_clips, starts):
    clips = Clips(frames=8)
    found = [evaluation_frames(clips, 20, (0,), n, num_clips)[0] for n in range(num_clips)]
    assert [frames[0] for frames in found] == starts
    assert all((np.diff(frames) == 1).all() for frames in found)


@pytest.mark.parametrize(
    ("short", "frames", "valid"),
    [
        ("loop", [0, 2, 4, 0, 2, 4, 0], 7),
        ("repeat", [0, 2, 4, 4, 4, 4, 4], 7),
        ("mask", [0, 2, 4, 4, 4, 4, 4], 3),
    ],
)
def test_short_videos(short, frames, valid):
    clips = Clips(frames=7, stride=2, short=short)
    for found in (*drawn(clips, 5, draws=3), evaluation_frames(clips, 5, (0,), 0, 1)):
        assert found[0].tolist() == frames
        assert found[1] == valid


def test_uniform_takes_one_frame_of_each_part():
    clips = Clips(frames=4, sampling="uniform")
    seen = [set() for _ in range(4)]
    for frames, valid in drawn(clips, 12):
        assert valid == 4
        for part, frame in zip(seen, frames, strict=True):
            part.add(int(frame))
    assert seen == [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}]
    assert evaluation_frames(clips, 12, (0,), 0, 1)[0].tolist() == [1, 4, 7, 10]
    three = [evaluation_frames(clips, 12, (0,), n, 3)[0][0] for n in range(3)]
    assert three == [0, 1, 2]


@pytest.mark.parametrize(
    ("short", "frames", "valid"),
    [("loop", [0, 1, 0, 1], 4), ("repeat", [0, 1, 1, 1], 4), ("mask", [0, 1, 1, 1], 2)],
)
def test_uniform_of_fewer_frames_than_the_clip_has(short, frames, valid):
    clips = Clips(frames=4, sampling="uniform", short=short)
    found = evaluation_frames(clips, 2, (0,), 0, 1)
    assert (found[0].tolist(), found[1]) == (frames, valid)


def test_keyframes_are_i_frames_only():
    clips = Clips(frames=3, sampling="keyframes")
    anchors = (0, 12, 24, 30, 41, 50)
    seen = set()
    for frames, _ in drawn(clips, 60, anchors):
        assert set(frames.tolist()) <= set(anchors)
        assert (np.diff(frames) > 0).all()
        seen |= set(frames.tolist())
    assert seen == set(anchors)


def test_shots_give_a_frame_each():
    clips = Clips(frames=3, sampling="shots")
    anchors = (0, 10, 40)
    seen = [set() for _ in anchors]
    for frames, _ in drawn(clips, 50, anchors, draws=500):
        for shot, frame in zip(seen, frames, strict=True):
            shot.add(int(frame))
    assert seen == [set(range(10)), set(range(10, 40)), set(range(40, 50))]
    assert evaluation_frames(clips, 50, anchors, 0, 1)[0].tolist() == [5, 25, 45]


def test_more_shots_than_frames_are_spread():
    clips = Clips(frames=2, sampling="shots")
    found = evaluation_frames(clips, 40, (0, 10, 20, 30), 0, 1)[0]
    assert found.tolist() == [15, 35]


def test_the_seed_fixes_the_draw():
    clips = Clips(frames=4)
    one, other = (
        [training_frames(clips, 90, (0,), np.random.default_rng(s))[0][0] for s in (1, 2, 3, 4)]
        for _ in range(2)
    )
    assert one == other
    assert len(set(one)) > 1
