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
from yt8m.data.teacher import TeacherScores, hash_ids


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


class Baseline(tf.Module):
    """A logistic of the mean of a video's frames, as programs of others export one."""

    def __init__(self):
        super().__init__()
        kernel = np.random.default_rng(0).normal(size=(24, NUM_CLASSES), scale=0.3)
        self.kernel = tf.Variable(kernel.astype("float32"))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 300, 24), tf.float32, "input_batch_raw"),
            tf.TensorSpec((None,), tf.int32, "num_frames"),
        ]
    )
    def of_frames(self, frames, num_frames):
        """All scores."""
        mean = tf.reduce_sum(frames, 1) / tf.cast(num_frames, tf.float32)[:, None]
        return {"predictions": tf.sigmoid(mean @ self.kernel)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "example_bytes")])
    def of_records(self, records):
        """The best scores, and their classes."""
        lists = {n: tf.io.RaggedFeature(tf.string, n) for n in ("rgb", "audio")}
        _, parsed, _ = tf.io.parse_sequence_example(records, sequence_features=lists)
        sizes = {"rgb": 16, "audio": 8}
        frames = [tf.io.decode_raw(parsed[n].flat_values, tf.uint8) for n in sizes]
        counts = parsed["rgb"].row_lengths()
        sums = [
            tf.RaggedTensor.from_row_lengths(
                tf.cast(tf.reshape(x, (-1, size)), tf.float32) * (4 / 255) + (4 / 512 - 2), counts
            )
            for x, size in zip(frames, sizes.values(), strict=True)
        ]
        mean = tf.concat([tf.reduce_mean(x, axis=1) for x in sums], axis=1)
        scores, classes = tf.nn.top_k(tf.sigmoid(mean @ self.kernel), 5)
        return {"class_indexes": classes, "predictions": scores}


def test_a_saved_model_teaches(tmp_path, shards):
    """From frames of a fixed length, and from records, it says the same as NumPy does."""
    baseline, pattern = Baseline(), shards / "frame" / "validate*.tfrecord"
    shared = {"input_data_pattern": pattern, "num_classes": NUM_CLASSES, "top_k": 5}
    for name in ("of_frames", "of_records"):
        tf.saved_model.save(baseline, str(tmp_path / name), getattr(baseline, name))
        flags = {"teacher_saved_model": tmp_path / name, "output_dir": tmp_path / f"by_{name}"}
        assert "of 3 of 3 shard(s)" in succeed("yt8m.teach", **flags, **shared)
    example = tf.train.SequenceExample()
    records = tf.data.TFRecordDataset(str(shards / "frame" / "validate0001.tfrecord"))
    example.ParseFromString(next(iter(records)).numpy())
    (video_id,) = example.context.feature["id"].bytes_list.value
    lists = (example.feature_lists.feature_list[name].feature for name in ("rgb", "audio"))
    frames = [[frame.bytes_list.value[0] for frame in values] for values in lists]
    stored = np.array([list(rgb + audio) for rgb, audio in zip(*frames, strict=True)])
    mean = (stored * (4 / 255) + 4 / 512 - 2).mean(axis=0)
    expected = np.sort(1 / (1 + np.exp(-mean @ baseline.kernel.numpy())))[::-1][:5]
    for name in ("of_frames", "of_records"):
        found = arrays(tmp_path / f"by_{name}" / "validate0001.tfrecord.teacher.npz")
        (row,) = np.flatnonzero(found["ids"] == hash_ids([video_id])[0])
        np.testing.assert_allclose(np.sort(found["scores"][row])[::-1], expected, atol=2e-3)
    expect_error("yt8m.teach", "Name one teacher", submission_file=tmp_path, **flags, **shared)
    video = shared | {"input_data_pattern": shards / "video" / "validate*.tfrecord"}
    expect_error("yt8m.teach", "teaches frame-level records", **flags, **video)
    tf.saved_model.save(
        baseline,
        str(tmp_path / "odd"),
        tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec((2,), tf.float32, "x")]),
    )
    odd = {"teacher_saved_model": tmp_path / "odd"}
    expect_error("yt8m.teach", "is not understood: x [2] float32 -> y [2] float32", **odd, **shared)


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
    assert "either --train_dir, --submission_file or" in result.stderr


def test_flags_are_recorded(tmp_path, training_flags):
    succeed("yt8m.train", train_dir=tmp_path / "run", **(training_flags | {"ema_momentum": 0.5}))
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    assert config["optimizer"]["ema_momentum"] == 0.5
    assert config["training"]["average_checkpoints"] == 1
