"""`yt8m export` for a model server: version folders, raw video, and TensorFlow's own reader."""

import functools
import json
import sys
from pathlib import Path

import cv2
import job_runner
import keras
import numpy as np
import pytest
import tensorflow as tf
from clip_files import write_clip
from job_runner import check, run_process, succeed

from yt8m import export, runs
from yt8m.data.schema import Feature, Schema
from yt8m.data.video import clips as clips_lib
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.frames import decoding
from yt8m.modeling import keras_model, specs
from yt8m.serving import saved_model

VIDEOS = Schema("video", (Feature("mean_rgb", 4, "float32", "mean_rgb"),))
CLIPS = Clips(frames=3, stride=2, resize=16, crop=(14, 16))
CLASSES = ("left", "right")
SMALL_CNN = "cnn(backbone='karpathy', width=0.02)"
expect_error = functools.partial(job_runner.expect_error, "yt8m.export")


def make_run(folder: Path, model: str, schema: Schema | ClipSchema, built=None) -> Path:
    """A run that was not trained, of a spec or of a model that is given."""
    spec = specs.model(model)
    config = runs.RunConfig(
        model=str(spec),
        schema=schema,
        num_classes=2,
        preprocessing={},
        loss="cross_entropy",
        optimizer={},
        training={},
        eval_data_pattern="",
    )
    runs.start(str(folder), config)
    built = built or keras_model.classifier(keras_model.build(spec, schema, 2))
    runs.save_model(str(folder), built)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("videos") / "run", "logistic", VIDEOS)


@pytest.fixture(scope="module")
def clip_run(tmp_path_factory) -> Path:
    """Its model looks at every pixel: a frame or a place that is not the right one shows."""
    schema = ClipSchema(("pixels",), CLIPS, None, CLASSES)
    inputs = keras_model.make_inputs(schema)
    values = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs["pixels"]))
    large = keras.initializers.RandomNormal(stddev=0.5, seed=0)
    outputs = keras.layers.Dense(2, "sigmoid", kernel_initializer=large)(values)
    model = keras.Model(inputs, outputs)
    return make_run(tmp_path_factory.mktemp("clips") / "run", SMALL_CNN, schema, model)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def cli(*arguments: str) -> str:
    """What TensorFlow's `saved_model_cli` prints."""
    module = "tensorflow.python.tools.saved_model_cli"
    return check(run_process([sys.executable, "-m", module, *map(str, arguments)]))


def test_versions_stand_beside_each_other(run, tmp_path):
    base = tmp_path / "models" / "logistic"
    flags = {"train_dir": run, "output_dir": base}
    printed = succeed("yt8m.export", serving_version=7, **flags)
    assert f": {base}/7\n" in printed
    assert {"saved_model.pb", "variables", "export.json"} <= {
        p.name for p in (base / "7").iterdir()
    }
    seventh = content(base / "7")
    (base / "models.config").write_text("mine")
    succeed("yt8m.export", serving_version="next", top_k=1, **flags)
    assert {path.name for path in base.iterdir()} == {"7", "8", "models.config"}
    assert content(base / "7") == seventh
    # By its number a version is replaced, and no other.
    succeed("yt8m.export", serving_version=7, top_k=1, **flags)
    replaced, newer = (json.loads((base / v / "export.json").read_text()) for v in ("7", "8"))
    assert replaced["top_k"] == newer["top_k"] == 1 != json.loads(seventh["export.json"])["top_k"]
    assert {path.name for path in base.iterdir()} == {"7", "8", "models.config"}


def test_a_server_never_finds_half_a_version(run, tmp_path, monkeypatch):
    save, seen = saved_model.save, []

    def watched(folder, *arguments):
        saved = save(folder, *arguments)
        seen.append([name for name in (p.name for p in tmp_path.iterdir()) if name[0] in "0123"])
        return saved

    monkeypatch.setattr(saved_model, "save", watched)
    export.export(runs.load(str(run)), str(tmp_path / "1"))
    export.export(runs.load(str(run)), str(tmp_path / "2"), is_new=True)
    assert seen == [[], ["1"]]
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2"}


def test_the_next_version_takes_the_place_of_none(run, tmp_path, monkeypatch):
    """Of one that came to be while the job worked, for instance."""

    def meanwhile(folder, *arguments):
        (tmp_path / "base" / "1").mkdir(parents=True)
        return 0

    monkeypatch.setattr(saved_model, "save", meanwhile)
    flags = {"train_dir": run, "output_dir": tmp_path / "base", "serving_version": "next"}
    expect_error("base/1: it came to be after this job began", **flags)
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["1"]


def test_versions_that_cannot_be_written(run, tmp_path):
    flags = {"train_dir": run, "output_dir": tmp_path / "base"}
    expect_error("Received: one", serving_version="one", **flags)
    archive = {"train_dir": run, "output_model_tgz": tmp_path / "a.tgz"}
    expect_error("--serving_version has no meaning", serving_version=1, **archive)
    inside = {"output_model_tgz": tmp_path / "base" / "1" / "a.tgz"}
    expect_error("replaces as a whole", serving_version=1, **flags, **inside)
    assert not list(tmp_path.iterdir())
    (tmp_path / "base" / "1").mkdir(parents=True)
    (tmp_path / "base" / "1" / "notes.txt").write_text("mine")
    expect_error("it holds notes.txt", serving_version=1, **flags)
    expect_error("it holds 1", **flags)
    (tmp_path / "base" / "saved_model.pb").write_text("")
    expect_error("is an export itself", serving_version="next", **flags)


def png(frame: np.ndarray) -> bytes:
    return cv2.imencode(".png", frame[..., ::-1])[1].tobytes()


def test_the_frames_of_a_video_answer_what_the_video_does(clip_run, tmp_path):
    """Asked by TensorFlow's own program, which also says what the signatures are."""
    succeed("yt8m.export", train_dir=clip_run, output_dir=tmp_path / "m", serving_version=1)
    folder = tmp_path / "m" / "1"
    description = json.loads((folder / "export.json").read_text())
    assert description["signatures"] == ["features", "images"]
    assert description["default_signature"] == "features"
    assert description["names"] is True and "note" not in description
    write_clip(tmp_path / "a.avi", "left", 0)
    frames = list(decoding.iterate(str(tmp_path / "a.avi")))
    np.save(tmp_path / "sent.npy", np.array([[png(frame) for frame in frames]]))
    model = ["--dir", folder, "--tag_set", "serve", "--signature_def", "images"]
    shown = cli("show", *model)
    assert "inputs['images'] tensor_info:\n      dtype: DT_STRING\n      shape: (-1, -1)" in shown
    cli("run", *model, "--inputs", f"images={tmp_path / 'sent.npy'}", "--outdir", tmp_path)
    about = clips_lib.About(*np.shape(frames)[:3])
    recipe = clips_lib.Recipe(("pixels",), CLIPS)
    video = clips_lib.FileFrames(str(tmp_path / "a.avi"))
    batch = clips_lib.evaluation_clips(video, about, recipe, range(1), 1, 1)
    (expected,) = runs.load(str(clip_run)).model.predict_on_batch(batch)
    classes = np.load(tmp_path / "classes.npy")[0]
    # A pixel beside it is off by 0.07, another order of the frames by 0.7.
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy")[0], expected[classes], atol=0.03)
    names = np.load(tmp_path / "names.npy", allow_pickle=True)[0]
    assert [name.decode() for name in names] == [CLASSES[number] for number in classes]


def test_a_run_of_flow_says_why_it_takes_no_images(tmp_path):
    schema = ClipSchema(("pixels", "flow"), CLIPS, Flow(), CLASSES)
    model = f"two_stream(spatial={SMALL_CNN}, temporal={SMALL_CNN})"
    run = make_run(tmp_path / "run", model, schema)
    succeed("yt8m.export", train_dir=run, output_dir=tmp_path / "m")
    description = json.loads((tmp_path / "m" / "export.json").read_text())
    assert description["signatures"] == ["features"]
    assert "optical flow" in description["note"]
    signatures = tf.saved_model.load(str(tmp_path / "m")).signatures
    assert set(signatures) == {"serving_default", "features"}
