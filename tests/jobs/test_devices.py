"""Training on several devices gives what training on one gives."""

import json
import sys

import numpy as np
import pytest
from job_runner import NUM_CLASSES, check, command, run_job, run_process, succeed

TWO_CPUS = """
import runpy, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
runpy.run_module("yt8m.train", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def flags(shards):
    return {
        "train_data_pattern": shards / "frame" / "train*.tfrecord",
        "eval_data_pattern": shards / "frame" / "validate*.tfrecord",
        "num_classes": NUM_CLASSES,
        "model": "average(head=logistic(l2=0.1))",
        "batch_size": 48,
        "num_epochs": 1,
        "eval_steps": 3,
        "base_learning_rate": 0.02,
        "clip_gradient_norm": 0,
        "ema_momentum": 0.5,
    }


def losses(folder) -> list[float]:
    paths = sorted(folder.glob("eval/step-*.json"))
    assert len(paths) == 2
    return [json.loads(path.read_text())["loss"] for path in paths]


def test_two_devices_train_as_one(flags, tmp_path):
    arguments = command("yt8m.train", train_dir=tmp_path / "two", distribute="mirrored", **flags)
    two = run_process([sys.executable, "-c", TWO_CPUS, *arguments[3:]])
    check(two)
    assert "Training on 2 devices" in two.stderr
    succeed("yt8m.train", train_dir=tmp_path / "one", **flags)
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-3)


def test_two_jax_devices_train_as_one(flags, tmp_path, jax_jobs):
    one, two = (command("yt8m.train", train_dir=tmp_path / n, **flags) for n in ("one", "two"))
    on_two = jax_jobs.run_job([*two, "--distribute=data_parallel"])
    check(on_two)
    assert "Training on 2 devices" in on_two.stderr
    check(jax_jobs.run_job(one))
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-3)


@pytest.mark.parametrize(
    ("choice", "part"), [("data_parallel", "jax backend"), ("tpu", "finds no TPU")]
)
def test_devices_that_are_not_there(choice, part, flags, tmp_path):
    result = run_job("yt8m.train", train_dir=tmp_path, distribute=choice, **flags)
    assert result.returncode == 1
    assert part in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
