"""A training that is killed goes on where its last checkpoint was, as if nothing had happened."""

import json
import signal
import sys

import numpy as np
import pytest
from job_runner import NUM_CLASSES, command, run_process, succeed

STEPS_AN_EPOCH = 15
NUM_EPOCHS = 3


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
import os, random, runpy, signal, sys, threading, time
from pathlib import Path


def kill(folder, checkpoint):
    while not any(path.name >= checkpoint for path in Path(folder).glob("checkpoints/step-*")):
        time.sleep(0.01)
    time.sleep(random.random() * 0.3)
    os.kill(os.getpid(), signal.SIGKILL)


threading.Thread(target=kill, args=(sys.argv.pop(1), sys.argv.pop(1)), daemon=True).start()
runpy.run_module("yt8m.train", run_name="__main__", alter_sys=True)
"""


def kill_after(folder, step: int, flags: dict) -> None:
    """Starts training, which is killed with SIGKILL some time after the checkpoint of `step`."""
    training = command("yt8m.train", train_dir=folder, **flags)
    killer = [sys.executable, "-c", KILLED_SOON_AFTER, str(folder), f"step-{step:09d}"]
    assert run_process([*killer, *training[3:]]).returncode == -signal.SIGKILL


def test_a_killed_training_ends_as_an_unbroken_one(flags, tmp_path):
    """Killed twice: inside the first epoch, and inside the second."""
    succeed("yt8m.train", train_dir=tmp_path / "unbroken", **flags)
    broken = tmp_path / "broken"
    seen = []
    for step in (4, STEPS_AN_EPOCH + 6):
        kill_after(broken, step, flags)
        seen.append(last_step(broken))
        assert seen[-1] >= step
    succeed("yt8m.train", train_dir=broken, **flags)
    assert seen == sorted(seen)
    total = STEPS_AN_EPOCH * NUM_EPOCHS
    assert last_step(broken) == total
    for step in range(STEPS_AN_EPOCH, total + 1, STEPS_AN_EPOCH):
        ours, theirs = (read_evaluation(folder, step) for folder in (broken, tmp_path / "unbroken"))
        for metric in ("gap", "map", "loss"):
            np.testing.assert_allclose(ours[metric], theirs[metric], rtol=1e-4)


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
