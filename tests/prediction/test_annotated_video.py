"""A copy of a video with its classes written over it."""

import av
import numpy as np
import pytest
import video_files

from yt8m.data.video.frames import decoding, sound
from yt8m.prediction import annotated_video
from yt8m.prediction.answers import Named
from yt8m.prediction.captions import Caption

CAPTIONS = [Caption(0.4, 0.8, (Named(0, "Kätzchen", 0.9), Named(1, "dog", 0.5)))]


def tone(seconds: float) -> np.ndarray:
    """(1, samples), loud and then silent."""
    samples = np.arange(round(seconds * video_files.SOUND_RATE)) / video_files.SOUND_RATE
    return np.float32(0.5 * np.sin(2 * np.pi * 440 * samples) * (samples < seconds / 2))[None]


def test_words_stand_where_they_belong_and_sound_is_kept(tmp_path):
    grey = [np.full((96, 128, 3), 128, np.uint8)] * 25
    video = video_files.write(tmp_path / "a.mkv", grey, sounds=[tone(1.0)])
    path = str(tmp_path / "out" / "a.mp4")
    annotated_video.write_annotated(path, video, CAPTIONS)
    probe, timeline = decoding.probe_times(path)
    np.testing.assert_allclose(timeline.starts, np.arange(25) / 25, atol=1e-3)
    changed = [abs(image.astype(int) - 128).max() > 60 for image in decoding.iterate(path)]
    assert changed == [10 <= number < 20 for number in range(25)]
    tops = [image[-30:] for image in decoding.iterate(path)]
    assert abs(np.stack(tops).astype(int) - 128).max() < 12  # The rest is as it was.
    heard = np.abs(sound.read(path, 1.0))
    assert heard[1000:7000].mean() > 0.2 and heard[9500:].mean() < 0.01
    with av.open(path) as file:
        kinds = [stream.codec_context.name for stream in file.streams]
        assert kinds == ["h264", "aac"] and file.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_times_and_turns_and_odd_sizes_are_kept(tmp_path):
    """49 x 63 pixels, turned upright, shown for one second and for three."""
    frames = [np.pad(f, ((0, 1), (0, 0), (0, 0)))[:, :63] for f in video_files.numbered(3)]
    video = video_files.write(tmp_path / "a.mp4", video_files.numbered(3), rate=1, times=[0, 1, 4])
    video_files.turn(video, (0, 1, -1, 0))
    path = str(tmp_path / "b.mp4")
    annotated_video.write_annotated(path, video, [])
    probe, timeline = decoding.probe_times(path)
    np.testing.assert_allclose(timeline.starts, [0, 1, 4], atol=1e-3)
    assert (probe.height, probe.width) == (64, 48)
    one, other = next(decoding.iterate(path)), next(decoding.iterate(video))
    assert abs(one.astype(int) - other).mean() < 8
    odd = video_files.write(tmp_path / "odd.mkv", frames, codec="mjpeg")
    annotated_video.write_annotated(path, odd, CAPTIONS)
    assert decoding.probe(path).height == 50 and decoding.probe(path).width == 64


def test_a_banner_fits_any_picture():
    for height, width in ((8, 8), (20, 400), (1080, 1920)):
        banner = annotated_video._banner(("a line",) * 20, width, height)
        assert banner.shape[0] <= height and banner.shape[1:] == (width, 4)


def test_a_bad_video_leaves_no_copy(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"bad")
    with pytest.raises(decoding.VideoError):
        annotated_video.write_annotated(str(tmp_path / "b.mp4"), str(tmp_path / "bad.mp4"), [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.mp4"]
