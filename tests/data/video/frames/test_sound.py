"""The sound of a video, against tones whose pitch, loudness and place are known."""

import fractions
from pathlib import Path

import av
import numpy as np
import pytest
import video_files
from video_files import RATE, SOUND_RATE, numbered

from yt8m.data.video.frames import containers
from yt8m.data.video.frames import sound as sound_lib
from yt8m.data.video.frames.containers import VideoError


def tone(seconds: float = 0.5, hertz: float = 440, loudness: float = 0.5) -> np.ndarray:
    times = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    return (loudness * np.sin(2 * np.pi * hertz * times)).astype(np.float32)[None]


def write(folder, *sounds, name: str = "a.mkv", seconds: float = 1, **settings) -> str:
    frames = numbered(round(seconds * RATE))
    return video_files.write(folder / name, frames, sounds=sounds, **settings)


def heard(samples: np.ndarray, rate: int = 16000) -> list[tuple[float, float]]:
    """From when to when there is sound, to a hundredth of a second."""
    hundredths = samples[: len(samples) // (rate // 100) * (rate // 100)].reshape(-1, rate // 100)
    loud = np.abs(hundredths).max(axis=1) > 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud, [0]]).astype(int)))
    return [(start / 100, end / 100) for start, end in edges.reshape(-1, 2).tolist()]


def expect_heard(samples: np.ndarray, *expected: tuple[float, float], within=0.011) -> None:
    found = heard(samples)
    assert len(found) == len(expected), found
    np.testing.assert_allclose(found, expected, atol=within)


@pytest.mark.parametrize("rate", [16000, 8000])
def test_sound_keeps_its_length_pitch_and_loudness(tmp_path, rate):
    sound = sound_lib.read(write(tmp_path, tone()), 0.5, rate)
    assert sound.dtype == np.float32 and sound.shape == (rate // 2,)
    middle = sound[rate // 10 : -rate // 10]
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.01)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * rate / len(middle) == pytest.approx(440, abs=4)


def test_channels_are_averaged(tmp_path):
    left, right = tone(loudness=0.8), tone(loudness=0.4)
    same = sound_lib.read(write(tmp_path, np.concatenate([left, right])), 0.5)
    assert np.abs(same[2000:-2000]).max() == pytest.approx(0.6, abs=0.01)
    path = write(tmp_path, np.concatenate([left, -left]), name="b.mkv")
    assert np.abs(sound_lib.read(path, 0.5)).max() < 1e-3


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "a.nut"])
def test_a_sound_that_begins_late_is_heard_late(tmp_path, name):
    path = write(tmp_path, {1.0: tone()}, name=name, seconds=4)
    sound = sound_lib.read(path, 4)
    assert len(sound) == 4 * 16000
    expect_heard(sound, (1.0, 1.5))


@pytest.mark.parametrize("name", ["a.mkv", "a.nut"])
def test_silence_stands_in_the_holes_of_a_sound(tmp_path, name):
    path = write(tmp_path, {1.0: tone(), 2.5: tone()}, name=name, seconds=4)
    expect_heard(sound_lib.read(path, 4), (1.0, 1.5), (2.5, 3.0))
    expect_heard(sound_lib.read(path, 1.25), (1.0, 1.25))


@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
def test_what_is_heard_before_the_first_picture_is_left_out(tmp_path, name):
    times = [RATE + number for number in range(2 * RATE)]
    sounds = [{0.5: tone(1.0)}]
    path = video_files.write(tmp_path / name, numbered(2 * RATE), times=times, sounds=sounds)
    expect_heard(sound_lib.read(path, 2), (0.0, 0.5))


def test_a_compressed_sound_is_where_it_was_before_it_was_compressed(tmp_path):
    """An AAC encoder puts a lead before the sound, and MP4 says so by an earlier time."""
    sound = {0.0: np.concatenate([np.zeros((1, SOUND_RATE // 2), np.float32), tone()], axis=1)}
    path = write(tmp_path, sound, name="a.mp4", seconds=2, sound_codec="aac")
    expect_heard(sound_lib.read(path, 2), (0.5, 1.0), within=0.021)


def test_times_that_are_a_little_off_make_no_seam(tmp_path):
    whole = tone(1.0)
    pieces = np.split(whole, 10, axis=1)
    off = np.random.default_rng(0).uniform(-0.04, 0.04, 10) * (np.arange(10) > 0)
    uneven = {0.1 * i + off[i]: piece for i, piece in enumerate(pieces)}
    expected = sound_lib.read(write(tmp_path, whole), 1)
    found = sound_lib.read(write(tmp_path, uneven, name="b.mkv"), 1)
    np.testing.assert_array_equal(found, expected)


def put(times: list[float | None], longest: float = np.inf, seconds: float = 4) -> np.ndarray:
    """What becomes of tones of half a second with these times; the first picture is at 100 s."""
    track = sound_lib._Track(round(seconds * 16000), 16000, 100.0, longest)
    for time in times:
        samples = np.round(tone() * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.time_base = SOUND_RATE, fractions.Fraction(1, SOUND_RATE)
        frame.pts = None if time is None else round(time * SOUND_RATE)
        track.add(frame)
    return track.finish()


@pytest.mark.parametrize("times", [
    [None, None, None],
    [100, None, None],
    [100, 99, 98],
    [100, 99, 99.5],
    [100, 100, 100],
    [100, 5000, 5000.5],
    [5000, 5000.5, 5001],
])  # fmt: skip
def test_a_clock_that_is_broken_neither_makes_silence_nor_loses_sound(times):
    sound = put(times, longest=10.0)
    expect_heard(sound, (0.0, 1.5))
    np.testing.assert_allclose(sound, put([100, 100.5, 101]), atol=1e-6)


def test_a_clock_that_jumps_is_followed_on_the_other_side():
    expect_heard(put([100.5, 50, 51]), (0.5, 1.5), (2.0, 2.5))


def test_a_clock_that_goes_faster_than_the_sound_is_corrected_by_a_tenth_of_a_second():
    times = [100 + 0.56 * i for i in range(6)]
    sound = put(times)
    # At the second seam it is 0.12 seconds late, and so at the fourth.
    expect_heard(sound, (0.0, 1.0), (1.12, 2.12), (2.24, 3.24))


def test_a_long_silence_is_not_kept_in_memory():
    sound = put([100, 10**6], seconds=1)
    assert len(sound) == 16000 and heard(sound) == [(0.0, 0.5)]


def test_recordings_that_were_joined_follow_each_other(tmp_path):
    settings = {"codec": "mpeg2video", "sound_codec": "mp2"}
    late = [100_000 + time for time in range(RATE)]
    a = write(tmp_path, {4000.0: tone(1.0)}, name="a.ts", times=late, **settings)
    b = write(tmp_path, tone(1.0), name="b.ts", **settings)
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(Path(part).read_bytes() for part in (a, b)))
    found = heard(sound_lib.read(str(both), 3))
    # The codec rounds each recording up to its own frames, of 26 ms.
    assert sum(end - start for start, end in found) == pytest.approx(2.0, abs=0.03)
    assert found[0][0] == 0 and found[-1][1] == pytest.approx(2.0, abs=0.06)


def test_a_video_without_sound(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", numbered(3))
    for read in (sound_lib.check, lambda path: sound_lib.read(path, 1)):
        with pytest.raises(VideoError, match="^has no sound$"):
            read(path)


@pytest.mark.parametrize("start", [3.0, 0.0])
def test_a_sound_beside_the_pictures_is_none(tmp_path, start):
    times = [RATE + number for number in range(RATE)]
    path = video_files.write(
        tmp_path / "a.mkv", numbered(RATE), times=times, sounds=[{start: tone()}]
    )
    with pytest.raises(VideoError, match="^has no sound while its pictures are shown$"):
        sound_lib.read(path, 1)


def test_sound_of_a_file_that_is_cut_or_none(tmp_path):
    path = write(tmp_path, tone())
    with pytest.raises(VideoError, match="^cannot be opened"):
        sound_lib.read(video_files.cut(path, "cut.mkv", end=50), 1)
    with pytest.raises(VideoError, match="^cannot be opened"):
        sound_lib.read(str(tmp_path / "nothing.mkv"), 1)
    with pytest.raises(ValueError, match="Received: seconds=0"):
        sound_lib.read(path, 0)


PCM, NO_CODEC, NO_DATA = "A_PCM/INT/LIT", "A_NONE", "A_AAC"


@pytest.mark.parametrize("other", [NO_CODEC, NO_DATA])
def test_the_first_sound_that_can_be_decoded_is_taken(tmp_path, other):
    path = write(tmp_path, tone(loudness=0.9), tone(hertz=880, loudness=0.3))
    assert np.abs(sound_lib.read(path, 0.5)).max() == pytest.approx(0.9, abs=0.05)
    video_files.relabel(path, PCM, other)
    assert np.abs(sound_lib.read(path, 0.5)).max() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(("other", "reason"), [
    (NO_CODEC, "has sound of a codec that this FFmpeg cannot decode"),
    (NO_DATA, "has no sound that can be decoded"),
])  # fmt: skip
def test_a_sound_that_nothing_decodes(tmp_path, other, reason):
    path = video_files.relabel(write(tmp_path, tone()), PCM, other)
    with pytest.raises(VideoError, match=f"^{reason}$"):
        sound_lib.read(path, 0.5)


def test_sound_behind_what_is_asked_for_is_not_decoded(tmp_path, monkeypatch):
    path = write(tmp_path, {0.5 * number: tone() for number in range(6)})
    decode, decoded = containers.decode, []

    def counted(container, stream, skip_errors_at_start):
        for frame in decode(container, stream, skip_errors_at_start):
            decoded.append(stream.type)
            yield frame

    monkeypatch.setattr(containers, "decode", counted)
    expect_heard(sound_lib.read(path, 0.5), (0.0, 0.5))
    assert decoded == ["video", "audio"]
