"""The sound of a video, against tones whose pitch and loudness are known."""

import av
import numpy as np
import pytest
import video_files

from yt8m.data.video.frames import decoding
from yt8m.data.video.frames.decoding import VideoError

RATE = 44100


def tone(hertz: float, loudness: float, seconds: float = 0.5) -> np.ndarray:
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def write(folder, *channels: np.ndarray, name: str = "a.mkv") -> str:
    frames = video_files.numbered(12)
    return video_files.write(folder / name, frames, sounds=[np.stack(channels)])


@pytest.mark.parametrize("rate", [16000, 8000])
def test_sound_keeps_its_length_pitch_and_loudness(tmp_path, rate):
    sound = decoding.audio(write(tmp_path, tone(440, 0.5)), rate)
    assert sound.dtype == np.float32 and sound.ndim == 1
    assert len(sound) == pytest.approx(rate / 2, abs=2)
    middle = sound[rate // 10 : -rate // 10]
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.01)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * rate / len(middle) == pytest.approx(440, abs=4)


def test_channels_are_averaged(tmp_path):
    left, right = tone(440, 0.8), tone(440, 0.4)
    same = decoding.audio(write(tmp_path, left, right))
    assert np.abs(same[2000:-2000]).max() == pytest.approx(0.6, abs=0.01)
    opposite = decoding.audio(write(tmp_path, left, -left, name="b.mkv"))
    assert np.abs(opposite).max() < 1e-3


def test_what_a_broken_clock_leaves_out_is_not_filled_in(tmp_path):
    path = str(tmp_path / "a.nut")
    with av.open(path, "w") as file:
        stream = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in (0, 10 * RATE):  # Half a second each.
            samples = (tone(440, 0.5) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with av.open(path) as file:
        assert max(frame.time for frame in file.decode(audio=0)) >= 10
    assert len(decoding.audio(path)) == pytest.approx(16000, abs=2)


def test_a_video_without_sound(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", video_files.numbered(3))
    sound = decoding.audio(path)
    assert sound.shape == (0,) and sound.dtype == np.float32


def test_sound_of_a_file_that_is_cut_or_none(tmp_path):
    path = write(tmp_path, tone(440, 0.5))
    with pytest.raises(VideoError, match="^cannot be opened"):
        decoding.audio(video_files.cut(path, "cut.mkv", end=50))
    with pytest.raises(VideoError, match="^cannot be opened"):
        decoding.audio(str(tmp_path / "nothing.mkv"))


PCM, NO_CODEC, NO_DATA = "A_PCM/INT/LIT", "A_NONE", "A_AAC"


@pytest.mark.parametrize("other", [NO_CODEC, NO_DATA])
def test_the_first_sound_that_can_be_decoded_is_taken(tmp_path, other):
    sounds = [tone(440, loudness)[None] for loudness in (0.9, 0.3)]
    path = video_files.write(tmp_path / "a.mkv", video_files.numbered(12), sounds=sounds)
    assert np.abs(decoding.audio(path)).max() == pytest.approx(0.9, abs=0.05)
    video_files.relabel(path, PCM, other)
    assert np.abs(decoding.audio(path)).max() == pytest.approx(0.3, abs=0.05)


def test_a_sound_that_nothing_decodes(tmp_path):
    path = video_files.relabel(write(tmp_path, tone(440, 0.5)), PCM, NO_CODEC)
    reason = "^has sound of a codec that this FFmpeg cannot decode$"
    with pytest.raises(VideoError, match=reason):
        decoding.audio(path)
