"""Windows of frames to vectors, by a run of raw video."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import video_files
from job_runner import check, check_error, command, run_job, run_process, succeed
from random_runs import make_run

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.data.video import clips as clips_lib
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.clips import About, FileFrames, Recipe
from yt8m.extraction.clip_network import ClipNetwork
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.modeling import layer_values

CLIPS = Clips(frames=4, stride=2, resize=48, crop=48)
SCHEMA = ClipSchema(("pixels",), CLIPS, None, ("a", "b"))
MODEL = "cnn(backbone='karpathy', width=0.05, temporal=average(head=softmax))"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(make_run(tmp_path_factory.mktemp("run") / "run", MODEL, SCHEMA, 2))


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    """Twenty frames, of which the first eight are shown twice as long."""
    times = [*range(0, 16, 2), *range(16, 28)]
    path = tmp_path_factory.mktemp("video") / "numbers.mkv"
    return video_files.write(path, video_files.numbered(20), rate=10, times=times)


def vectors(settings: FeatureSettings, video: str, **some) -> tuple[np.ndarray, list[float]]:
    parts = list(ClipNetwork(settings).vectors(video, settings.max_frames, **some))
    values = np.concatenate([part.values for part in parts])
    return values, np.concatenate([part.seconds for part in parts]).tolist()


def clip(video: str, start: int) -> dict[str, np.ndarray]:
    """The clip of the frames from one on, as the reader makes it of a video of seven frames."""
    frames = FileFrames(video).read(np.arange(start, start + 7), (48, 64))
    recipe = Recipe(("pixels",), CLIPS)

    class Seven:
        def read(self, indices, size):
            return frames[indices]

    return clips_lib.evaluation_clips(Seven(), About(7, 48, 64), recipe, range(1), 1, 1)


@pytest.mark.parametrize("layer", ["embedding", "sub_network", "sub_network/conv3"])
def test_windows_follow_each_other_to_the_end(layer, run, video):
    settings = FeatureSettings(train_dir=run, layer=layer, window_stride=6, batch_size=8)
    values, seconds = vectors(settings, video)
    assert seconds == pytest.approx([0.0, 1.2, 2.0])  # Frames 0, 6 and 12, by their times.
    model = layer_values.model_of(runs.load(run).model, layer)
    for value, start in zip(values, (0, 6, 12), strict=True):
        shown = keras.ops.convert_to_numpy(model(clip(video, start)))
        # Frames of a clip are rows of the network.
        expected = shown.reshape(-1, shown.shape[-1]).mean(axis=0)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(value, expected, atol=1e-5)


def test_a_layer_that_is_not_there_is_named(run):
    with pytest.raises(UserError, match=r"--layer=sub_network/conv9: .*embedding"):
        ClipNetwork(FeatureSettings(train_dir=run, layer="sub_network/conv9"))


def test_the_number_of_windows(run, video, tmp_path):
    settings = FeatureSettings(train_dir=run)
    assert vectors(settings, video)[1] == pytest.approx([0.0, 1.4])  # A clip spans seven frames.
    assert len(vectors(dataclasses.replace(settings, max_frames=1), video)[0]) == 1
    dense = dataclasses.replace(settings, window_stride=1)
    assert len(vectors(dense, video)[0]) == 14
    assert len(vectors(dense, video, only=5)[0]) == 7
    short = video_files.write(tmp_path / "short.mkv", video_files.numbered(3), rate=10)
    assert vectors(settings, short)[1] == [0.0]


def test_flow_is_looked_at_as_well(video, tmp_path):
    schema = ClipSchema(("flow",), CLIPS, Flow(), ("a", "b"))
    stream = f"flow_stream(model={MODEL})"
    run = str(make_run(tmp_path / "run", stream, schema, 2))
    assert vectors(FeatureSettings(train_dir=run), video)[0].shape[0] == 2


def test_runs_without_windows_are_refused(tmp_path):
    uniform = dataclasses.replace(CLIPS, sampling="uniform", stride=1)
    schema = dataclasses.replace(SCHEMA, clips=uniform)
    run = str(make_run(tmp_path / "clips", MODEL, schema, 2))
    with pytest.raises(UserError, match=r"sampling='uniform'\), which has no windows"):
        ClipNetwork(FeatureSettings(train_dir=run))
    shards = Schema(FRAME, (Feature("rgb", 4, "uint8", "rgb"),))
    run = str(make_run(tmp_path / "shards", "average", shards, 2))
    with pytest.raises(UserError, match="takes shards"):
        ClipNetwork(FeatureSettings(train_dir=run))


def test_features_of_clips_are_trained_on_and_predict(run, video, tmp_path):
    """The fourth kind of run that `predict` takes: features that another run has made."""
    other = video_files.write(tmp_path / "other.mp4", video_files.numbered(25, first=90))
    manifest = tmp_path / "clips.csv"
    manifest.write_text(f"path,label,group\n{video},x,1\n{other},y,2\n")
    flags = {"input_manifest": manifest, "output_dir": tmp_path / "features"}
    flags |= {"train_dir": run, "window_stride": 3, "num_workers": 1}
    check(run_job("yt8m.extract_features", **flags))
    description = json.loads((tmp_path / "features" / "features.json").read_text())
    assert description["features"]["window_stride"] == 3
    training = {"train_data_pattern": tmp_path / "features" / "*.tfrecord", "num_classes": 2}
    training |= {"model": "average(head=softmax)", "batch_size": 2, "num_epochs": 1}
    trained = tmp_path / "trained"
    succeed("yt8m.train", train_dir=trained, **training)
    submission = tmp_path / "submission.csv"
    pattern = {"input_data_pattern": training["train_data_pattern"], "output_file": submission}
    succeed("yt8m.inference", train_dir=trained, **pattern)
    output = tmp_path / "answers.json"
    arguments = [video, other, f"--train_dir={trained}", f"--output_file={output}"]
    check(run_process(command("yt8m", "predict", *arguments)))
    for answer in json.loads(output.read_text())["videos"]:
        line = next(x for x in submission.read_text().split("\n") if x.startswith(answer["video"]))
        best, score = line.partition(",")[2].split()[:2]
        assert answer["classes"][0]["class"] == int(best)
        assert answer["classes"][0]["score"] == pytest.approx(float(score), abs=2e-5)
    for wrong, message in [
        ({"backbone": "vgg16"}, "--backbone has no meaning with --train_dir"),
        ({"frames_per_second": 2}, "--frames_per_second has no meaning with --train_dir"),
        ({"layer": "nothing"}, "--layer=nothing"),
        ({"train_dir": "nowhere"}, "There is no run directory"),
        ({"train_dir": "", "weights": "none"}, "--window_stride has no meaning without"),
    ]:
        check_error(run_job("yt8m.extract_features", **(flags | wrong)), message)
