"""Which frame is on screen at a moment, and for how long the last one is."""

import fractions
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import video_files
from video_files import numbered, numbers_of

from yt8m.data.video.frames import clocks, decoding

# Containers that say how long the last picture is shown, each in its own way.
SLIDES = {
    "a.mp4": "libx264",
    "a.mov": "libx264",
    "a.mkv": "libx264",
    "a.webm": "libvpx-vp9",
    "a.avi": "mpeg4",
    "a.flv": "flv",
    "a.asf": "msmpeg4",
    "a.nut": "mpeg4",
}


def moments(path: str, every: float = 1.0) -> list[int]:
    return numbers_of(decoding.frames_at(path, every))


@pytest.mark.parametrize("name", SLIDES)
def test_a_picture_is_held_to_its_end(tmp_path, name):
    slides, still = (fractions.Fraction(1, seconds) for seconds in (5, 15))
    path = video_files.write(tmp_path / name, numbered(3, 1), SLIDES[name], rate=slides)
    assert moments(path) == [1] * 5 + [2] * 5 + [3] * 5
    path = video_files.write(tmp_path / f"still-{name}", numbered(1, 9), SLIDES[name], rate=still)
    assert moments(path) == [9] * 15


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_last_picture_may_be_longer_than_the_others(tmp_path, name):
    """Shown at 0, 2 and 5 s, and the last one until 15 s; frames are stored in another order."""
    path = video_files.write(
        tmp_path / name, numbered(3), rate=1, times=[0, 2, 5], durations=[2, 3, 10]
    )
    assert moments(path) == [0] * 2 + [1] * 3 + [2] * 10


def test_a_picture_that_is_decoded_early_is_not_held(tmp_path):
    """MP4 gives each frame the time until the next is decoded: to the last one, 12 s."""
    path = video_files.write(
        tmp_path / "a.mp4", numbered(4), rate=1, times=[0, 12, 13, 14], durations=[12, 1, 1, 1]
    )
    with av.open(path) as file:
        last = list(file.decode(video=0))[-1]
    assert last.duration * last.time_base == 12
    assert moments(path) == [0] * 12 + [1, 2, 3]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv", "a.mov"])
@pytest.mark.parametrize(("rate", "num_frames", "expected"), [
    (25, 250, 10),
    (25, 251, 11),  # The last frame begins at 10.00 s.
    (30, 300, 10),
    (50, 100, 2),
    (60, 120, 2),
    (15, 45, 3),
    # They last 10.01 s, and at 10.00 s the last one is on screen.
    (fractions.Fraction(30000, 1001), 300, 11),
    (fractions.Fraction(30000, 1001), 299, 10),
])  # fmt: skip
def test_a_second_has_one_frame_at_one_a_second(tmp_path, name, rate, num_frames, expected):
    codec = "flv" if name == "a.flv" else "libx264"
    frames = [frame for number in range(num_frames) for frame in numbered(1, number % 256)]
    path = video_files.write(tmp_path / name, frames, codec, rate=rate)
    assert len(moments(path)) == expected


def test_moments_are_counted_from_the_first_picture(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        times = list(range(100, 150))
        path = video_files.write(tmp_path / name, numbered(50), times=times)
        assert moments(path) == [0, 25]


def test_a_number_of_frames_that_is_wrong_holds_no_picture(tmp_path):
    path = Path(video_files.write(tmp_path / "a.avi", numbered(50), "mjpeg"))
    data = path.read_bytes()
    place = data.index(b"strh") + 8 + 32  # Behind twelve bytes and five numbers of a stream.
    assert int.from_bytes(data[place : place + 4], "little") == 50
    path.write_bytes(data[:place] + (500).to_bytes(4, "little") + data[place + 4 :])
    with av.open(str(path)) as file:
        assert file.streams.video[0].duration == 500
    assert len(moments(str(path))) == 2


def test_a_duration_of_one_tick_is_made_up():
    """FFmpeg gives it where a file has none. The frame is shown as long as the one before."""
    container = SimpleNamespace(format=SimpleNamespace(name="matroska,webm", flags=0))
    stream = SimpleNamespace(start_time=None, duration=None)
    clock = clocks.Clock(container, stream, 0.04)
    for pts in (0, 5000, 10000):
        base = fractions.Fraction(1, 1000)
        clock.advance(SimpleNamespace(pts=pts, time_base=base, duration=1))
    assert clock.end() == pytest.approx(15)


def test_a_sound_that_goes_on_holds_no_picture(tmp_path):
    sound = np.zeros((1, 5 * 44100), np.float32)
    for name in ("a.mkv", "a.mov", "a.nut"):
        path = video_files.write(tmp_path / name, numbered(50), sounds=[sound])
        assert len(moments(path)) == 2
