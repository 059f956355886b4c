"""`yt8m.export` as a user runs it: what it writes answers what inference does."""

import csv
import functools
import json
import os
import re
import shutil
import sys
import tarfile
import time
from pathlib import Path

import job_runner
import keras
import numpy as np
import pytest
import tensorflow as tf
from job_runner import (
    NUM_CLASSES,
    check,
    command,
    measure,
    run_alone,
    run_job,
    succeed,
)
from npz import arrays
from paths import HELPERS

from yt8m import export, runs
from yt8m.base.errors import UserError
from yt8m.inputs import shards as shard_inputs
from yt8m.modeling import keras_model, losses, specs
from yt8m.serving import packing, saved_model

MODELS = {
    "frame": "netvlad(clusters=8, hidden=64, relu=True, gating=True, head=moe(gating=True))",
    "video": "mlp(hidden=64, dropout=0.1, head=moe)",
}
EXPORT_FILES = {"assets", "export.json", "fingerprint.pb", "saved_model.pb", "variables"}


def make_run(folder: Path, kind: str, shards: Path) -> Path:
    """A run whose every variable, statistics of batch norms included, has a value of its own."""
    _, schema = shard_inputs.open_shards(str(shards / kind / "train*.tfrecord"))
    spec = specs.model(MODELS[kind])
    model = keras_model.build(spec, schema, NUM_CLASSES)
    rng = np.random.default_rng(0)
    statistics = 0
    for variable in model.variables:
        if variable.dtype == "float32":
            values = rng.normal(scale=0.3, size=variable.shape)
            statistics += "moving" in variable.name
            variable.assign(np.abs(values) + 0.2 if "variance" in variable.name else values)
    assert statistics >= 4
    config = runs.RunConfig(
        model=str(spec),
        schema=schema,
        num_classes=NUM_CLASSES,
        preprocessing={"normalize": "l2", "max_frames": 7},
        loss=str(losses.from_spec("cross_entropy")),
        optimizer={},
        training={},
        eval_data_pattern=str(shards / kind / "validate*.tfrecord"),
    )
    runs.start(str(folder), config)
    runs.save_model(str(folder), keras_model.classifier(model))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, shards) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    return {kind: make_run(folder / kind, kind, shards) for kind in MODELS}


def predictions(train_dir: Path, pattern: Path, output: Path) -> dict[str, np.ndarray]:
    """The scores of every class that yt8m.inference writes, by video."""
    flags = {"train_dir": train_dir, "input_data_pattern": pattern, "top_k": NUM_CLASSES}
    succeed("yt8m.inference", output_file=output, **flags)
    with open(output, newline="") as file:
        rows = list(csv.reader(file))[1:]
    found = {}
    for video, pairs in rows:
        fields = pairs.split()
        found[video] = np.zeros(NUM_CLASSES)
        found[video][np.array(fields[0::2], int)] = np.array(fields[1::2], float)
    return found


def test_serves_what_inference_predicts_without_this_project(made, shards, tmp_path):
    """A process without it answers for a model of each kind."""
    names = "".join(f"{c},name {c}\n" for c in reversed(range(NUM_CLASSES)))
    (tmp_path / "names.csv").write_text("Index,Name\n" + names)
    patterns = {kind: shards / kind / "validate0000.tfrecord" for kind in MODELS}
    asked = []
    for kind, pattern in patterns.items():
        exported = tmp_path / kind / "exported"
        succeed(
            "yt8m.export",
            train_dir=made[kind],
            output_dir=exported,
            top_k=100,
            vocabulary_file=tmp_path / "names.csv",
        )
        assert {path.name for path in exported.iterdir()} == EXPORT_FILES
        assert [path.name for path in exported.parent.iterdir()] == ["exported"]
        asked += [exported, pattern, tmp_path / f"{kind}.npz"]
    script = HELPERS / "serve_alone.py"
    check(run_alone([sys.executable, "-I", str(script), *map(str, asked)]))
    for kind, pattern in patterns.items():
        expected = predictions(made[kind], pattern, tmp_path / "submission.csv")
        assert len(expected) == 34
        assert_answers(arrays(tmp_path / f"{kind}.npz"), expected)
        description = json.loads((tmp_path / kind / "exported" / "export.json").read_text())
        assert description["model"].startswith(MODELS[kind].split("(")[0])
        assert description["schema"]["kind"] == kind
        assert (description["num_classes"], description["top_k"]) == (NUM_CLASSES, NUM_CLASSES)
        assert (description["quantization"], description["comparison"]) == ("float32", None)
        assert {"yt8m", "keras", "tensorflow"} <= set(description["versions"])


def assert_answers(answers: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Asked for all videos together and for each alone, it ranks and names the classes."""
    for how in ("together", "alone"):
        ids = [video.decode() for video in answers[f"{how}_ids"]]
        assert ids == list(expected)
        classes, scores = answers[f"{how}_classes"], answers[f"{how}_scores"]
        assert (np.diff(scores) <= 0).all()
        for row, video in enumerate(ids):
            np.testing.assert_allclose(scores[row], expected[video][classes[row]], atol=1e-5)
            assert sorted(classes[row]) == list(range(NUM_CLASSES))
        names = np.char.mod("name %d", classes).astype("S")
        np.testing.assert_array_equal(answers[f"{how}_names"], names)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("variables/*.data*"))


def test_smaller_weights_say_what_they_cost(made, shards, tmp_path):
    """It is measured on the shards that the training was evaluated on, or on those given."""
    pattern = shards / "video" / "validate*.tfrecord"
    flags = {"train_dir": made["video"], "output_dir": tmp_path / "exported"}
    evaluated = measure("yt8m.eval", train_dir=made["video"], eval_data_pattern=pattern)["gap"]
    succeed("yt8m.export", eval_data_pattern=pattern, **flags)
    whole = size(tmp_path / "exported")
    for method, share in (("float16", 0.5), ("int8", 0.25)):
        # The earlier export is replaced.
        printed = succeed("yt8m.export", **{method: True}, **flags)
        assert share < size(tmp_path / "exported") / whole < share + 0.1
        assert [path.name for path in tmp_path.iterdir()] == ["exported"]
        description = json.loads((tmp_path / "exported" / "export.json").read_text())
        assert description["quantization"] == method
        comparison = description["comparison"]
        assert comparison["num_examples"] == 100
        assert comparison["gap_before"] == pytest.approx(evaluated, abs=1e-5)
        assert all(f"{comparison[name]:.5f}" in printed for name in ("gap_before", "gap_after"))
        assert comparison["gap_after"] != comparison["gap_before"]
        lost = comparison["gap_before"] - comparison["gap_after"]
        assert comparison["gap_lost"] == pytest.approx(lost, abs=1e-5)
        assert abs(lost) < 0.02


def test_what_smaller_weights_cost_may_be_unknown(made, tmp_path):
    shutil.copytree(made["video"], tmp_path / "run")
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    config["eval_data_pattern"] = str(tmp_path / "gone*.tfrecord")
    (tmp_path / "run" / "run.json").write_text(json.dumps(config))
    flags = {"train_dir": tmp_path / "run", "output_dir": tmp_path / "exported"}
    result = run_job("yt8m.export", "--int8", **flags)
    check(result)
    assert "What --int8 costs is unknown: No file matches" in result.stderr
    assert json.loads((tmp_path / "exported" / "export.json").read_text())["comparison"] is None


def test_an_archive_is_a_run(made, shards, tmp_path):
    pattern = shards / "video" / "validate0000.tfrecord"
    expected = predictions(made["video"], pattern, tmp_path / "expected.csv")
    sizes = {}
    for name, flags in (("plain", []), ("half", ["--float16"])):
        archive = tmp_path / "archives" / f"{name}.tgz"
        check(run_job("yt8m.export", *flags, train_dir=made["video"], output_model_tgz=archive))
        sizes[name] = archive.stat().st_size
        with tarfile.open(archive) as opened:
            members = opened.getmembers()
            opened.extractall(tmp_path, filter="data")
        assert [m.name for m in members] == [f"{name}/model.keras", f"{name}/run.json"]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
        received = predictions(tmp_path / name, pattern, tmp_path / "received.csv")
        assert list(received) == list(expected)
        differences = [np.abs(received[video] - expected[video]).max() for video in expected]
        assert max(differences) == 0 if name == "plain" else 0 < max(differences) < 0.01
    assert sorted(p.name for p in (tmp_path / "archives").iterdir()) == ["half.tgz", "plain.tgz"]
    assert sizes["half"] < 0.75 * sizes["plain"]


def test_a_run_always_gives_the_same_archive(made, tmp_path):
    def archive(method: str) -> bytes:
        packing.pack(str(tmp_path / "a.tgz"), str(made["video"]), method)
        return (tmp_path / "a.tgz").read_bytes()

    methods = ("float32", "float16")
    first = [archive(method) for method in methods]
    time.sleep(2.1)  # Zip files count two seconds at a time.
    assert [archive(method) for method in methods] == first


def test_an_archive_of_an_odd_name_unpacks_where_it_is(made, tmp_path):
    packing.pack(str(tmp_path / "...tar.gz"), str(made["video"]))
    with tarfile.open(tmp_path / "...tar.gz") as opened:
        assert opened.getnames() == ["run/model.keras", "run/run.json"]


def test_an_archive_above_the_limit_is_not_written(made, tmp_path, monkeypatch):
    size = packing.pack(str(tmp_path / "a.tgz"), str(made["video"]))
    (tmp_path / "a.tgz").unlink()
    monkeypatch.setattr(packing, "MAX_BYTES", size - 1)
    with pytest.raises(UserError, match=f"would take {size:,} bytes, more than the {size - 1:,}"):
        packing.pack(str(tmp_path / "a.tgz"), str(made["video"]))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(packing, "MAX_BYTES", size)
    assert packing.pack(str(tmp_path / "a.tgz"), str(made["video"])) == size


def test_the_limit_is_below_both_readings_of_1_gb():
    assert packing.MAX_BYTES == 10**9 < 2**30


def test_an_export_that_fails_leaves_what_was_there(made, tmp_path, monkeypatch):
    run = runs.load(str(made["video"]))
    (tmp_path / ".tmp-00000000-1-0123456789abcdef-exported").mkdir()  # Of a job that was killed.
    os.utime(tmp_path / ".tmp-00000000-1-0123456789abcdef-exported", (0, 0))
    export.export(run, str(tmp_path / "exported"), top_k=3)
    before = (tmp_path / "exported" / "export.json").read_bytes()

    def fail(folder, *arguments):
        tf.saved_model.save(tf.Module(), folder)
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(saved_model, "save", fail)
    for name in ("exported", "new"):
        with pytest.raises(UserError, match=f"Cannot write .*{name}: No space left"):
            export.export(run, str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
    assert (tmp_path / "exported" / "export.json").read_bytes() == before


def test_a_folder_that_is_no_export_is_not_replaced(made, tmp_path):
    flags = {"train_dir": made["video"]}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    expect_error("it holds notes.txt", output_dir=tmp_path / "mine", **flags)
    expect_error("it holds", output_dir=made["video"], **flags)
    expect_error("it is no folder", output_dir=tmp_path / "mine" / "notes.txt", **flags)
    expect_error("local folder", output_dir="gs://bucket/exported", **flags)
    (tmp_path / "empty").mkdir()
    succeed("yt8m.export", output_dir=tmp_path / "empty", **flags)
    (tmp_path / "empty" / "notes.txt").write_text("mine")
    expect_error("it holds notes.txt", output_dir=tmp_path / "empty", **flags)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    assert (made["video"] / "model.keras").is_file()


expect_error = functools.partial(job_runner.expect_error, "yt8m.export")


def test_flags_that_do_not_go_together(made, shards, tmp_path):
    train_dir = made["video"]
    output = {"train_dir": train_dir, "output_dir": tmp_path / "e"}
    archive = {"train_dir": train_dir, "output_model_tgz": tmp_path / "a.tgz"}
    both = output | archive
    pattern = shards / "video" / "validate*.tfrecord"
    expect_error("Nothing to write", "--output_dir", train_dir=train_dir)
    expect_error("exclude each other", float16=True, int8=True, **output)
    expect_error("--int8 is for --output_dir only", int8=True, **both)
    expect_error("--vocabulary_file", vocabulary_file="x.csv", **archive)
    expect_error("--eval_data_pattern", eval_data_pattern=pattern, **archive)
    expect_error("end in .tgz", train_dir=train_dir, output_model_tgz=train_dir / "model.keras")
    expect_error("--output_dir", output_model_tgz=tmp_path / "e" / "a.tgz", **output)
    expect_error("no run directory", train_dir=tmp_path / "none", output_dir=tmp_path / "e")
    expect_error("Cannot read the vocabulary", vocabulary_file=tmp_path / "no.csv", **output)
    expect_error("No file matches", eval_data_pattern=tmp_path / "no*", **output)
    frames = shards / "frame" / "validate*.tfrecord"
    expect_error("do not fit the model", eval_data_pattern=frames, **output)
    assert not list(tmp_path.iterdir())


def test_a_model_that_diverged(made, tmp_path):
    shutil.copytree(made["video"], tmp_path / "run")
    model = runs.load(str(tmp_path / "run")).model
    weight = model.trainable_variables[0]
    weight.assign(np.full(weight.shape, np.nan))
    runs.save_model(str(tmp_path / "run"), model)
    expect_error(
        "holds NaN or infinity", train_dir=tmp_path / "run", output_dir=tmp_path / "exported"
    )
    assert not (tmp_path / "exported").exists()


def test_with_jax_it_packs_but_names_the_backend_for_a_saved_model(jax_jobs, made, tmp_path):
    flags = {"train_dir": made["video"], "float16": True}
    job = command("yt8m.export", output_dir=tmp_path / "exported", **flags)
    result = jax_jobs.run_job(job)
    assert result.returncode == 1
    assert "Set KERAS_BACKEND=tensorflow" in result.stderr.splitlines()[-1]
    job = command("yt8m.export", output_model_tgz=tmp_path / "run.tgz", **flags)
    printed = check(jax_jobs.run_job(job))
    lost = re.search(r"gap_lost[^-\d]*(\S+)", printed)[1]
    assert float(lost) == pytest.approx(0, abs=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["run.tgz"]
    assert keras.config.backend() == "tensorflow"
