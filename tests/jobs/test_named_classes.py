"""The names of classes: where a run has them from, and who uses them."""

import csv
import json
import shutil
import tarfile

import pytest
import tensorflow as tf
from job_runner import NUM_CLASSES, check, expect_error, run_job, succeed
from paths import GOLDEN

from yt8m import runs
from yt8m.data import class_names

NAMES = [f"name {number}" for number in range(NUM_CLASSES)]
CLIP_RUN = GOLDEN / "saved_runs" / "clips"


def named_in(path) -> list[str]:
    """The names in a CSV of classes."""
    with open(path, encoding="utf-8", newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]


@pytest.fixture
def vocabulary(tmp_path):
    """A vocabulary as YouTube-8M publishes it, in another order than that of the classes."""
    path = tmp_path / "names.csv"
    lines = [f"{number},10,/m/0{number},{name}" for number, name in enumerate(NAMES)]
    header = "Index,TrainVideoCount,KnowledgeGraphId,Name"
    path.write_text("\n".join([header, *reversed(lines), ""]))
    return path


@pytest.fixture
def video_shards(shards, tmp_path):
    """A folder of some shards of videos, beside which something may be put."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for name in ("train0000.tfrecord", "validate0000.tfrecord"):
        shutil.copy(shards / "video" / name, folder)
    return folder


def train(folder, video_shards, **flags):
    """Trains for a step; returns what it says of it."""
    result = run_job(
        "yt8m.train",
        train_dir=folder,
        train_data_pattern=video_shards / "train*",
        eval_data_pattern=video_shards / "validate*",
        num_classes=NUM_CLASSES,
        model="logistic",
        batch_size=64,
        max_steps=1,
        **flags,
    )
    check(result)
    return result.stderr


def test_a_training_keeps_the_names_that_it_is_given(video_shards, vocabulary, tmp_path):
    run = tmp_path / "run"
    class_names.write(str(video_shards / "vocabulary.csv"), ["others"] * NUM_CLASSES)
    train(run, video_shards, vocabulary_file=vocabulary)
    assert class_names.read(str(run / "vocabulary.csv"), NUM_CLASSES) == NAMES
    (evaluated,) = (run / "eval").glob("step-*-classes.csv")
    assert named_in(evaluated) == NAMES


def test_what_lies_beside_the_shards_is_kept(video_shards, tmp_path):
    run = tmp_path / "run"
    class_names.write(str(video_shards / "vocabulary.csv"), NAMES)
    (video_shards / "features.json").write_text('{"features": {}}')
    (video_shards / "mean.npy").write_bytes(b"mean")
    train(run, video_shards)
    assert runs.read_names(str(run), runs.read_config(str(run))) == NAMES
    kept = run / "features"
    assert sorted(path.name for path in kept.iterdir()) == ["features.json", "mean.npy"]
    assert (kept / "mean.npy").read_bytes() == b"mean"
    archive = tmp_path / "run.tgz"
    succeed("yt8m.export", train_dir=run, output_model_tgz=archive)
    with tarfile.open(archive) as file:
        names = {"vocabulary.csv", "features/features.json", "features/mean.npy"}
        assert {f"run/{name}" for name in names} < set(file.getnames())
    succeed("yt8m.train", start_new_model=True, **changed(run, video_shards))
    assert not kept.exists() and not (run / "vocabulary.csv").exists()


def changed(run, video_shards) -> dict:
    """Flags of another training there, without what lies beside the shards."""
    for name in ("vocabulary.csv", "features.json"):
        (video_shards / name).unlink()
    pattern = video_shards / "train*.tfrecord"
    flags = {"num_classes": NUM_CLASSES, "model": "moe", "batch_size": 64, "max_steps": 1}
    return {"train_dir": run, "train_data_pattern": pattern} | flags


def test_a_vocabulary_beside_the_shards_that_does_not_fit_is_not_used(video_shards, tmp_path):
    class_names.write(str(video_shards / "vocabulary.csv"), [*NAMES, "one more"])
    said = train(tmp_path / "run", video_shards)
    assert "are not used" in said and f"names class {NUM_CLASSES}" in said
    assert not (tmp_path / "run" / "vocabulary.csv").exists()


def test_names_are_added_to_a_run_and_used(run_dir, shards, vocabulary, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    pattern = shards / "frame" / "validate0000.tfrecord"
    printed = succeed("yt8m.name_classes", train_dir=run, vocabulary_file=vocabulary)
    assert f"Named the {NUM_CLASSES} classes of {run}: name 0, name 1, name 2, ..." in printed
    succeed("yt8m.eval", train_dir=run, eval_data_pattern=pattern)
    newest = max((run / "eval").glob("2*-classes.csv"))
    assert named_in(newest) == NAMES
    succeed("yt8m.export", train_dir=run, output_dir=tmp_path / "exported")
    assert json.loads((tmp_path / "exported" / "export.json").read_text())["names"] is True
    module = tf.saved_model.load(str(tmp_path / "exported"))
    (record,) = tf.data.TFRecordDataset(str(pattern)).take(1)
    answer = module.signatures["serving_default"](serialized=record[None])
    found = [name.decode() for name in answer["names"].numpy()[0]]
    assert found == [NAMES[number] for number in answer["classes"].numpy()[0]]


def test_score_writes_its_classes_with_their_names(run_dir, shards, vocabulary, tmp_path):
    pattern = shards / "frame" / "validate0000.tfrecord"
    submission, classes = tmp_path / "submission.csv", tmp_path / "classes.csv"
    flags = {"train_dir": run_dir, "input_data_pattern": pattern, "output_file": submission}
    succeed("yt8m.inference", **flags)
    score = {"submission_file": submission, "eval_data_pattern": pattern, "num_classes": 12}
    flags = {"classes_file": classes, "vocabulary_file": vocabulary}
    succeed("yt8m.score", **score, **flags)
    assert named_in(classes) == NAMES
    succeed("yt8m.score", **score, classes_file=classes)
    with open(classes, encoding="utf-8") as file:
        assert file.readline().startswith("class,positives,")
    expect_error("yt8m.score", "--vocabulary_file has no meaning", **score, vocabulary_file="x")


def test_the_classes_of_a_run_of_raw_video_get_other_names(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(CLIP_RUN, run)
    old = runs.read_config(str(run))
    names = [f"class of {name}" for name in old.schema.classes]
    (tmp_path / "names.txt").write_text("\n".join(names))
    succeed("yt8m.name_classes", train_dir=run, vocabulary_file=tmp_path / "names.txt")
    new = runs.load(str(run)).config
    assert list(new.schema.classes) == names
    assert [line.partition(":")[0] for line in old.difference(new)] == ["schema.classes"]
    (tmp_path / "twice.txt").write_text("\n".join(["same"] * len(names)))
    flags = {"train_dir": run, "vocabulary_file": tmp_path / "twice.txt"}
    expect_error("yt8m.name_classes", "Two classes would be called 'same'", **flags)
