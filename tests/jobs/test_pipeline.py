"""The jobs one after the other, as a user runs them."""

import csv
import json
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import job_in_process
import numpy as np
import pytest
from job_runner import (
    NUM_CLASSES,
    check,
    command,
    expect_error,
    measure,
    run_job,
    run_process,
    succeed,
)
from shard_files import example, record_starts, write

from yt8m import demo, runs
from yt8m.base import files


def test_a_run_holds_what_the_design_says(run_dir):
    config = json.loads((run_dir / "run.json").read_text())
    assert config["model"].startswith("average(head=moe(mixtures=2, l2=1e-08")
    assert config["schema"]["features"][0]["name"] == "rgb"
    assert config["preprocessing"] == {"normalize": "l2", "max_frames": 300}
    assert config["loss"].startswith("CrossEntropy(")
    assert config["optimizer"]["name"].startswith("Adam(")
    assert config["flags"]["base_learning_rate"] == 0.02
    assert {"yt8m", "keras", "tensorflow", "numpy", "backend"} <= set(config["versions"])
    assert "git_commit" in config
    assert (run_dir / "model.keras").is_file()
    assert list((run_dir / "checkpoints").glob("step-*/state.weights.h5"))
    assert list((run_dir / "logs" / "train").glob("events*"))
    assert list((run_dir / "logs" / "eval").glob("events*"))
    assert not list(run_dir.rglob(".tmp*"))


def test_train_writes_an_evaluation_each_epoch(run_dir):
    steps = sorted(path.name for path in (run_dir / "eval").glob("step-*.json"))
    assert steps == ["step-000000007.json", "step-000000014.json"]


def test_eval_inference_and_score_agree(run_dir, shards, tmp_path):
    pattern = shards / "frame" / "validate*.tfrecord"
    before = set((run_dir / "eval").iterdir())
    printed = succeed("yt8m.eval", train_dir=run_dir, eval_data_pattern=pattern)
    new = set((run_dir / "eval").iterdir()) - before
    results = json.loads(next(path for path in new if path.suffix == ".json").read_text())
    needed = {"gap", "hit_at_1", "hit_at_5", "perr", "map", "loss", "num_examples"}
    assert needed <= set(results)
    assert results["num_examples"] == 100
    assert f"{results['gap']:.5f}" in printed
    with open(next(path for path in new if path.suffix == ".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == NUM_CLASSES
    assert sum(int(row["positives"]) for row in rows) == results["num_labels"]

    submission = tmp_path / "new" / "submission.csv"
    succeed(
        "yt8m.inference",
        train_dir=run_dir,
        input_data_pattern=pattern,
        output_file=submission,
        top_k=NUM_CLASSES,
        batch_size=7,
    )
    lines = submission.read_text().splitlines()
    assert lines[0] == "VideoId,LabelConfidencePairs"
    assert len(lines) == 101
    assert len(lines[1].split(",")[1].split()) == 2 * NUM_CLASSES
    assert [p.name for p in submission.parent.iterdir()] == ["submission.csv"]

    scored = measure(
        "yt8m.score",
        submission_file=submission,
        eval_data_pattern=pattern,
        num_classes=NUM_CLASSES,
    )
    assert scored["gap"] == pytest.approx(results["gap"], abs=1e-4)
    pooled_one = measure(
        "yt8m.score",
        submission_file=submission,
        eval_data_pattern=pattern,
        num_classes=NUM_CLASSES,
        top_k=1,
    )
    for metric in ("hit_at_5", "perr", "overall_recall_at_3"):
        assert pooled_one[metric] == pytest.approx(results[metric], abs=1e-4)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_video_level_records_and_both_backends(backend, shards, tmp_path, jax_jobs):
    """Trains on one backend; the run is read by TensorFlow."""
    training = command(
        "yt8m.train",
        train_dir=tmp_path / "run",
        train_data_pattern=shards / "video" / "train*.tfrecord",
        eval_data_pattern=shards / "video" / "validate*.tfrecord",
        num_classes=NUM_CLASSES,
        model="mlp(hidden=16, dropout=0.1, head=moe)",
        loss="mean_cross_entropy(label_smoothing=0.01)",
        optimizer="adamw(weight_decay=0.01)",
        ema_momentum=0.5,
        batch_size=32,
        num_epochs=2,
        max_steps=10,
        eval_steps=4,
    )
    run = jax_jobs.run_job if backend == "jax" else job_in_process.run
    check(run(training))
    config = runs.read_config(str(tmp_path / "run"))
    assert config.versions["backend"] == backend
    results = measure(
        "yt8m.eval",
        train_dir=tmp_path / "run",
        eval_data_pattern=shards / "video" / "validate*.tfrecord",
    )
    steps = sorted((tmp_path / "run" / "eval").glob("step-*.json"))
    assert [path.name for path in steps] == [f"step-{s:09d}.json" for s in (4, 7, 8, 10)]
    best = max(json.loads(path.read_text())["gap"] for path in steps)
    assert results["gap"] == pytest.approx(best, abs=2e-5)


@pytest.mark.parametrize(
    "flags",
    [
        {"mixed_precision": "bfloat16", "distribute": "mirrored"},
        {"mixed_precision": "float16", "ema_momentum": 0.5},
        {
            "jit_compile": True,
            "feature_names": "rgb",
            "feature_sizes": 16,
            "normalize": "none",
            "max_frames": 5,
        },
    ],
    ids=",".join,
)
def test_training_options(flags, training_flags, shards, tmp_path):
    flags = training_flags | {"train_dir": tmp_path / "run", "max_steps": 3} | flags
    succeed("yt8m.train", **flags)
    config = runs.read_config(str(tmp_path / "run"))
    if "feature_names" in flags:
        assert config.schema.feature_names == ("rgb",)
        assert config.preprocessing == {"normalize": "none", "max_frames": 5}
    assert (tmp_path / "run" / "model.keras").is_file()


def test_training_without_validation_keeps_the_last_model(training_flags, tmp_path):
    flags = training_flags | {"eval_data_pattern": "", "max_steps": 3}
    succeed("yt8m.train", train_dir=tmp_path / "run", **flags)
    assert (tmp_path / "run" / "model.keras").is_file()
    assert not (tmp_path / "run" / "eval").exists()


def test_damaged_shards_are_named_skipped_and_counted(run_dir, shards, tmp_path):
    good = (shards / "frame" / "validate0000.tfrecord").read_bytes()
    (length,) = struct.unpack_from("<Q", good)
    flipped = bytearray(good)
    flipped[12 + length // 2] ^= 1
    (tmp_path / "a_flipped.tfrecord").write_bytes(flipped)
    (tmp_path / "b_cut.tfrecord").write_bytes(good[: len(good) // 2])
    (tmp_path / "c_text.tfrecord").write_text("not a shard\n" * 10)
    (tmp_path / "d_good.tfrecord").write_bytes(good)
    flags = {"train_dir": run_dir, "eval_data_pattern": tmp_path / "*.tfrecord"}
    result = run_job("yt8m.eval", results_file=tmp_path / "results.json", **flags)
    check(result)
    lost = (
        (length + 16)
        + (len(good) // 2 - max(s for s in record_starts(good) if s <= len(good) // 2))
        + len("not a shard\n" * 10)
    )
    for name in ("a_flipped", "b_cut", "c_text"):
        assert f"{name}.tfrecord" in result.stderr
    assert "a_flipped.tfrecord is cut or corrupt at byte 0:" in result.stderr
    assert f"3 damaged or unreadable shard(s), {lost:,} byte(s) lost" in result.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert 33 + 34 < results["num_examples"] < 100

    failed = run_job("yt8m.eval", on_corrupt_shard="fail", **flags)
    assert failed.returncode == 1
    assert "ERROR" in failed.stderr
    assert "corrupt at byte" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr


def test_demo_ends_with_metrics_and_a_submission(tmp_path, monkeypatch, capsys):
    """Each job is a process, as a user starts it; here with a fifth of the videos."""

    def start(command: list[str], check: bool) -> subprocess.CompletedProcess:
        result = run_process(command)
        print(result.stdout)
        return result

    folder = tmp_path / "demo"
    monkeypatch.setattr(demo, "_NUM_TRAIN", 400)
    monkeypatch.setattr(demo, "_NUM_VALIDATE", 100)
    monkeypatch.setattr(demo.subprocess, "run", start)
    monkeypatch.setattr(demo.flags, "FLAGS", SimpleNamespace(output_dir=str(folder)))
    demo.main()
    printed = capsys.readouterr().out
    assert " gap " in printed
    assert printed.rstrip().endswith(str(folder / "submission.csv"))
    assert len((folder / "submission.csv").read_text().splitlines()) == 101


def test_help_names_models_and_flags():
    result = run_job("yt8m.train", help=True)
    for word in ("--train_dir", "--batch_size", "average", "netvlad@gated", "--on_corrupt_shard"):
        assert word in result.stdout


def test_eval_waits_for_new_models(run_dir, shards, tmp_path, monkeypatch):
    """`--norun_once` evaluates each model that is written, until it is ended from outside."""
    folder = tmp_path / "run"
    shutil.copytree(run_dir, folder)
    flags = {"train_dir": folder, "eval_data_pattern": shards / "frame" / "validate*.tfrecord"}
    meanwhile = iter([lambda: None, lambda: os.utime(folder / "model.keras"), _interrupt])
    monkeypatch.setattr(time, "sleep", lambda seconds: next(meanwhile)())
    result = run_job("yt8m.eval", "--norun_once", **flags)
    assert result.returncode == 130 and result.stderr.endswith("Interrupted.\n")
    wrote = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("Wrote ")]
    assert len(set(wrote)) == len(wrote) == 2
    assert all(np.isfinite(json.loads(Path(path).read_text())["gap"]) for path in wrote)


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_video_that_comes_twice_is_written_once(run_dir, shards, tmp_path):
    copy = tmp_path / "copy.tfrecord"
    shutil.copy(shards / "frame" / "validate0000.tfrecord", copy)
    flags = {"train_dir": run_dir, "output_file": tmp_path / "twice.csv"}
    pattern = f"{shards / 'frame' / 'validate*.tfrecord'},{copy}"
    result = run_job("yt8m.inference", input_data_pattern=pattern, **flags)
    assert "records have the id of an earlier one; they are left out" in result.stderr
    assert "Wrote the predictions of 100 videos" in result.stdout
    ids = [line.partition(",")[0] for line in (tmp_path / "twice.csv").read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 101


def test_labels_of_other_classes_do_not_matter_to_a_prediction(shards, tmp_path):
    """Nor does the vocabulary that the records are of."""
    flags = {"num_classes": 3, "model": "logistic", "max_steps": 1, "batch_size": 4}
    context = {"id": [b"few"], "labels": [1], "mean_rgb": [0.5] * 16, "mean_audio": [0.5] * 8}
    few = write(tmp_path / "few.tfrecord", 8 * [example(**context)])
    succeed("yt8m.train", train_dir=tmp_path / "run", train_data_pattern=few, **flags)
    pattern = shards / "video" / "validate*.tfrecord"
    flags = {"train_dir": tmp_path / "run", "input_data_pattern": pattern}
    printed = succeed("yt8m.inference", output_file=tmp_path / "a.csv", **flags)
    assert "Wrote the predictions of 100 videos" in printed
    flags = {"train_dir": tmp_path / "run", "eval_data_pattern": pattern}
    expect_error("yt8m.eval", "outside the vocabulary of 3 classes", **flags)


def test_two_trainings_do_not_share_a_folder(tmp_path, training_flags):
    with files.locked(str(tmp_path)):
        result = run_job("yt8m.train", train_dir=tmp_path, **training_flags)
    assert result.returncode == 1
    assert f"ERROR: Another training is writing to {tmp_path}." in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [files.LOCK]
