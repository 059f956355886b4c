"""Every frame must be the one that was asked for: each shows its number."""

import itertools
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import video_files
from paths import ROOT
from video_files import HEIGHT, RATE, WIDTH, numbers_of

from yt8m.data.video.frames import decoding
from yt8m.data.video.frames.decoding import VideoError

NUM = 30
CODECS = {
    "h264.mp4": "libx264",
    "h264.mkv": "libx264",
    "h264.ts": "libx264",
    "mpeg2.ts": "mpeg2video",
    "mpeg2.mpg": "mpeg2video",
    "mpeg4.avi": "mpeg4",
    "h264.avi": "libx264",
    "mjpeg.avi": "mjpeg",
    "vp9.webm": "libvpx-vp9",
}
# The eight ways to turn and to mirror a picture.
MATRICES = [
    *((x, 0, 0, y) for x in (1, -1) for y in (1, -1)),
    *((0, x, y, 0) for x in (1, -1) for y in (1, -1)),
]
WITH_B_FRAMES = (
    "h264.mp4",
    "h264.mkv",
    "h264.ts",
    "mpeg2.ts",
    "mpeg2.mpg",
    "mpeg4.avi",
    "h264.avi",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns a function that gives the file of a name in `CODECS`, made once."""
    folder, files = tmp_path_factory.mktemp("videos"), {}

    def make(name: str) -> str:
        if name not in files:
            frames = video_files.numbered(NUM)
            files[name] = video_files.write(folder / name, frames, CODECS[name])
        return files[name]

    return make


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_is_the_one_that_its_index_says(made, name):
    path = made(name)
    found = decoding.probe(path)
    assert (found.num_frames, found.height, found.width) == (NUM, HEIGHT, WIDTH)
    assert found.rate == pytest.approx(RATE, rel=2e-3)
    assert numbers_of(decoding.iterate(path)) == list(range(NUM))
    for index in range(NUM):
        assert numbers_of(decoding.read_frames(path, [index])) == [index]
    mixed = [17, 3, 3, 29, 0, 17]
    images = decoding.read_frames(path, mixed, size=(24, 40))
    assert images.shape == (6, 24, 40, 3) and images.dtype == np.uint8
    assert numbers_of(images) == mixed
    with pytest.raises(VideoError, match=f"ends before frame {NUM}: it holds {NUM}"):
        decoding.read_frames(path, [2, NUM])


@pytest.mark.parametrize("name", WITH_B_FRAMES)
def test_the_files_of_these_tests_hold_frames_out_of_order(made, name):
    with av.open(made(name)) as file:
        kinds = [frame.pict_type for frame in file.decode(video=0)]
    assert kinds.count(av.video.frame.PictureType.B) >= 5


def test_keyframes_are_found(made):
    assert decoding.probe(made("h264.mp4")).keyframes == (0, 10, 20)
    assert decoding.probe(made("mjpeg.avi")).keyframes == tuple(range(NUM))


@pytest.mark.parametrize("name", ["h264.ts", "mpeg2.ts"])
@pytest.mark.parametrize("packet", [4, 19, 28, 37])
def test_streams_that_were_joined_in_their_middle_are_counted_as_they_decode(made, name, packet):
    path = video_files.cut(made(name), f"joined-{packet}-{name}", packet * 188)
    shown = numbers_of(decoding.iterate(path))
    first = NUM - len(shown)
    assert 0 < first < NUM - 5 and shown == list(range(first, NUM))
    assert decoding.probe(path).num_frames == len(shown)
    indices = [len(shown) - 1, 0, 4]
    assert numbers_of(decoding.read_frames(path, indices)) == [shown[i] for i in indices]


def test_what_cannot_be_decoded_before_the_first_keyframe_of_a_stream_is_passed_over(tmp_path):
    frames = video_files.numbered(80)
    path = video_files.write(tmp_path / "a.ts", frames, rate=1, keyframes=40)
    path = video_files.cut(path, "joined.ts", 10 * 188)
    with av.open(path) as file, pytest.raises(av.FFmpegError):
        next(file.decode(video=0))
    assert numbers_of(decoding.iterate(path)) == list(range(40, 80))


def test_streams_whose_clock_begins_late_or_begins_anew(tmp_path):
    late = [100_000 + time for time in range(NUM)]
    a = video_files.write(tmp_path / "a.ts", video_files.numbered(NUM), times=late)
    b = video_files.write(tmp_path / "b.ts", video_files.numbered(NUM, first=NUM))
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(Path(part).read_bytes() for part in (a, b)))
    assert decoding.probe(a).rate == pytest.approx(RATE)
    assert decoding.probe(str(both)).num_frames == 2 * NUM
    assert decoding.probe(str(both)).rate == pytest.approx(RATE)
    assert numbers_of(decoding.iterate(str(both))) == list(range(2 * NUM))
    assert numbers_of(decoding.frames_at(str(both), 0.4)) == [0, 10, 20, 30, 40, 50]


def test_frames_that_change_their_size_get_the_size_of_the_first(tmp_path):
    small = video_files.write(tmp_path / "a.ts", video_files.numbered(12))
    large = video_files.write(tmp_path / "b.ts", video_files.numbered(12, 12, scale=2))
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(Path(part).read_bytes() for part in (large, small)))
    with av.open(str(both)) as file:
        assert len({frame.width for frame in file.decode(video=0)}) == 2
    frames = list(decoding.iterate(str(both)))
    assert {frame.shape for frame in frames} == {(2 * HEIGHT, 2 * WIDTH, 3)}
    assert numbers_of(frames) == [*range(12, 24), *range(12)]
    assert decoding.read_frames(str(both), [0, 23]).shape == (2, 2 * HEIGHT, 2 * WIDTH, 3)


def test_frames_on_screen_at_moments(tmp_path):
    # Frame 3 stays for 16 units, 0.64 seconds.
    times = [0, 1, 2, 4, 20, 21, 22]
    path = video_files.write(tmp_path / "a.mkv", video_files.numbered(7), times=times)
    shown = list(decoding.frames_at(path, 0.2, size=(24, 32)))
    assert numbers_of(shown) == [0, 3, 3, 3, 4]
    assert {frame.shape for frame in shown} == {(24, 32, 3)}
    with pytest.raises(ValueError, match="Received: every=0"):
        next(decoding.frames_at(path, 0))


def test_frames_are_counted_at_a_rate(tmp_path):
    """By the clock of the file: frame 3 stays for 16 units, 0.64 seconds."""
    path = video_files.write(
        tmp_path / "a.mkv", video_files.numbered(7), times=[0, 1, 2, 4, 20, 21, 22]
    )
    probe = decoding.probe(path)
    assert probe.count(0) == 7
    for rate in (2.5, 5.0, 24.0, 25.0, 60.0):
        shown = list(decoding.frames_at(path, 1 / rate))
        assert probe.count(rate) == len(shown)
        last = len(shown) - 1
        some = decoding.read_frames(path, [last, 1, 1], frames_per_second=rate)
        assert numbers_of(some) == numbers_of([shown[last], shown[1], shown[1]])
    with pytest.raises(decoding.VideoError, match="ends before frame 5 at 5 a second"):
        decoding.read_frames(path, [5], frames_per_second=5.0)


@pytest.mark.parametrize("matrix", MATRICES)
def test_frames_are_turned_as_the_file_says(tmp_path, matrix):
    colors = np.array([[[220, 30, 60], [30, 200, 90]], [[40, 80, 230], [240, 240, 240]]], np.uint8)
    image = np.kron(colors, np.ones((24, 32, 1), np.uint8))
    path = video_files.turn(video_files.write(tmp_path / "a.mp4", [image] * 3), matrix)
    a, b, c, d = matrix
    height, width = (48, 64) if a else (64, 48)
    # Each quarter goes where the matrix takes its middle, seen from the middle of the frame.
    expected = np.zeros((height, width, 3))
    for y, x in itertools.product((0, 1), repeat=2):
        right, down = a * (2 * x - 1) + c * (2 * y - 1), b * (2 * x - 1) + d * (2 * y - 1)
        top, left = (down + 1) // 2 * height // 2, (right + 1) // 2 * width // 2
        expected[top : top + height // 2, left : left + width // 2] = colors[y, x]
    found = decoding.probe(path)
    assert (found.height, found.width) == (height, width)
    (same,) = decoding.read_frames(path, [1])
    (half,) = decoding.read_frames(path, [1], size=(height // 2, width // 2))
    for shown, wanted in ((same, expected), (half, expected[::2, ::2])):
        assert shown.shape == wanted.shape and shown.flags.c_contiguous
        away = np.abs(shown - wanted)[2:-2, 2:-2]
        assert np.median(away) <= 3 and (away > 12).mean() < 0.2  # Edges blur.


def test_smaller_frames_are_averages_and_always_the_same(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 1), np.uint8)
    path = video_files.write(tmp_path / "a.avi", [np.repeat(noise, 3, axis=2)] * 2, "mjpeg")
    whole = decoding.read_frames(path, [0])[0].astype(float)
    small = decoding.read_frames(path, [0, 0], size=(HEIGHT // 4, WIDTH // 4))
    means = whole.reshape(HEIGHT // 4, 4, WIDTH // 4, 4, 3).mean(axis=(1, 3))
    # Values that were only picked would be as far apart as the noise, 70 and more.
    assert np.abs(small[0] - means)[1:-1, 1:-1].mean() < 15
    np.testing.assert_array_equal(small[0], small[1])
    again = next(decoding.iterate(path, size=(HEIGHT // 4, WIDTH // 4)))
    np.testing.assert_array_equal(small[0], again)


def test_wrong_indices_are_refused(made):
    with pytest.raises(ValueError, match=r"Received: indices=\[\]"):
        decoding.read_frames(made("h264.mp4"), [])
    with pytest.raises(ValueError, match=r"Received: indices=\[3, -1\]"):
        decoding.read_frames(made("h264.mp4"), np.array([3, -1]))


def test_names_with_a_colon_a_percent_sign_or_no_utf8(made, tmp_path):
    data = Path(made("h264.mp4")).read_bytes()
    for name in ("http:a.mp4", "%03d 100%.mp4", "f\udcfcr.mp4"):
        path = tmp_path / name
        path.write_bytes(data)
        assert decoding.probe(str(path)).num_frames == NUM


def test_workers_need_no_tensorflow_and_no_keras():
    modules = (
        "frames.decoding",
        "frames.shots",
        "sources.file_index",
        "sources.manifest",
        "sources.ucf101",
    )
    names = ", ".join(f"yt8m.data.video.{name}" for name in modules)
    code = f"import sys, {names}; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    root = str(ROOT)
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert result.stdout.split() == ["False", "False"]
