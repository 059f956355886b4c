"""AutoGraph converts none of our functions: it would write a file for each to the temporary folder.

It deletes them as Python ends, but those of a job that is killed stay.
"""

import sys

import pytest
from job_runner import check, run_child

SCRIPT = """
import glob, importlib, sys, tempfile

tempfile.tempdir, module = sys.argv.pop(1), sys.argv.pop(1)
from yt8m.base import jobs
job = importlib.import_module(module)

def main():
    job.main()
    left = [open(path).read() for path in glob.glob(tempfile.gettempdir() + "/*autograph*")]
    ours = [text for text in left if "signature_wrapper" not in text]  # TensorFlow's own.
    print("left:", ours)

jobs.run(job.define_flags, main)
"""


@pytest.fixture
def run(tmp_path):
    """Runs a job, and returns what it printed and what AutoGraph had written by its end."""

    def run(module, **flags):
        folder = tmp_path / "temporary"
        folder.mkdir()
        given = [f"--{name}={value}" for name, value in flags.items()]
        command = [sys.executable, "-c", SCRIPT, str(folder), module, *given]
        return check(run_child(command))

    return run


def test_training_and_its_evaluation(run, training_flags, tmp_path):
    printed = run("yt8m.train", train_dir=tmp_path / "run", **training_flags | {"num_epochs": 1})
    assert printed.endswith("left: []\n")


def test_inference(run, run_dir, shards, tmp_path):
    pattern = shards / "segment" / "validate*.tfrecord"
    flags = {"train_dir": run_dir, "input_data_pattern": pattern, "segment_labels": True}
    assert run("yt8m.inference", output_file=tmp_path / "a.csv", **flags).endswith("left: []\n")


def test_export(run, run_dir, tmp_path):
    printed = run("yt8m.export", train_dir=run_dir, output_dir=tmp_path / "exported")
    assert printed.endswith("left: []\n")
