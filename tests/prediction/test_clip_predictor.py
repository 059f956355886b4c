"""Which frames of a video a run of raw video is shown, and what is made of its scores."""

import dataclasses

import numpy as np
import pytest
import video_files

from yt8m.base.errors import UserError
from yt8m.data.video import clip_stream
from yt8m.data.video import clips as clips_lib
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.clips import About, FileFrames, Recipe
from yt8m.data.video.frames import decoding
from yt8m.data.video.frames.containers import VideoError
from yt8m.evaluation import predicting
from yt8m.prediction.answers import Windows
from yt8m.prediction.clip_predictor import ClipPredictor

CLIPS = Clips(frames=4, resize=24, crop=24)
SCHEMA = ClipSchema(("pixels",), CLIPS, None, ("a", "b"))


@pytest.fixture
def seen(monkeypatch):
    """The batches that the model is shown; its score is the number that a clip's middle shows."""
    batches = []

    def answer(batch):
        batches.append(batch)
        middles = [video_files.number_of(clip[len(clip) // 2]) for clip in batch["pixels"]]
        return np.array([[number / 100, 0.5] for number in middles], np.float32)

    monkeypatch.setattr(predicting, "predictor", lambda model: answer)
    return batches


def numbers(batches) -> list[list[int]]:
    """The frames that each clip showed."""
    return [video_files.numbers_of(clip) for batch in batches for clip in batch["pixels"]]


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    """Twenty frames, 25 a second."""
    path = tmp_path_factory.mktemp("video") / "numbers.mp4"
    return video_files.write(path, video_files.numbered(20))


def test_clips_cover_a_video_and_its_scores_are_their_means(seen, video):
    answer = ClipPredictor(None, SCHEMA).answer(video)
    starts = [0, 4, 8, 12, 16]
    assert numbers(seen) == [[s, s + 1, s + 2, s + 3] for s in starts]
    assert answer.duration == pytest.approx(0.8)
    assert answer.scores.tolist() == pytest.approx([np.mean(starts) / 100 + 0.02, 0.5])
    assert not answer.windows and len(answer.window_scores) == 0


def test_the_number_of_clips_can_be_chosen_and_batches_do_not_matter(seen, video):
    one = ClipPredictor(None, SCHEMA, batch_size=2, num_clips=3).answer(video)
    assert [len(batch["pixels"]) for batch in seen] == [2, 1]
    assert numbers(seen) == [[0, 1, 2, 3], [8, 9, 10, 11], [16, 17, 18, 19]]
    other = ClipPredictor(None, SCHEMA, batch_size=9, num_clips=3).answer(video)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_windows_see_what_is_on_screen_in_them(seen, video):
    answer = ClipPredictor(None, SCHEMA, windows=Windows(0.32, 0.16)).answer(video)
    assert [(w.start, round(w.end, 6)) for w in answer.windows] == [
        (0.0, 0.32),
        (0.16, 0.48),
        (0.32, 0.64),
        (0.48, 0.8),
    ]
    # Eight frames each, of which a clip of four is from the middle.
    assert numbers(seen) == [[s + 2, s + 3, s + 4, s + 5] for s in (0, 4, 8, 12)]
    middles = np.array([4, 8, 12, 16]) / 100
    assert answer.window_scores[:, 0].tolist() == pytest.approx(middles.tolist())
    assert answer.scores[0] == pytest.approx(middles.mean())
    edges = [(round(cell.start, 6), round(cell.end, 6)) for cell in answer.cells()]
    assert edges == [(0.0, 0.24), (0.24, 0.4), (0.4, 0.56), (0.56, 0.8)]


def test_windows_go_by_the_times_of_a_variable_rate(seen, tmp_path):
    """Ten frames in the first second, then one a second."""
    times = [*range(10), 10, 20, 30]
    path = video_files.write(
        tmp_path / "variable.mkv", video_files.numbered(13), rate=10, times=times
    )
    schema = dataclasses.replace(SCHEMA, clips=dataclasses.replace(CLIPS, short="repeat"))
    answer = ClipPredictor(None, schema, windows=Windows(1.0, 1.0)).answer(path)
    assert numbers(seen) == [[3, 4, 5, 6], [10] * 4, [11] * 4, [12] * 4]
    assert [window.start for window in answer.windows] == [0.0, 1.0, 2.0, 3.0]


def test_a_window_without_a_frame_of_its_own_shows_that_on_screen(seen, tmp_path):
    path = video_files.write(
        tmp_path / "slides.mkv", video_files.numbered(2), rate=1, times=[0, 3], durations=[3, 1]
    )
    ClipPredictor(None, SCHEMA, windows=Windows(1.0, 1.0)).answer(path)
    assert numbers(seen) == [[0] * 4] * 3 + [[1] * 4]


@pytest.mark.parametrize("sampling", ["keyframes", "shots"])
def test_windows_of_keyframes_and_shots(sampling, seen, tmp_path):
    """Keyframes are frames 0, 10, 20; a window without any shows its first frame."""
    black, white = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)
    frames = [*[black] * 15, *[white] * 15]
    path = video_files.write(tmp_path / "shots.mp4", frames)
    clips = dataclasses.replace(CLIPS, frames=1, sampling=sampling)
    schema = dataclasses.replace(SCHEMA, clips=clips)
    ClipPredictor(None, schema, windows=Windows(0.2, 0.2)).answer(path)
    shown = [clip.mean() > 127 for batch in seen for clip in batch["pixels"]]
    assert shown == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    "flow",
    [
        Flow(length=2),
        Flow(length=4, bidirectional=True, subtract_mean=True),
        Flow(length=3, stacking="trajectory"),
        Flow(channels=3),
    ],
    ids=str,
)
def test_flow_is_that_of_the_reader(flow, monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    blocks = random.integers(0, 255, (6, 12, 3)).astype(np.uint8)
    ground = blocks.repeat(8, axis=0).repeat(8, axis=1)
    moved = [np.roll(ground, 2 * n, axis=1)[:, :64] for n in range(12)]
    frames = [np.concatenate([image[:24], ground[24:, :64]]) for image in moved]
    path = video_files.write(tmp_path / "moving.mp4", frames)
    batches = []
    monkeypatch.setattr(
        predicting, "predictor", lambda model: lambda b: batches.append(b) or np.ones((2, 2))
    )
    schema = ClipSchema(("pixels", "flow"), CLIPS, flow, ("a", "b"))
    ClipPredictor(None, schema, num_clips=2).answer(path)
    recipe = Recipe(("pixels", "flow"), CLIPS, flow, str(tmp_path / "cache"))
    about = About(12, 48, 64)
    expected = clips_lib.evaluation_clips(FileFrames(path), about, recipe, range(2), 2, 1)
    assert batches[0]["flow"].std() > 1
    for name, values in expected.items():
        np.testing.assert_array_equal(batches[0][name], values)


def test_memory_does_not_grow_with_the_video(seen, monkeypatch, tmp_path):
    """At no time more frames are kept than the windows under way need."""
    path = video_files.write(tmp_path / "long.mp4", video_files.numbered(250))
    kept = []
    views = clip_stream._views
    monkeypatch.setattr(
        clip_stream,
        "_views",
        lambda clip, frames, *a: kept.append(len(frames)) or views(clip, frames, *a),
    )
    ClipPredictor(None, SCHEMA, windows=Windows(0.4, 0.04)).answer(path)
    assert len(kept) == 241 and max(kept) <= 5


def test_crops_are_averaged(seen, video):
    schema = dataclasses.replace(SCHEMA, clips=Clips(frames=4, resize=30, crop=24))
    ClipPredictor(None, schema, num_clips=2, num_crops=3).answer(video)
    assert [len(batch["pixels"]) for batch in seen] == [6]


def test_short_videos_and_bad_ones(seen, tmp_path):
    path = video_files.write(tmp_path / "short.mp4", video_files.numbered(3))
    answer = ClipPredictor(None, SCHEMA, windows=Windows(5.0, 1.0)).answer(path)
    assert numbers(seen) == [[0, 1, 2, 0]] and answer.windows[0].end == pytest.approx(0.12)
    (tmp_path / "none.mp4").write_bytes(b"none")
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        ClipPredictor(None, SCHEMA).answer(str(tmp_path / "none.mp4"))


def test_a_score_that_is_no_number_is_told(monkeypatch, video):
    nan = np.full((5, 2), np.nan)
    monkeypatch.setattr(predicting, "predictor", lambda model: lambda batch: nan)
    with pytest.raises(UserError, match=r"answers NaN for the video '.*numbers\.mp4'"):
        ClipPredictor(None, SCHEMA).answer(video)


def test_times_and_some_frames(video):
    passed = []
    probe, timeline = decoding.probe_times(video, passed.append, every=8)
    assert passed == [8, 8] and probe.num_frames == 20
    np.testing.assert_allclose(timeline.starts, np.arange(20) / 25)
    found = list(decoding.some_frames(video, np.array([2, 7, 19]), (24, 32)))
    assert [(n, video_files.number_of(image)) for n, image in found] == [(2, 2), (7, 7), (19, 19)]
    with pytest.raises(VideoError, match="ends before frame 20: it holds 20"):
        list(decoding.some_frames(video, np.array([3, 20])))
