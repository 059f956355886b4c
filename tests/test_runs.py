"""Run directories and the model inside them."""

import dataclasses
import errno
import json
import os

import keras
import numpy as np
import pytest
from toy_records import FRAMES, VIDEOS, frame_batch, predict

from frame_models.pixels.layers.conv3d import Conv3D
from yt8m import runs
from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.data.video import clip_specs
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.modeling import keras_model, losses, specs

CONFIG = runs.RunConfig("average", FRAMES, 5, {"normalize": "l2"}, "cross_entropy", {}, {"seed": 1})


def test_a_model_is_saved_and_loaded(tmp_path):
    runs.start(str(tmp_path), CONFIG)
    model = keras_model.classifier(keras_model.build(specs.model("average(head=moe)"), FRAMES, 5))
    runs.save_model(str(tmp_path), model)
    run = runs.load(str(tmp_path))
    assert run.config == CONFIG
    assert isinstance(run.loss, losses.CrossEntropy)
    np.testing.assert_array_equal(predict(run.model, frame_batch()), predict(model, frame_batch()))
    assert sorted(os.listdir(tmp_path)) == ["model.keras", "run.json"]


def test_a_setting_that_is_younger_than_a_run_makes_no_other_run():
    given = "average(head=moe(mixtures=2))"
    full = dataclasses.replace(CONFIG, model=str(specs.model(given)))
    assert full.model != given
    assert not dataclasses.replace(CONFIG, model=given).difference(full)
    other = dataclasses.replace(CONFIG, model="average(head=moe(mixtures=3))")
    assert "mixtures=3" in other.difference(full)[0] and len(other.difference(full)) == 1
    assert dataclasses.replace(CONFIG, model="gone(a=1)").difference(full)


def test_what_an_earlier_version_recorded_for_nothing_makes_no_other_run():
    now = dataclasses.replace(CONFIG, schema=VIDEOS)
    stored = now.to_json()
    del stored["eval_data_pattern"]  # As 0.1.0 wrote it.
    stored["preprocessing"]["max_frames"] = 300
    assert runs.RunConfig.from_json(stored).difference(now) == []


def test_the_c3d_of_an_earlier_version_is_one_that_pads():
    now = dataclasses.replace(CONFIG, model=specs.completed("late_fusion(model=c3d(width=0.5))"))
    stored = now.to_json()
    del stored["eval_data_pattern"]
    then = runs.RunConfig.from_json(stored)
    (line,) = then.difference(now)
    assert "pad_last_pool=True" in line


def test_a_failed_write_keeps_the_previous_model(tmp_path, monkeypatch):
    runs.start(str(tmp_path), CONFIG)
    model = keras_model.classifier(keras_model.build(specs.model("average"), FRAMES, 5))
    runs.save_model(str(tmp_path), model)
    before = (tmp_path / "model.keras").read_bytes()

    def fail(path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", fail)
    with pytest.raises(UserError, match="Cannot write .*No space left on device"):
        runs.save_model(str(tmp_path), model)
    assert (tmp_path / "model.keras").read_bytes() == before


def test_an_atomic_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    with pytest.raises(RuntimeError), files.atomic_file(str(path)) as file:
        file.write("half")
        raise RuntimeError
    assert not path.exists()
    with files.atomic_file(str(path)) as file:
        file.write("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_run_knows_another_run(tmp_path):
    folder = str(tmp_path / "run")
    runs.start(folder, dataclasses.replace(CONFIG, model="moe"))
    runs.start(folder, CONFIG)  # The other one has not begun yet.
    assert runs.read_config(folder) == CONFIG
    (tmp_path / "run" / "model.keras").write_text("")
    runs.start(folder, dataclasses.replace(CONFIG, flags={"num_epochs": 7}, git_commit="x"))
    other = dataclasses.replace(CONFIG, training={"seed": 2}, loss="mean_cross_entropy")
    with pytest.raises(UserError) as error:
        runs.start(folder, other)
    assert "loss: 'cross_entropy' -> 'mean_cross_entropy'; training.seed: 1 -> 2" in str(
        error.value
    )
    assert runs.read_config(folder).training == {"seed": 1}


def test_one_training_at_a_time_has_a_folder(tmp_path):
    pytest.importorskip("fcntl")
    with files.locked(str(tmp_path)):
        with pytest.raises(UserError, match="Another training is writing to"):
            with files.locked(str(tmp_path)):
                pass
        with files.locked(str(tmp_path / "other")):
            pass
    with files.locked(str(tmp_path)):
        pass


def test_a_new_model_deletes_the_run_and_nothing_else(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine.txt").write_text("")
    runs.start(str(tmp_path), CONFIG, start_new_model=True)
    assert (tmp_path / "logs" / "mine.txt").exists()  # It was no run yet.
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "model.keras").write_text("")
    (tmp_path / "checkpoints" / "step-000000001").mkdir(parents=True)
    other = dataclasses.replace(CONFIG, model="moe")
    runs.start(str(tmp_path), other, start_new_model=True)
    assert sorted(os.listdir(tmp_path)) == ["notes.txt", "run.json"]
    assert runs.read_config(str(tmp_path)).model == "moe"


def test_a_run_that_cannot_be_deleted_stays_whole(tmp_path, monkeypatch):
    runs.start(str(tmp_path), CONFIG)
    (tmp_path / "model.keras").write_text("a model")
    for name in ("checkpoints/step-000000001", "logs/train", "eval"):
        (tmp_path / name).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    replace = os.replace

    def refuse(source, target):
        if source == str(tmp_path / "model.keras"):
            raise PermissionError(errno.EPERM, "Operation not permitted", source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match=r"Cannot delete .*model.keras: Operation not permitted"):
        runs.start(str(tmp_path), CONFIG, start_new_model=True)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("train"))
    with pytest.raises(UserError, match=r"Cannot delete .*logs/train: Permission denied"):
        runs.start(str(tmp_path), CONFIG, start_new_model=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("moved", [False, True])
def test_a_run_whose_deletion_is_interrupted_stays_whole(moved, tmp_path, monkeypatch):
    runs.start(str(tmp_path), CONFIG)
    (tmp_path / "model.keras").write_text("a model")
    (tmp_path / "checkpoints" / "step-000000001").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    replace = os.replace

    def interrupt(source, target):
        if source != str(tmp_path / "model.keras"):
            replace(source, target)
            return
        if moved:
            replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        runs.start(str(tmp_path), CONFIG, start_new_model=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("text", ["{", "[]", '{"model": "moe"}', json.dumps({"no": 1})])
def test_a_damaged_configuration_is_named(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match="run.json cannot be read"):
        runs.read_config(str(tmp_path))


def test_a_run_before_its_first_checkpoint(tmp_path):
    runs.start(str(tmp_path), CONFIG)
    with pytest.raises(UserError, match="has no model.keras yet"):
        runs.load(str(tmp_path))


def test_buckets_are_refused():
    with pytest.raises(UserError, match="local folder"):
        runs.start("gs://bucket/run", CONFIG)


def test_a_model_without_its_configuration_is_not_adopted(tmp_path):
    (tmp_path / "checkpoints" / "step-000000001").mkdir(parents=True)
    with pytest.raises(UserError, match="is no run directory: it has no run.json"):
        runs.start(str(tmp_path), CONFIG)
    runs.start(str(tmp_path), CONFIG, start_new_model=True)
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="Cannot write .*No space left on device"):
        with files.atomic_file(str(tmp_path / "file")) as file:
            file.write("x")
            raise OSError(28, "No space left on device")
    assert not os.listdir(tmp_path)


def test_convolutions_over_clips_of_older_runs_are_made_safe_in_bfloat16(tmp_path):
    """Version 0.1.0 saved those of Keras, which answer NaN in bfloat16 on some CPUs."""
    clips = clip_specs.Clips(frames=2, resize=4, crop=4)
    schema = ClipSchema(("pixels",), clips, None, ("left", "right"))
    inputs = keras_model.make_inputs(schema)
    convolution = keras.layers.Conv3D(2, 2, dtype="mixed_bfloat16", data_format="channels_last")
    features = convolution(keras.layers.Rescaling(0.01)(inputs["pixels"]))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling3D()(features))
    config = dataclasses.replace(CONFIG, schema=schema, num_classes=2, preprocessing={})
    runs.start(str(tmp_path), config)
    runs.save_model(str(tmp_path), model)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 2, 4, 4, 3), "uint8")
    batch = {"pixels": pixels, "num_frames": np.array([2], "int32")}
    loaded = runs.load(str(tmp_path)).model
    assert Conv3D in map(type, loaded.layers)
    np.testing.assert_allclose(loaded(batch), model(batch), atol=0.02)


def changed(*path, value):
    """A function that sets a field of a run.json, or deletes it where `value` is None."""

    def change(values: dict) -> dict:
        *folders, name = path
        inner = values
        for folder in folders:
            inner = inner[folder]
        if value is None:
            del inner[name]
        else:
            inner[name] = value
        return values

    return change


CLIP_SCHEMA = ClipSchema(("pixels",), clip_specs.Clips(), None, ("left", "right"))


@pytest.mark.parametrize(
    ("schema", "change", "part"),
    [
        (FRAMES, changed("num_classes", value="5"), "num_classes of run.json must be an integer"),
        (FRAMES, changed("num_classes", value=True), "num_classes of run.json must be an integer"),
        (FRAMES, changed("num_classes", value=0), "num_classes must be positive, not 0"),
        (FRAMES, changed("model", value=None), "run.json has no model"),
        (
            FRAMES,
            changed("future", value=1),
            "run.json has .future., which this version does not know",
        ),
        (
            FRAMES,
            changed("training", value=[1]),
            "training of run.json must be an object, not a list",
        ),
        (FRAMES, changed("schema", value={}), "schema has no kind"),
        (FRAMES, changed("schema", "kind", value="sound"), "unknown kind 'sound'"),
        (FRAMES, changed("schema", "more", value=1), "schema has 'more', which"),
        (FRAMES, changed("schema", "features", value=[]), "features must have different names"),
        (FRAMES, changed("schema", "features", 0, "size", value=-1), r"not uint8\[-1\]"),
        (FRAMES, changed("schema", "features", 0, "dtype", value="int8"), r"not int8\[6\]"),
        (FRAMES, changed("schema", "features", 0, value="rgb"), "a feature must be an object"),
        (FRAMES, changed("preprocessing", "normalize", value="l3"), "normalize must be one of l2"),
        (FRAMES, changed("preprocessing", "max_frames", value=0), "max_frames must be positive"),
        (FRAMES, changed("preprocessing", "more", value=1), "preprocessing has 'more'"),
        (CLIP_SCHEMA, changed("schema", "clips", value=None), "schema has no clips"),
        (CLIP_SCHEMA, changed("schema", "clips", value="x"), "clips of schema must be an object"),
        (CLIP_SCHEMA, changed("schema", "clips", "x", value=1), "is none of clips"),
        (CLIP_SCHEMA, changed("schema", "clips", "frames", value="x"), "frames must be"),
        (CLIP_SCHEMA, changed("schema", "classes", value=[1, 2]), "must hold texts"),
        (CLIP_SCHEMA, changed("schema", "classes", value=["a", "a"]), "differ from each other"),
        (CLIP_SCHEMA, changed("schema", "inputs", value=["sound"]), "pixels, flow or both"),
        (CLIP_SCHEMA, changed("schema", "inputs", value=["flow"]), "flow must be described"),
        (CLIP_SCHEMA, changed("schema", "tasks", value=["cooking"]), "is none of clips"),
    ],
    ids=range(25),
)
def test_a_run_json_that_was_changed_is_refused(schema, change, part, tmp_path):
    preprocessing = {} if schema is CLIP_SCHEMA else {"normalize": "l2"}
    config = dataclasses.replace(CONFIG, schema=schema, preprocessing=preprocessing)
    files.write_json(str(tmp_path / "run.json"), config.to_json())
    assert runs.read_config(str(tmp_path)) == config
    files.write_json(str(tmp_path / "run.json"), change(config.to_json()))
    match = rf"run\.json cannot be read as a run's configuration: .*{part}"
    with pytest.raises(UserError, match=match):
        runs.read_config(str(tmp_path))


def test_a_loss_that_is_none_is_refused_where_it_is_needed(tmp_path):
    for loss in ("gone(a=1)", "cross_entropy(", "cross_entropy(b=1)", ""):
        run = runs.Run(str(tmp_path), dataclasses.replace(CONFIG, loss=loss), keras.Model())
        with pytest.raises(UserError, match=r"run\.json names no loss of this version"):
            _ = run.loss
