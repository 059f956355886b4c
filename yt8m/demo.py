"""Runs the whole pipeline on data it makes: shards, training, metrics, submission, score.

    yt8m demo --output_dir=demo

It starts each job as a user does, and prints the command.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from absl import flags

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data import synthetic

_NUM_TRAIN = 2000
_NUM_VALIDATE = 500
_NUM_CLASSES = 50


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("output_dir", "Folder for the shards, the run and the submission.", "demo")


def main() -> None:
    """Runs the pipeline."""
    output_dir = flags.FLAGS.output_dir
    data = os.path.join(output_dir, "data")
    train_dir = os.path.join(output_dir, "run")
    submission = os.path.join(output_dir, "submission.csv")
    files.check_output_file(submission)
    _make_shards(data)
    validate = os.path.join(data, "validate*.tfrecord")
    _run(
        "train",
        f"--train_dir={train_dir}",
        f"--train_data_pattern={os.path.join(data, 'train*.tfrecord')}",
        f"--eval_data_pattern={validate}",
        f"--num_classes={_NUM_CLASSES}",
        "--model=average(head=moe(mixtures=4))",
        "--num_epochs=10",
        "--batch_size=64",
        "--base_learning_rate=0.02",
        "--start_new_model",
    )
    _run("eval", f"--train_dir={train_dir}", f"--eval_data_pattern={validate}")
    _run(
        "inference",
        f"--train_dir={train_dir}",
        f"--input_data_pattern={validate}",
        f"--output_file={submission}",
    )
    _run(
        "score",
        f"--submission_file={submission}",
        f"--eval_data_pattern={validate}",
        f"--num_classes={_NUM_CLASSES}",
    )
    print(f"\nThe submission, in Kaggle's format: {submission}")


def _make_shards(data: str) -> None:
    print(f"Making {_NUM_TRAIN + _NUM_VALIDATE} synthetic frame-level videos in {data}", flush=True)
    world = synthetic.World(num_classes=_NUM_CLASSES)
    synthetic.write_shards(
        data, num_videos=_NUM_TRAIN, num_shards=6, prefix="train", seed=0, world=world
    )
    synthetic.write_shards(
        data,
        num_videos=_NUM_VALIDATE,
        num_shards=2,
        prefix="validate",
        seed=1,
        first_id=_NUM_TRAIN,
        world=world,
    )


def _run(job: str, *arguments: str) -> None:
    print(f"\n$ yt8m {shlex.join([job, *arguments])}", flush=True)
    command = [sys.executable, "-m", "yt8m", job, *arguments]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise UserError(f"`yt8m {job}` ended with exit code {code}; its message is above.")


if __name__ == "__main__":
    jobs.run(define_flags, main)
