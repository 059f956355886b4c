"""One video to features: which frames are taken, and which sound belongs to them."""

import dataclasses
from unittest.mock import Mock

import numpy as np
import pytest
import video_files
from small_extractor import SETTINGS, brightness, gray, loudness, make_extractor

from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.spans import Span
from yt8m.extraction.extractor import embed_some_frames
from yt8m.extraction.networks import Networks


def test_a_frame_is_taken_each_time_and_made_bytes(videos):
    features = make_extractor().features(str(videos / "plain.mp4"))
    assert list(features.frames) == ["rgb"]
    rows = features.frames["rgb"]
    # Frames 0, 5, 10, 15 and 20 of 25 in a second, whose brightness is 10 a frame.
    expected = np.rint((np.array([0, 50, 100, 150, 200]) / 255 + 2) * 63.75)
    np.testing.assert_allclose(rows[:, 0].astype(int), expected, atol=1)
    assert (rows[:, 1] == 255).all() and (rows[:, 2] == 64).all() and rows.dtype == np.uint8
    assert features.clipped == {"rgb": 5}
    assert features.largest["rgb"] == pytest.approx(9 + 200 / 255, abs=0.02)


def test_max_frames_and_batches_do_not_change_the_frames(videos):
    path = str(videos / "plain.mp4")
    every = make_extractor().features(path).frames["rgb"]
    np.testing.assert_array_equal(make_extractor(batch_size=1).features(path).frames["rgb"], every)
    few = make_extractor(max_frames=3).features(path).frames["rgb"]
    np.testing.assert_array_equal(few, every[:3])


def test_sound_begins_with_its_frame_and_both_have_one_length(videos):
    features = make_extractor(loudness).features(str(videos / "sound.mkv"))
    # Two seconds of picture and three of sound: 10 frames, and at 1.8 s there is enough sound.
    assert {name: rows.shape for name, rows in features.frames.items()} == {
        "rgb": (10, 3),
        "audio": (10, 2),
    }
    # VGGish cuts where rgb is rounded: (0.0077 + 2) * 63.75 = 127.99.
    assert set(features.frames["audio"][:, 1].tolist()) == {127}
    limited = make_extractor(loudness, max_frames=4).features(str(videos / "sound.mkv"))
    assert {len(rows) for rows in limited.frames.values()} == {4}


def test_every_frame_has_a_sound_and_silence_stands_where_there_is_none(tmp_path):
    """Eight seconds of pictures: the sound begins at 4 s, and ends at 6."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 2 * 44100)).astype(np.float32)
    path = video_files.write(tmp_path / "late.mkv", gray([9] * 200), sounds=[{4.0: sound}])
    rows = make_extractor(loudness, frames_per_second=1.0).features(path).frames
    assert {name: len(values) for name, values in rows.items()} == {"rgb": 8, "audio": 8}
    # An example is all silence or all noise: log(0.01) / 9 is -0.51, in bytes 94.
    silent = rows["audio"][:, 0] == 94
    assert silent.tolist() == [True] * 4 + [False] * 2 + [True] * 2


@pytest.mark.parametrize("rate", [1.0, 5.0, 6.0, 29.97])
def test_a_video_has_the_same_frames_with_its_sound_and_without(videos, rate):
    path = str(videos / "short.mkv")
    alone = make_extractor(frames_per_second=rate, max_frames=99).features(path).frames
    both = make_extractor(loudness, frames_per_second=rate, max_frames=99).features(path).frames
    np.testing.assert_array_equal(both["rgb"], alone["rgb"])
    assert len(both["audio"]) == len(alone["rgb"]) == np.ceil(rate)


@pytest.mark.parametrize(
    ("name", "audio", "frames", "reason"),
    [
        ("plain.mp4", loudness, brightness, "has no sound"),
        ("dumb.mkv", loudness, brightness, "has sound of a codec that this FFmpeg cannot decode"),
        ("blind.mkv", None, brightness, "is of a codec that this FFmpeg cannot decode"),
        ("damaged.mp4", None, brightness, "cannot be opened"),
        ("plain.mp4", None, lambda images: brightness(images) * np.inf, "not finite"),
    ],
)
def test_why_a_video_cannot_be_used(videos, name, audio, frames, reason):
    with pytest.raises(VideoError, match=reason), np.errstate(invalid="ignore"):
        make_extractor(audio, frames).features(str(videos / name))


@pytest.mark.parametrize("name", ["plain.mp4", "dumb.mkv"])
def test_a_sound_that_is_not_there_is_missed_before_the_frames_are_looked_at(videos, name):
    frames = Mock()
    with pytest.raises(VideoError, match="^has (no )?sound"):
        make_extractor(loudness, frames).features(str(videos / name))
    frames.assert_not_called()


@pytest.mark.parametrize(("count", "expected"), [(2, 2), (3, 4), (20, 25)])
def test_some_frames_are_spread_over_all(videos, count, expected):
    settings = dataclasses.replace(SETTINGS, frames_per_second=25.0, max_frames=100)
    networks = Networks(brightness, 3, {})
    values = embed_some_frames(str(videos / "plain.mp4"), settings, networks, count)[:, 0]
    steps = np.diff(values) * 255 / 10
    assert len(values) == expected
    np.testing.assert_allclose(steps, np.rint(steps[0]), atol=0.5)
    assert values[0] == pytest.approx(0, abs=0.02) and values[-1] > 0.6


def test_a_part_of_a_video_has_its_own_frames_and_sound(tmp_path):
    """Four seconds that get brighter, with noise in the third one alone."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 44100)).astype(np.float32)
    path = str(tmp_path / "a.mkv")
    video_files.write(path, gray(list(range(0, 200, 2))), sounds=[{0.0: noise * 0, 2.0: noise}])
    extractor = make_extractor(loudness, frames_per_second=2.0, max_frames=99)
    whole = extractor.features(path).frames
    part = extractor.features(path, Span(1.0, 3.5)).frames
    assert {name: len(rows) for name, rows in part.items()} == {"rgb": 5, "audio": 5}
    for name, rows in part.items():
        np.testing.assert_array_equal(rows, whole[name][2:7])
    assert len(set(part["audio"][:, 0].tolist())) > 1
    networks = Networks(brightness, 3, {})
    settings = dataclasses.replace(SETTINGS, frames_per_second=2.0)
    measured = embed_some_frames(path, settings, networks, 9, Span(1.0, 3.5))
    np.testing.assert_allclose(measured[:, 0] * 255, [50, 75, 100, 125, 150], atol=3)
    with pytest.raises(VideoError, match="has ended before second 4: it lasts 4.00 seconds"):
        extractor.features(path, Span(4.0))
    with pytest.raises(VideoError, match="no sound while its pictures are shown"):
        extractor.features(str(video_files.write(
            tmp_path / "b.mkv", gray([9] * 100), sounds=[noise]
        )), Span(2.0))  # fmt: skip
