"""The ensemble of two models' submissions, as a user makes and scores it."""

import functools
import json
import random
import re
import tempfile
from pathlib import Path

import job_runner
import pytest
import tensorflow as tf
from job_runner import NUM_CLASSES, measure, succeed

HEADER = "VideoId,LabelConfidencePairs\n"


expect_error = functools.partial(job_runner.expect_error, "yt8m.ensemble")


@pytest.fixture(scope="module")
def submissions(run_dir, training_flags, shards, tmp_path_factory):
    """A folder with the predictions of two different models for the validation shards."""
    folder = tmp_path_factory.mktemp("submissions")
    flags = training_flags | {"model": "soft_dbow(clusters=16, hidden=16)", "seed": 1}
    succeed("yt8m.train", train_dir=folder / "run", **flags)
    pattern = shards / "frame" / "validate*.tfrecord"
    for name, train_dir in {"a": run_dir, "b": folder / "run"}.items():
        succeed(
            "yt8m.inference",
            train_dir=train_dir,
            input_data_pattern=pattern,
            output_file=folder / f"{name}.csv",
            top_k=8,
        )
    return folder


def score(path, pattern) -> float:
    flags = {"submission_file": path, "eval_data_pattern": pattern}
    return measure("yt8m.score", num_classes=NUM_CLASSES, **flags)["gap"]


def fit(**flags) -> tuple[dict, str]:
    """What a fit wrote as JSON, and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        printed = succeed("yt8m.ensemble", results_file=path, **flags)
        return json.loads(path.read_text()), printed


@pytest.mark.parametrize("method", ["mean", "geometric", "rank"])
def test_weights_fitted_on_labels_score_as_promised(method, submissions, shards, tmp_path):
    pattern = shards / "frame" / "validate*.tfrecord"
    flags = {"input_files": submissions / "?.csv", "method": method, "num_classes": NUM_CLASSES}
    fitting = {"output_file": tmp_path / "fitted.csv", "fit_on": pattern}
    results, printed = fit(**fitting, **flags)
    assert "GAP@20 on 100 videos of" in printed
    assert printed.endswith(f"Wrote 100 videos: {tmp_path / 'fitted.csv'}\n")
    fitted = score(tmp_path / "fitted.csv", pattern)
    assert fitted == pytest.approx(results["these_weights"], abs=2e-4)
    equal, alone = results["equal_weights"], [file["alone"] for file in results["files"]]
    assert fitted >= max(equal, *alone) - 2e-4
    assert len(alone) == 2 and all(f"{value:.5f}" in printed for value in (equal, *alone))

    weights = re.search(r"--weights=(\S+)", printed)[1]
    succeed("yt8m.ensemble", output_file=tmp_path / "given.csv", weights=weights, **flags)
    assert (tmp_path / "given.csv").read_text() == (tmp_path / "fitted.csv").read_text()
    succeed("yt8m.ensemble", output_file=tmp_path / "equal.csv", **flags)
    assert score(tmp_path / "equal.csv", pattern) == pytest.approx(equal, abs=2e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["equal.csv", "fitted.csv", "given.csv"]


def test_only_some_classes_of_a_video_are_written(submissions, tmp_path):
    flags = {"input_files": f"{submissions}/a.csv,{submissions}/b.csv", "top_k": 3}
    succeed("yt8m.ensemble", output_file=tmp_path / "new" / "out.csv", **flags)
    lines = (tmp_path / "new" / "out.csv").read_text().splitlines()
    assert len(lines) == 101
    assert {len(line.split()) for line in lines[1:]} == {6}
    first = (submissions / "a.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in lines] == [row.split(",")[0] for row in first]


@pytest.fixture
def segment_files(shards, tmp_path):
    """Two submissions for the rated segments: their ratings, blurred more and less."""
    rated: dict[int, dict[str, float]] = {}
    for path in sorted((shards / "segment").glob("validate*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            context = tf.train.SequenceExample.FromString(record).context.feature
            name = context["id"].bytes_list.value[0].decode()
            classes = context["segment_labels"].int64_list.value
            starts = context["segment_start_times"].int64_list.value
            scores = context["segment_scores"].float_list.value
            for c, start, value in zip(classes, starts, scores, strict=True):
                rated.setdefault(c, {})[f"{name}:{start}"] = value
    for noise in (1.1, 2.0):
        rng, lines = random.Random(noise), ["Class,Segments\n"]
        for c, own in sorted(rated.items()):
            ranked = sorted(own, key=lambda name: own[name] + noise * rng.random())
            lines.append(f"{c},{' '.join(reversed(ranked))}\n")
        (tmp_path / f"{noise}.csv").write_text("".join(lines))
    return tmp_path


@pytest.mark.parametrize("method", ["mean", "geometric", "rank"])
def test_weights_fitted_on_ratings_score_as_promised(method, segment_files, shards):
    pattern, output = shards / "segment" / "validate*.tfrecord", segment_files / "out" / "out.csv"
    results, printed = fit(
        input_files=segment_files / "*.csv",
        output_file=output,
        fit_on=pattern,
        method=method,
        num_classes=NUM_CLASSES,
    )
    assert "MAP@100000 on " in printed
    fitted = results["these_weights"]
    scored = measure(
        "yt8m.score", submission_file=output, eval_data_pattern=pattern, num_classes=NUM_CLASSES
    )
    # Equal scores count at their expected value in a fit, and have an order in a file.
    assert scored["map_at_k"] == pytest.approx(fitted, abs=5e-3)
    alone = measure(
        "yt8m.score",
        submission_file=segment_files / "1.1.csv",
        eval_data_pattern=pattern,
        num_classes=NUM_CLASSES,
    )
    assert results["files"][0]["alone"] == pytest.approx(alone["map_at_k"], abs=1e-9)
    assert fitted >= alone["map_at_k"]

    succeed(
        "yt8m.ensemble",
        input_files=segment_files / "*.csv",
        output_file=segment_files / "out" / "cut.csv",
        segment_max_pred=2,
    )
    lines = (segment_files / "out" / "cut.csv").read_text().splitlines()[1:]
    assert max(len(line.split()) for line in lines) == 2


def test_flags_that_do_not_go_together(submissions, segment_files, shards, tmp_path):
    flags = {"input_files": submissions / "?.csv", "output_file": tmp_path / "out.csv"}
    labelled = shards / "frame" / "validate*.tfrecord"
    expect_error("--weights", "--fit_on", weights="1,1", fit_on=labelled, **flags)
    expect_error("--segment_max_pred", "videos", segment_max_pred=5, **flags)
    expect_error("--batch_size", "--fit_on", batch_size=5, **flags)
    of_segments = flags | {"input_files": segment_files / "*.csv"}
    expect_error("--top_k", "segments", top_k=5, **of_segments)
    expect_error("segment_labels", fit_on=labelled, **of_segments)
    expect_error("--weights", "3 (1,1,1)", "2 files", weights="1,1,1", **flags)
    assert not (tmp_path / "out.csv").exists()


def test_shards_to_fit_on_that_are_of_no_use(submissions, segment_files, shards, tmp_path):
    flags = {"input_files": submissions / "?.csv", "output_file": tmp_path / "out.csv"}
    flags["num_classes"] = NUM_CLASSES
    expect_error("No file matches", fit_on=tmp_path / "none*.tfrecord", **flags)
    other = shards / "frame" / "train*.tfrecord"
    expect_error("None of the 240 labelled videos", "a.csv", fit_on=other, **flags)
    of_segments = flags | {"input_files": segment_files / "*.csv"}
    rated = shards / "segment" / "train*.tfrecord"
    expect_error("rated segments", "in the line of its class", fit_on=rated, **of_segments)
    record = next(iter(tf.data.TFRecordDataset(str(shards / "frame" / "validate0000.tfrecord"))))
    example = tf.train.SequenceExample.FromString(record.numpy())
    del example.context.feature["labels"].int64_list.value[:]
    with tf.io.TFRecordWriter(str(tmp_path / "unlabelled.tfrecord")) as writer:
        writer.write(example.SerializeToString())
    expect_error("no labels", fit_on=tmp_path / "unlabelled.tfrecord", **flags)
    assert not (tmp_path / "out.csv").exists()


def test_a_bad_line_costs_nothing_but_itself(submissions, tmp_path):
    (tmp_path / "bad.csv").write_text(HEADER + "v,1 0.5\nw,1 x\n")
    (tmp_path / "out.csv").write_text("precious\n")
    expect_error(
        "bad.csv, line 3",
        input_files=f"{submissions}/a.csv,{tmp_path}/bad.csv",
        output_file=tmp_path / "out.csv",
    )
    assert (tmp_path / "out.csv").read_text() == "precious\n"
    expect_error(
        "is one of the --input_files",
        input_files=submissions / "?.csv",
        output_file=submissions / "a.csv",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "out.csv"]
