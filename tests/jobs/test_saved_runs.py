"""Runs that an earlier version saved: this one predicts the same, and trains on to the same."""

import json
import shutil
from pathlib import Path

import job_in_process
import numpy as np
import pytest
from job_runner import check, command
from paths import GOLDEN

SAVED = GOLDEN / "saved_runs"


def predictions(path: Path) -> dict[str, np.ndarray]:
    """The scores of each video by its id, in the order of the classes."""
    rows = (line.split(",") for line in path.read_text().splitlines()[1:])
    pairs = {name: np.array(text.split(), float).reshape(-1, 2) for name, text in rows}
    return {name: values[np.argsort(values[:, 0])] for name, values in pairs.items()}


def assert_predicts(folder: Path, run, expected: Path, **flags) -> None:
    """The run in a folder predicts what stands in a file.

    `run` runs the job on a backend.
    """
    output = folder.with_suffix(".csv")
    job = command("yt8m.inference", train_dir=folder, output_file=output, **flags)
    check(run(job))
    received, wanted = predictions(output), predictions(expected)
    assert received.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(received[name], values, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_saved_run_predicts_the_same_and_trains_on(backend, tmp_path, monkeypatch, jax_jobs):
    run = jax_jobs.run_job if backend == "jax" else job_in_process.run
    folder = tmp_path / backend
    shutil.copytree(SAVED / backend, folder)
    monkeypatch.chdir(SAVED)  # Its pattern of shards is relative.
    flags = json.loads((folder / "run.json").read_text())["flags"]
    reading = {"input_data_pattern": flags["train_data_pattern"], "batch_size": 16, "top_k": 7}
    assert_predicts(folder, run, SAVED / f"{backend}.csv", **reading)
    names = ("train_data_pattern", "eval_data_pattern", "model", "num_classes", "batch_size")
    given = {name: flags[name] for name in (*names, "num_epochs", "base_learning_rate")}
    printed = check(run(command("yt8m.train", train_dir=folder, **given)))
    assert "to step 8" in printed
    assert_predicts(folder, run, SAVED / f"{backend}-resumed.csv", **reading)


def test_a_saved_run_of_clips_predicts_the_same(tmp_path):
    folder = tmp_path / "clips"
    shutil.copytree(SAVED / "clips", folder)
    manifest = f"{SAVED / 'videos' / 'clips.csv'}#validate"
    flags = {"input_data_pattern": manifest, "num_workers": 0, "cache_dir": tmp_path}
    assert_predicts(folder, job_in_process.run, SAVED / "clips.csv", **flags)
