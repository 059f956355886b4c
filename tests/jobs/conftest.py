"""Shards and a trained run for the tests of the jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from job_runner import NUM_CLASSES, succeed

from yt8m.data import synthetic

WORLD = synthetic.World(
    num_classes=NUM_CLASSES, feature_sizes=(16, 8), min_frames=4, max_frames=12, noise=0.1
)


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


@pytest.fixture(scope="session")
def label_ids(tmp_path_factory) -> Path:
    """A list of some of the classes."""
    path = tmp_path_factory.mktemp("vocabulary") / "segment_label_ids.csv"
    path.write_text("Index\n4\n0\n1\n7\n")
    return path


@pytest.fixture(scope="session")
def segments_file(run_dir, shards, tmp_path_factory) -> Path:
    """The segments of the rated videos, predicted by a run that was trained on whole videos."""
    path = tmp_path_factory.mktemp("segments") / "new" / "submission.csv"
    succeed(
        "yt8m.inference",
        train_dir=run_dir,
        input_data_pattern=shards / "segment" / "validate*.tfrecord",
        output_file=path,
        segment_labels=True,
        batch_size=32,
    )
    return path
