"""Segments of 2019: evaluated, predicted and scored by jobs as a user runs them."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from job_runner import NUM_CLASSES, check, command, measure, run_job, succeed

from yt8m import runs


def videos(pattern: Path) -> list[tf.train.SequenceExample]:
    """The records of shards, in order."""
    paths = sorted(str(path) for path in pattern.parent.glob(pattern.name))
    records = tf.data.TFRecordDataset(paths).as_numpy_iterator()
    return [tf.train.SequenceExample.FromString(record) for record in records]


def name_of(video: tf.train.SequenceExample) -> str:
    return video.context.feature["id"].bytes_list.value[0].decode()


def frames_of(video: tf.train.SequenceExample, feature: str) -> np.ndarray:
    """(frames, size) uint8."""
    frames = video.feature_lists.feature_list[feature].feature
    return np.array([list(frame.bytes_list.value[0]) for frame in frames], np.uint8)


def predict(model, video: tf.train.SequenceExample, start: int) -> np.ndarray:
    """What the model says of the 5 frames from a start on, (num_classes,)."""
    inputs = {f: frames_of(video, f)[None, start : start + 5] for f in ("rgb", "audio")}
    return np.asarray(model.predict_on_batch(inputs | {"num_frames": np.array([5])}))[0]


def ratings_of(video: tf.train.SequenceExample) -> list[tuple[int, int, float]]:
    """(start, class, score) of each rating."""
    features = video.context.feature
    return list(
        zip(
            features["segment_start_times"].int64_list.value,
            features["segment_labels"].int64_list.value,
            features["segment_scores"].float_list.value,
            strict=True,
        )
    )


def recompute(run_dir, pattern, only=range(NUM_CLASSES)) -> dict:
    """MAP, GAP and loss by hand, from the records and the model: no scores are equal."""
    model = runs.load(str(run_dir)).model
    by_class, losses = {c: [] for c in only}, []
    for video in videos(pattern):
        for start, class_id, score in ratings_of(video):
            if class_id in by_class:
                p = float(predict(model, video, start)[class_id])
                by_class[class_id].append((p, score == 1.0))
                losses.append(-np.log((p if score == 1.0 else 1 - p) + 1e-5))

    def precision(pairs):
        hits = [hit for _, hit in sorted(pairs, reverse=True)]
        return sum(sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit) / sum(hits)

    positive = [pairs for pairs in by_class.values() if any(hit for _, hit in pairs)]
    pool = [pair for pairs in by_class.values() for pair in pairs]
    assert len({p for p, _ in pool}) == len(pool)
    return {
        "map_at_k": np.mean([precision(pairs) for pairs in positive]),
        "gap": precision(pool),
        "loss": np.mean(losses),
        "num_ratings": len(pool),
        "num_classes_with_positives": len(positive),
    }


@pytest.mark.parametrize("listed", [False, True], ids=["all", "listed"])
def test_eval_and_score_agree_with_the_records(listed, run_dir, shards, label_ids, segments_file):
    pattern = shards / "segment" / "validate*.tfrecord"
    flags = {"segment_label_ids_file": label_ids} if listed else {}
    before = set((run_dir / "eval").iterdir())
    printed = succeed(
        "yt8m.eval", train_dir=run_dir, eval_data_pattern=pattern, segment_labels=True, **flags
    )
    written = set((run_dir / "eval").iterdir()) - before
    results = json.loads(next(p for p in written if p.suffix == ".json").read_text())
    wanted = recompute(run_dir, pattern, {4, 0, 1, 7} if listed else range(NUM_CLASSES))
    for name, number in wanted.items():
        assert results[name] == pytest.approx(number, rel=1e-4), name
    assert results["segment_labels"] is True and results["skipped_segments"] == 0
    assert results["segment_label_ids_file"] == (str(label_ids) if listed else "")
    assert f"{results['map_at_k']:.5f}" in printed
    with open(next(p for p in written if p.suffix == ".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["class", "rated", "positives", "average_precision"]
    assert sum(int(row["rated"]) for row in rows) == results["num_ratings"]
    scored = measure(
        "yt8m.score",
        submission_file=segments_file,
        eval_data_pattern=pattern,
        num_classes=NUM_CLASSES,
        segment_labels=True,
        **flags,
    )
    for name in ("map_at_k", "num_ratings", "num_classes_with_positives"):
        assert scored[name] == pytest.approx(results[name], abs=1e-5)
    assert scored["gap"] is None


def test_the_file_has_every_full_segment_best_first(run_dir, shards, segments_file):
    lines = segments_file.read_text().splitlines()
    assert lines[0] == "Class,Segments"
    assert [line.split(",")[0] for line in lines[1:]] == [str(c) for c in range(NUM_CLASSES)]
    records = videos(shards / "segment" / "validate*.tfrecord")
    starts = {name_of(video): range(0, len(frames_of(video, "rgb")) - 4, 5) for video in records}
    segments = {f"{name}:{start}" for name, found in starts.items() for start in found}
    model = runs.load(str(run_dir)).model
    scores = {
        f"{name_of(video)}:{start}": predict(model, video, start)
        for video in records
        for start in starts[name_of(video)]
    }
    for class_id, line in enumerate(lines[1:]):
        listed = line.split(",")[1].split(" ")
        assert len(listed) == len(segments) and set(listed) == segments
        falling = [scores[segment][class_id] for segment in listed]
        assert np.all(np.diff(falling) <= 1e-6)
    assert [path.name for path in segments_file.parent.iterdir()] == ["submission.csv"]


def test_the_best_of_unrated_videos(run_dir, shards, label_ids, tmp_path):
    result = run_job(
        "yt8m.inference",
        train_dir=run_dir,
        input_data_pattern=shards / "frame" / "validate*.tfrecord",
        output_file=tmp_path / "out.csv",
        segment_labels=True,
        segment_label_ids_file=label_ids,
        segment_max_pred=3,
    )
    check(result)
    lines = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["0", "1", "4", "7"]
    assert all(len(line.split(",")[1].split(" ")) == 3 for line in lines)
    frames = [len(frames_of(v, "rgb")) for v in videos(shards / "frame" / "validate*.tfrecord")]
    short = sum(number < 5 for number in frames)
    assert short and f"{short} of 100 videos have fewer than the 5 frames" in result.stderr
    assert f"the best of {sum(number // 5 for number in frames)} segments" in result.stdout


def test_videos_that_come_twice(run_dir, shards, segments_file, tmp_path):
    """A segment stands once in a line, and a rating that comes twice counts twice."""
    source = shards / "segment"
    for path in source.glob("validate*.tfrecord"):
        shutil.copy(path, tmp_path / path.name)
        shutil.copy(path, tmp_path / f"copy-{path.name}")
    result = run_job(
        "yt8m.inference",
        train_dir=run_dir,
        input_data_pattern=tmp_path / "*.tfrecord",
        output_file=tmp_path / "out.csv",
        segment_labels=True,
    )
    check(result)
    # Those shorter than a segment are not among them.
    assert "records have the id of an earlier one" in result.stderr
    flags = {"num_classes": NUM_CLASSES, "eval_data_pattern": tmp_path / "*.tfrecord"}
    scored = measure("yt8m.score", submission_file=tmp_path / "out.csv", **flags)
    evaluated = measure(
        "yt8m.eval",
        train_dir=run_dir,
        eval_data_pattern=tmp_path / "*.tfrecord",
        segment_labels=True,
    )
    once = measure(
        "yt8m.score",
        submission_file=segments_file,
        eval_data_pattern=source / "validate*.tfrecord",
        num_classes=NUM_CLASSES,
    )
    assert scored["num_ratings"] == 2 * once["num_ratings"]
    assert scored["map_at_k"] == pytest.approx(evaluated["map_at_k"], abs=1e-5)


def test_videos_in_two_shards_are_scored_twice(run_dir, shards, tmp_path):
    """The submission of whole videos: as many times as it is labelled."""
    source = shards / "frame" / "validate0000.tfrecord"
    flags = {"train_dir": run_dir, "input_data_pattern": source}
    succeed("yt8m.inference", output_file=tmp_path / "out.csv", **flags)
    flags = {"submission_file": tmp_path / "out.csv", "num_classes": NUM_CLASSES}
    once = measure("yt8m.score", eval_data_pattern=source, segment_labels=False, **flags)
    shutil.copy(source, tmp_path / "copy.tfrecord")
    twice = measure(
        "yt8m.score", eval_data_pattern=f"{source},{tmp_path / 'copy.tfrecord'}", **flags
    )
    assert twice["num_examples"] == 2 * once["num_examples"]
    assert twice["hit_at_1"] == once["hit_at_1"]


def test_jax_predicts_the_same(jax_jobs, run_dir, shards, segments_file, label_ids, tmp_path):
    flags = {"train_dir": run_dir, "segment_labels": True, "batch_size": 64}
    pattern = shards / "segment" / "validate*.tfrecord"
    output = tmp_path / "out.csv"
    job = command("yt8m.inference", input_data_pattern=pattern, output_file=output, **flags)
    check(jax_jobs.run_job(job))
    assert [set(line.split(",")[1].split()) for line in output.read_text().splitlines()[1:]] == [
        set(line.split(",")[1].split()) for line in segments_file.read_text().splitlines()[1:]
    ]
    flags |= {"results_file": tmp_path / "results.json"}
    job = command("yt8m.eval", eval_data_pattern=pattern, **flags)
    check(jax_jobs.run_job(job))
    received = json.loads((tmp_path / "results.json").read_text())
    wanted = recompute(run_dir, pattern)
    for name in ("map_at_k", "gap", "loss"):
        assert received[name] == pytest.approx(wanted[name], abs=1e-4)


def test_from_synthetic_shards_to_a_score(tmp_path):
    """Every step with its defaults, on rated shards, that are trained on as whole videos."""
    for seed, (prefix, count) in enumerate({"train": 64, "validate": 30}.items()):
        flags = {"kind": "segment", "prefix": prefix, "num_videos": count, "seed": seed}
        flags |= {"num_shards": 2, "num_classes": NUM_CLASSES, "first_id": 1000 * seed}
        succeed("yt8m.data.synthetic", output_dir=tmp_path / "data", **flags)
    train, validate = (tmp_path / "data" / f"{name}*" for name in ("train", "validate"))
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        train_data_pattern=train,
        eval_data_pattern=validate,
        num_classes=NUM_CLASSES,
        model="average",
        batch_size=32,
        num_epochs=1,
    )
    flags = {"train_dir": tmp_path / "run", "segment_labels": True}
    evaluated = measure("yt8m.eval", eval_data_pattern=validate, **flags)
    output = tmp_path / "out.csv"
    succeed("yt8m.inference", input_data_pattern=validate, output_file=output, **flags)
    flags = {"eval_data_pattern": validate, "num_classes": NUM_CLASSES}
    scored = measure("yt8m.score", submission_file=output, **flags)
    assert scored["map_at_k"] == pytest.approx(evaluated["map_at_k"], abs=1e-5)
    assert 0.3 < scored["map_at_k"] < 1
