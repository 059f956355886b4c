"""Every job as a user starts it: a process that ends with 0. An error ends it with 1 and one line.

The other tests run jobs in the process of the tests, see `job_in_process`.
"""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import job_in_process
import numpy as np
import pytest
import tensorflow as tf
from clip_files import write_clip
from job_runner import NUM_CLASSES, check, check_error, command, run_process
from paths import GOLDEN, ROOT

from yt8m.fusion.score_file import ScoreWriter

CLIPS = GOLDEN / "saved_runs" / "clips"
VIDEOS = GOLDEN / "saved_runs" / "videos"


def train(shards, run_dir, folder):
    pattern = shards / "video" / "train*.tfrecord"
    return {
        "train_dir": folder / "run",
        "train_data_pattern": pattern,
        "num_classes": NUM_CLASSES,
        "model": "logistic",
        "batch_size": 64,
        "max_steps": 1,
    }


def evaluate(shards, run_dir, folder):
    pattern = shards / "frame" / "validate0000.tfrecord"
    return {"train_dir": run_dir, "eval_data_pattern": pattern}


def inference(shards, run_dir, folder):
    pattern = shards / "frame" / "validate0000.tfrecord"
    return {
        "train_dir": run_dir,
        "input_data_pattern": pattern,
        "output_file": folder / "out.csv",
    }


def _submission(path: Path, shards: Path) -> Path:
    """One class for each video of a shard."""
    lines = ["VideoId,LabelConfidencePairs"]
    shard = str(shards / "video" / "validate0000.tfrecord")
    for record in tf.data.TFRecordDataset(shard).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        lines.append(f"{features['id'].bytes_list.value[0].decode()},1 0.5")
    path.write_text("\n".join([*lines, ""]))
    return path


def score(shards, run_dir, folder):
    return {
        "submission_file": _submission(folder / "submission.csv", shards),
        "eval_data_pattern": shards / "video" / "validate0000.tfrecord",
        "num_classes": NUM_CLASSES,
    }


def ensemble(shards, run_dir, folder):
    for name in ("a", "b"):
        _submission(folder / f"{name}.csv", shards)
    return {"input_files": folder / "?.csv", "output_file": folder / "out" / "out.csv"}


def late_fusion(shards, run_dir, folder):
    with ScoreWriter(str(folder / "a.npz"), 2, 1, 1, ("left", "right")) as writer:
        writer.add(["a", "b"], np.array([[0], [1]]), np.full((2, 1, 1, 2), 0.5, "float32"))
    return {"scores": folder / "a.npz"}


def teach(shards, run_dir, folder):
    pattern = shards / "frame" / "validate0000.tfrecord"
    return {"train_dir": run_dir, "input_data_pattern": pattern, "output_dir": folder}


def export(shards, run_dir, folder):
    return {"train_dir": run_dir, "output_dir": folder / "exported"}


def quantize_features(shards, run_dir, folder):
    pattern = shards / "frame" / "validate0000.tfrecord"
    return {"input_data_pattern": pattern, "output_dir": folder / "shards", "to": "float32"}


def import_checkpoint(shards, run_dir, folder):
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model.ckpt-5"),
        tensor_names=["fully_connected/weights", "fully_connected/biases"],
        shape_and_slices=["", ""],
        tensors=[tf.ones((6, 3)), tf.zeros(3)],
    )
    return {
        "checkpoint": folder / "model.ckpt-5",
        "train_dir": folder / "run",
        "model": "average(head=logistic)",
        "num_classes": 3,
        "feature_names": "rgb",
        "feature_sizes": 6,
    }


def import_features(shards, run_dir, folder):
    (folder / "arrays").mkdir()
    for name in ("a", "b"):
        np.save(folder / "arrays" / f"{name}.npy", np.ones((2, 3), "float32"))
    (folder / "labels.csv").write_text("id,labels\na,left\nb,right\n")
    flags = {"input_dir": folder / "arrays", "labels_file": folder / "labels.csv"}
    return flags | {"output_dir": folder / "shards"}


def export_features(shards, run_dir, folder):
    pattern = shards / "frame" / "validate0000.tfrecord"
    return {"input_data_pattern": pattern, "output_file": folder / "table.parquet"}


def prepare_ucf101(shards, run_dir, folder):
    """Two classes; group 1 is for testing, group 2 for training."""
    for name in ("clips", "lists"):
        (folder / name).mkdir()
    lists = {"classInd": "1 left\n2 right\n", "testlist01": "", "trainlist01": ""}
    for (number, label), group in itertools.product(enumerate(("left", "right"), 1), (1, 2)):
        (folder / "clips" / label).mkdir(exist_ok=True)
        name = f"{label}/v_{label}_g{group:02d}_c01.avi"
        write_clip(folder / "clips" / name, label, seed=number, num_frames=3)
        part, index = ("testlist01", "") if group == 1 else ("trainlist01", f" {number}")
        lists[part] += f"{name}{index}\n"
    for name, text in lists.items():
        (folder / "lists" / f"{name}.txt").write_text(text)
    flags = {"video_dir": folder / "clips", "lists_dir": folder / "lists"}
    return flags | {"data_dir": folder / "data", "num_workers": 0}


def make_manifest(shards, run_dir, folder):
    return {"output_file": folder / "clips.csv", "video_dir": VIDEOS}


def name_classes(shards, run_dir, folder):
    shutil.copytree(run_dir, folder / "run")
    (folder / "names.txt").write_text("Concert\nGame\n")
    return {"train_dir": folder / "run", "vocabulary_file": folder / "names.txt"}


def predict(shards, run_dir, folder):
    return {"train_dir": CLIPS}


def extract_features(shards, run_dir, folder):
    return {
        "input_manifest": VIDEOS / "clips.csv",
        "output_dir": folder / "features",
        "backbone": "karpathy",
        "image_size": 48,
        "weights": "none",
        "pca_dir": "",
        "num_workers": 1,
    }


def inspect(shards, run_dir, folder):
    flags = {"train_dir": CLIPS, "input_data_pattern": VIDEOS / "clips.csv"}
    flags |= {"output_dir": folder / "pictures", "cache_dir": folder / "cache"}
    return flags | {"num_workers": 0, "num_videos": 1}


def occlusion(shards, run_dir, folder):
    return inspect(shards, run_dir, folder) | {"patch": 32}


def deconvolution(shards, run_dir, folder):
    return inspect(shards, run_dir, folder) | {"layer": "sub_network/conv2d", "top_units": 1}


def synthetic(shards, run_dir, folder):
    return {"output_dir": folder / "data", "num_videos": 3, "num_shards": 1}


def demo(shards, run_dir, folder):
    return {"output_dir": folder / "demo"}


JOBS = {
    "yt8m.deconvolution": deconvolution,
    "yt8m.demo": demo,
    "yt8m.ensemble": ensemble,
    "yt8m.eval": evaluate,
    "yt8m.export": export,
    "yt8m.export_features": export_features,
    "yt8m.extract_features": extract_features,
    "yt8m.import_checkpoint": import_checkpoint,
    "yt8m.import_features": import_features,
    "yt8m.inference": inference,
    "yt8m.late_fusion": late_fusion,
    "yt8m.make_manifest": make_manifest,
    "yt8m.name_classes": name_classes,
    "yt8m.occlusion": occlusion,
    "yt8m.predict": predict,
    "yt8m.prepare_ucf101": prepare_ucf101,
    "yt8m.quantize_features": quantize_features,
    "yt8m.score": score,
    "yt8m.synthetic": synthetic,
    "yt8m.teach": teach,
    "yt8m.train": train,
}
# It starts these as a user does, and its own test starts it.
OF_DEMO = {"yt8m.demo", "yt8m.train", "yt8m.eval", "yt8m.inference", "yt8m.score"}
# It takes the names of videos; its own test starts it as processes.
PREDICT = "yt8m.predict"


def test_no_job_is_forgotten():
    files = (ROOT / "yt8m").rglob("*.py")
    found = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if re.search(r"^    jobs\.run\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == set(JOBS)


@pytest.mark.parametrize("module", sorted(set(JOBS) - OF_DEMO - {PREDICT}))
def test_a_job_that_succeeds_ends_with_0(module, shards, run_dir, tmp_path):
    """Started by the command `yt8m`; the test below starts it by its module."""
    flags = command(module, **JOBS[module](shards, run_dir, tmp_path))[3:]
    printed = check(run_process(command("yt8m", module.removeprefix("yt8m."), *flags)))
    assert printed


@pytest.mark.parametrize("module", JOBS)
def test_a_job_that_fails_ends_with_1_and_one_line(module, shards, run_dir, tmp_path):
    flags = JOBS[module](shards, run_dir, tmp_path)
    run = run_process if module in OF_DEMO else job_in_process.run  # All end by `jobs.run`.
    result = run(command(module, "b.tfrecord", **flags))
    refused = "There is no file" if module == PREDICT else "Unexpected argument 'b.tfrecord'"
    check_error(result, refused)
    assert result.stdout == ""
