"""A training that is killed goes on where its last checkpoint was, as if nothing had happened."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from job_runner import NUM_CLASSES, check_error, command, run_job, run_process, succeed

from yt8m.base.progress import ProgressReport

STEPS_AN_EPOCH = 15
NUM_EPOCHS = 4


@pytest.fixture
def flags(shards):
    """Dropout, an average of the weights and a decaying rate: all of it must be resumed."""
    return {
        "train_data_pattern": shards / "video" / "train*.tfrecord",
        "eval_data_pattern": shards / "video" / "validate*.tfrecord",
        "num_classes": NUM_CLASSES,
        "model": "mlp(hidden=32, dropout=0.5)",
        "batch_size": 16,
        "num_epochs": NUM_EPOCHS,
        "base_learning_rate": 0.01,
        "learning_rate_decay_examples": 100,
        "ema_momentum": 0.9,
        "checkpoint_steps": 4,
    }


def read_evaluation(folder, step: int) -> dict:
    return json.loads((folder / "eval" / f"step-{step:09d}.json").read_text())


def last_step(folder) -> int:
    names = [path.name for path in folder.glob("checkpoints/step-*")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


KILLED_SOON_AFTER = """
import os, random, runpy, sys, threading, time
from pathlib import Path


def kill(number, folder, checkpoint):
    while not any(path.name >= checkpoint for path in Path(folder).glob("checkpoints/step-*")):
        time.sleep(0.01)
    time.sleep(random.random() * 0.3)
    os.kill(os.getpid(), int(number))


threading.Thread(target=kill, args=[sys.argv.pop(1) for _ in range(3)], daemon=True).start()
runpy.run_module("yt8m.train", run_name="__main__", alter_sys=True)
"""


def kill_after(folder, step: int, number: int, flags: dict) -> subprocess.CompletedProcess:
    """Starts training, which gets a signal some time after the checkpoint of `step`."""
    training = command("yt8m.train", train_dir=folder, **flags)
    killer = [sys.executable, "-c", KILLED_SOON_AFTER, str(number), str(folder), f"step-{step:09d}"]
    return run_process([*killer, *training[3:]])


def test_a_killed_training_ends_as_an_unbroken_one(flags, tmp_path):
    """Killed, ended and interrupted from the keyboard, each inside another epoch."""
    succeed("yt8m.train", train_dir=tmp_path / "unbroken", **flags)
    broken = tmp_path / "broken"
    seen = []
    for epoch, number in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)):
        step = STEPS_AN_EPOCH * epoch + 5
        result = kill_after(broken, step, number, flags)
        seen.append(last_step(broken))
        assert seen[-1] >= step
        if number == signal.SIGKILL:
            assert result.returncode == -number
            continue
        assert result.returncode == 128 + number
        kept, ended = result.stderr.splitlines()[-2:]
        assert kept.startswith(f"Kept in {broken}: the checkpoint of step {seen[-1]} and the best ")
        assert f"To go on: yt8m train --train_dir={broken} " in kept
        assert ended == f"Ended by {number.name}."
    succeed("yt8m.train", train_dir=broken, **flags)
    assert seen == sorted(set(seen))
    total = STEPS_AN_EPOCH * NUM_EPOCHS
    assert last_step(broken) == total
    for step in range(STEPS_AN_EPOCH, total + 1, STEPS_AN_EPOCH):
        ours, theirs = (read_evaluation(folder, step) for folder in (broken, tmp_path / "unbroken"))
        for metric in ("gap", "map", "loss"):
            np.testing.assert_allclose(ours[metric], theirs[metric], rtol=1e-4)


@pytest.mark.parametrize(
    ("task", "expected"), [("Training", 1), ("Evaluating", STEPS_AN_EPOCH)], ids=str
)
def test_an_interrupted_training_keeps_the_step_it_is_in(
    task, expected, flags, tmp_path, monkeypatch
):
    """And an evaluation that was cut short is made by the next start."""
    advance = ProgressReport.advance

    def ask(self, *arguments):
        if self.task == task:
            signal.raise_signal(signal.SIGTERM)
        advance(self, *arguments)

    flags = flags | {"checkpoint_steps": 1000, "num_epochs": 2}
    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "advance", ask)
        result = run_job("yt8m.train", train_dir=tmp_path, start_new_model=True, **flags)
    assert result.returncode == 128 + signal.SIGTERM
    assert last_step(tmp_path) == expected
    assert "To go on: yt8m train" in result.stderr and "start_new_model" not in result.stderr
    assert not (tmp_path / "eval").exists()
    succeed("yt8m.train", train_dir=tmp_path, **flags)
    for step in (STEPS_AN_EPOCH, 2 * STEPS_AN_EPOCH):
        assert read_evaluation(tmp_path, step)["num_examples"] == 100


def test_a_run_that_is_deleted_under_training_ends_it(flags, tmp_path, monkeypatch):
    advance = ProgressReport.advance

    def delete(self, *arguments):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        advance(self, *arguments)

    monkeypatch.setattr(ProgressReport, "advance", delete)
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **flags)
    check_error(result, f"The run {tmp_path / 'run'} was deleted or moved while it was trained")
    assert not (tmp_path / "run").exists()


def test_more_epochs_continue_a_finished_run(flags, tmp_path):
    """`--num_epochs` may grow; a run that has nothing left to train ends at once."""
    small = flags | {"num_epochs": 1}
    succeed("yt8m.train", train_dir=tmp_path, **small)
    model = (tmp_path / "model.keras").read_bytes()
    succeed("yt8m.train", train_dir=tmp_path, **small)
    assert (tmp_path / "model.keras").read_bytes() == model
    (tmp_path / "model.keras").unlink()
    succeed("yt8m.train", train_dir=tmp_path, **small)
    assert (tmp_path / "model.keras").exists()
    succeed("yt8m.train", train_dir=tmp_path, **(flags | {"num_epochs": 2}))
    assert last_step(tmp_path) == 2 * STEPS_AN_EPOCH


KILLED_IN_SAVE = """
import os, runpy, signal
from yt8m import runs
runs.save_model = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
runpy.run_module("yt8m.train", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("limit", [{"num_epochs": 1}, {"max_steps": 10}])
def test_a_training_killed_in_its_last_save_is_saved_by_the_next_start(limit, flags, tmp_path):
    """Its last checkpoint, of the same step, must not pass for a finished run."""
    flags = flags | {"checkpoint_steps": 5} | limit
    training = command("yt8m.train", train_dir=tmp_path, **flags)
    killed = run_process([sys.executable, "-c", KILLED_IN_SAVE, *training[3:]])
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "model.keras").exists()
    succeed("yt8m.train", train_dir=tmp_path, **flags)
    last = 15 if "num_epochs" in limit else 10
    assert last_step(tmp_path) == last
    assert (tmp_path / "model.keras").exists()
    assert read_evaluation(tmp_path, last)["num_examples"] == 100


def test_other_validation_data_judges_anew(flags, shards, tmp_path):
    """The saved model stays where nothing is better by the new data."""
    flags = flags | {"max_steps": 3}
    succeed("yt8m.train", train_dir=tmp_path, **flags)
    assert read_evaluation(tmp_path, 3)["num_examples"] == 100
    before = (tmp_path / "model.keras").stat().st_mtime_ns
    flags["eval_data_pattern"] = shards / "video" / "validate0000.tfrecord"
    succeed("yt8m.train", train_dir=tmp_path, **flags)
    assert read_evaluation(tmp_path, 3)["num_examples"] == 34
    assert (tmp_path / "model.keras").stat().st_mtime_ns == before
