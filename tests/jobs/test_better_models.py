"""Starting from another run, averaged checkpoints and a teacher: as processes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from job_runner import NUM_CLASSES, expect_error, run_job, succeed
from npz import arrays

from yt8m import runs
from yt8m.data.teacher import TeacherScores


@pytest.fixture
def own_shards(tmp_path, shards) -> Path:
    """Shards that a test may write beside."""
    shutil.copytree(shards / "frame", tmp_path / "frame")
    return tmp_path / "frame"


def weights(train_dir) -> list[np.ndarray]:
    return [variable.numpy() for variable in runs.load(str(train_dir)).model.weights]


def test_a_run_starts_from_the_weights_of_another(tmp_path, run_dir, training_flags):
    source = tmp_path / "source"
    shutil.copytree(run_dir, source)
    flags = training_flags | {"base_learning_rate": 1e-12, "max_steps": 1, "init_from": source}
    del flags["eval_data_pattern"]
    succeed("yt8m.train", train_dir=tmp_path / "run", **flags)
    for mine, theirs in zip(weights(tmp_path / "run"), weights(source), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)
    assert runs.read_config(str(tmp_path / "run")).training["init_from"] == str(source)
    shutil.rmtree(source)  # To go on, a run needs it no more.
    succeed("yt8m.train", train_dir=tmp_path / "run", **(flags | {"max_steps": 2}))
    result = run_job("yt8m.train", train_dir=tmp_path / "new", **flags)
    assert result.returncode == 1
    assert f"There is no run directory {source}" in result.stderr


def test_the_saved_model_is_the_mean_of_the_last_evaluations(tmp_path, training_flags):
    flags = training_flags | {"num_epochs": 3, "average_checkpoints": 2}
    del flags["eval_data_pattern"]
    succeed("yt8m.train", train_dir=tmp_path / "run", **flags)
    kept = sorted((tmp_path / "run" / "checkpoints").glob("weights-*.npz"))
    assert [int(path.stem.partition("-")[2]) for path in kept] == [14, 21]
    held = [arrays(path) for path in kept]
    for i, value in enumerate(weights(tmp_path / "run")):
        mean = (held[0][f"w{i}"] + held[1][f"w{i}"]) / 2
        np.testing.assert_allclose(value, mean, rtol=1e-6)
        assert not np.array_equal(held[0][f"w{i}"], held[1][f"w{i}"])
    assert runs.read_config(str(tmp_path / "run")).training["average_checkpoints"] == 2


def test_a_stopped_run_averages_what_an_unbroken_one_does(tmp_path, training_flags):
    flags = training_flags | {"average_checkpoints": 3, "num_epochs": 4}
    del flags["eval_data_pattern"]
    succeed("yt8m.train", train_dir=tmp_path / "whole", **flags)
    succeed("yt8m.train", train_dir=tmp_path / "parts", **(flags | {"num_epochs": 2}))
    succeed("yt8m.train", train_dir=tmp_path / "parts", **flags)
    for mine, theirs in zip(weights(tmp_path / "parts"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_a_run_teaches_another(tmp_path, own_shards, run_dir, training_flags):
    pattern = own_shards / "train*.tfrecord"
    flags = training_flags | {"train_data_pattern": pattern, "teacher": "big", "distillation": 1}
    result = run_job("yt8m.train", train_dir=tmp_path / "student", **flags)
    assert "There is no" in result.stderr and "`yt8m teach`" in result.stderr
    teach = {"train_dir": run_dir, "input_data_pattern": pattern, "name": "big"}
    assert "Wrote the scores of 3 of 3 shard(s)." in succeed("yt8m.teach", **teach)
    assert "0 of 3 shard(s); 3 were there" in succeed("yt8m.teach", **teach)
    # A teacher alone, whose labels are another's: the student learns what the teacher says.
    for path in sorted(own_shards.glob("train*.npz")):
        known = TeacherScores.read([str(path)[: -len(".big.npz")]], "big", NUM_CLASSES)
        assert known.classes.shape == (80, NUM_CLASSES)
        classes = np.where(known.classes == 0, 0, -1)
        TeacherScores(known.ids, classes, np.ones_like(known.scores), NUM_CLASSES).write(str(path))
    del flags["eval_data_pattern"]
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "student",
        **(flags | {"num_epochs": 9, "base_learning_rate": 0.05}),
    )
    run = runs.load(str(tmp_path / "student"))
    assert run.config.training["teacher"] == "big" and run.config.training["distillation"] == 1
    frames = {"rgb": np.full((1, 4, 16), 99, "uint8"), "audio": np.full((1, 4, 8), 99, "uint8")}
    answer = run.model.predict_on_batch(frames | {"num_frames": np.array([4])})[0]
    assert answer[0] > 0.7 and answer[1:].max() < 0.3, answer


def test_a_video_that_comes_twice_is_taught_once(tmp_path, run_dir, shards):
    records = shards / "frame" / "validate0000.tfrecord"
    (tmp_path / "twice.tfrecord").write_bytes(2 * records.read_bytes())
    flags = {"train_dir": run_dir, "input_data_pattern": tmp_path / "*.tfrecord"}
    result = run_job("yt8m.teach", **flags)
    assert "34 records have the id of an earlier one; they are left out." in result.stderr
    (path,) = tmp_path.glob("twice.tfrecord.*")
    with np.load(path) as scores:
        assert len(scores["ids"]) == 34


def test_a_submission_teaches(tmp_path, shards, run_dir):
    pattern = shards / "frame" / "validate*.tfrecord"
    submission = tmp_path / "submission.csv"
    succeed("yt8m.inference", train_dir=run_dir, input_data_pattern=pattern, output_file=submission)
    shared = {"input_data_pattern": pattern, "top_k": 5}
    by_run, by_file = tmp_path / "by_run", tmp_path / "by_file"
    succeed("yt8m.teach", train_dir=run_dir, output_dir=by_run, **shared)
    succeed(
        "yt8m.teach",
        submission_file=submission,
        output_dir=by_file,
        num_classes=NUM_CLASSES,
        **shared,
    )
    names = sorted(path.name for path in by_run.iterdir())
    assert names == [f"validate000{i}.tfrecord.teacher.npz" for i in range(3)]
    for name in names:
        with np.load(by_run / name) as one, np.load(by_file / name) as other:
            np.testing.assert_array_equal(one["ids"], other["ids"])
            np.testing.assert_allclose(one["scores"], other["scores"], atol=1e-3)


def test_a_submission_of_other_videos_teaches_nothing(tmp_path, own_shards):
    submission = tmp_path / "submission.csv"
    submission.write_text("VideoId,LabelConfidencePairs\nabcd,1 0.5\n")
    flags = {"submission_file": submission, "num_classes": NUM_CLASSES}
    pattern = own_shards / "validate*.tfrecord"
    before = sorted(own_shards.iterdir())
    parts = (submission, "knows none of the 100 videos of 3 shard(s)", "validate0000.tfrecord.")
    expect_error("yt8m.teach", *parts, input_data_pattern=pattern, **flags)
    assert sorted(own_shards.iterdir()) == before
    # What is known of one shard is written, and that nothing is known of the others.
    records = tf.data.TFRecordDataset(str(own_shards / "validate0002.tfrecord"))
    example = tf.train.SequenceExample.FromString(next(iter(records)).numpy())
    (video_id,) = example.context.feature["id"].bytes_list.value
    with submission.open("a") as file:
        file.write(f"{video_id.decode()},1 0.5\n")
    succeed("yt8m.teach", input_data_pattern=pattern, **flags)
    written = [own_shards / f"validate000{i}.tfrecord.teacher.npz" for i in range(3)]
    assert [len(arrays(path)["ids"]) for path in written] == [0, 0, 1]


def test_a_shard_that_cannot_be_read_has_no_teacher_and_harms_none(
    tmp_path, own_shards, run_dir, training_flags
):
    (own_shards / "train0009.tfrecord").write_bytes(b"")
    pattern = own_shards / "train*"  # The scores that will lie there are no shards.
    teach = {"train_dir": run_dir, "input_data_pattern": pattern}
    assert "of 4 of 4 shard(s)" in succeed("yt8m.teach", **teach)
    assert "of 4 of 4 shard(s)" in succeed("yt8m.teach", overwrite=True, **teach)
    flags = training_flags | {"train_data_pattern": pattern, "teacher": "teacher"}
    succeed("yt8m.train", train_dir=tmp_path / "run", **flags)


def test_shards_that_would_share_a_teacher_are_refused(tmp_path, own_shards, training_flags):
    shutil.copytree(own_shards, tmp_path / "more")
    pattern = f"{own_shards}/train*.tfrecord,{tmp_path}/more/train*.tfrecord"
    flags = training_flags | {"train_data_pattern": pattern, "teacher": "t", "teacher_dir": "x"}
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **flags)
    assert result.returncode == 1 and "would share" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"teacher": "t", "loss": "warp"}, "--teacher needs a loss that takes probabilities"),
        ({"teacher_dir": "t"}, "--teacher_dir has no meaning without --teacher"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, training_flags, flags, message):
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **(training_flags | flags))
    assert result.returncode == 1 and message in result.stderr
    assert not (tmp_path / "run").exists()


def test_one_teacher_is_needed(tmp_path, shards):
    result = run_job("yt8m.teach", input_data_pattern=shards / "frame" / "train*")
    assert "either --train_dir or --submission_file" in result.stderr


def test_flags_are_recorded(tmp_path, training_flags):
    succeed("yt8m.train", train_dir=tmp_path / "run", **(training_flags | {"ema_momentum": 0.5}))
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    assert config["optimizer"]["ema_momentum"] == 0.5
    assert config["training"]["average_checkpoints"] == 1
