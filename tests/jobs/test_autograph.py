"""AutoGraph converts none of our functions: it would write a file for each to the temporary folder.

It deletes them as Python ends, but those of a job that is killed stay.
"""

import json
import os
import sys

from job_runner import check, run_process
from paths import HELPERS, ROOT

SCRIPT = """
import glob, json, sys, tempfile
import job_runner

for module, flags in json.loads(sys.argv[1]):
    job_runner.succeed(module, **flags)
left = [open(path).read() for path in glob.glob(tempfile.gettempdir() + "/*autograph*")]
ours = [text for text in left if "signature_wrapper" not in text]  # TensorFlow's own, of exports.
print("left:", ours)
"""


def test_no_job_leaves_converted_functions(training_flags, shards, tmp_path):
    run, folder = tmp_path / "run", tmp_path / "temporary"
    folder.mkdir()
    rated = shards / "segment" / "validate*.tfrecord"
    jobs = {
        "yt8m.train": training_flags | {"train_dir": run, "num_epochs": 1},
        "yt8m.eval": {"train_dir": run, "eval_data_pattern": rated, "segment_labels": True},
        "yt8m.inference": {
            "train_dir": run,
            "input_data_pattern": rated,
            "output_file": tmp_path / "a.csv",
        },
        "yt8m.export": {"train_dir": run, "output_dir": tmp_path / "exported"},
    }
    arguments = json.dumps(list(jobs.items()), default=str)
    path = os.pathsep.join(map(str, (ROOT, HELPERS)))
    command = [sys.executable, "-c", SCRIPT, arguments]
    result = run_process(command, PYTHONPATH=path, TMPDIR=str(folder))
    assert check(result).endswith("left: []\n")
