"""Shards, a trained run, and a way to start jobs as a user does: as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from yt8m.data import synthetic

NUM_CLASSES = 12
WORLD = synthetic.World(
    num_classes=NUM_CLASSES, feature_sizes=(16, 8), min_frames=4, max_frames=12, noise=0.1
)
Job = Callable[..., subprocess.CompletedProcess]


def environment(**variables: str) -> dict[str, str]:
    """The environment of a job: one thread a core is enough, the checkout can be imported."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | variables


def command(module: str, **flags: object) -> list[str]:
    """The command line of a job."""
    return [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in flags.items())]


def run_job(module: str, *, env: dict[str, str] | None = None, **flags) -> Job:
    """Runs a job to its end."""
    return subprocess.run(
        command(module, **flags),
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(**(env or {})),
        check=False,
    )


def succeed(module: str, **flags) -> str:
    """Runs a job that must succeed and returns what it printed."""
    result = run_job(module, **flags)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="session")
def shards(tmp_path_factory) -> Path:
    """A folder with train, validate and test shards of videos, frames and segments."""
    folder = tmp_path_factory.mktemp("shards")
    for kind in synthetic.KINDS:
        for seed, (split, count) in enumerate({"train": 240, "validate": 100}.items()):
            synthetic.write_shards(
                str(folder / kind),
                kind=kind,
                num_videos=count,
                num_shards=3,
                prefix=split,
                seed=seed,
                first_id=seed * 1000,
                world=WORLD,
            )
    return folder


@pytest.fixture(scope="session")
def training_flags(shards) -> dict:
    """Flags that train a small frame model in a few seconds."""
    return {
        "train_data_pattern": shards / "frame" / "train*.tfrecord",
        "eval_data_pattern": shards / "frame" / "validate*.tfrecord",
        "num_classes": NUM_CLASSES,
        "model": "average(head=moe)",
        "batch_size": 32,
        "num_epochs": 2,
        "base_learning_rate": 0.02,
    }


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory, training_flags) -> Path:
    """A trained run. Tests read it; those that write make their own."""
    folder = tmp_path_factory.mktemp("run") / "run"
    succeed("yt8m.train", train_dir=folder, **training_flags)
    return folder
