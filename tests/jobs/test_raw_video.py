"""Raw video through the jobs, as a user runs them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet
import pytest
from clip_files import write_clip, write_clips
from job_runner import check, command, expect_error, run_job, run_process, succeed
from npz import arrays

CLIPS = "clips(frames=4,resize=24,crop=20)"


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """A manifest of small videos."""
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def flags(clips):
    """Flags that train a small model of pixels in a few seconds."""
    return {
        "train_data_pattern": f"{clips}#train",
        "eval_data_pattern": f"{clips}#validate",
        "model": "cnn_m(width=0.03)",
        "clips": CLIPS.replace("24", "48").replace("20", "44"),
        "loss": "softmax(scores='log_probabilities')",
        "batch_size": 6,
        "num_epochs": 3,
        "base_learning_rate": 0.003,
        "num_workers": 0,
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory, flags):
    """A trained run of raw video, and what its training printed."""
    folder = tmp_path_factory.mktemp("raw") / "run"
    result = run_job("yt8m.train", train_dir=folder, **flags)
    return folder, check(result), result.stderr


def test_training_keeps_what_a_clip_is(run):
    folder, printed, _ = run
    assert "best video Hit@1" in printed
    schema = json.loads((folder / "run.json").read_text())["schema"]
    assert schema["kind"] == "clip"
    assert schema["classes"] == ["left", "right"]
    assert schema["inputs"] == ["pixels"]
    assert schema["clips"]["frames"] == 4
    assert schema["flow"] is None


def test_eval_scores_every_view_and_keeps_the_scores(run, clips):
    folder, *_ = run
    printed = succeed(
        "yt8m.eval",
        train_dir=folder,
        eval_data_pattern=f"{clips}#validate",
        num_clips=2,
        num_crops=5,
        batch_size=7,
        num_workers=1,
    )
    assert "clip_hit_at_1" in printed
    [path] = folder.glob("eval/*.scores.npz")
    kept = arrays(path)
    assert kept["scores"].shape == (6, 2, 5, 2)
    assert kept["classes"].tolist() == ["left", "right"]
    results = json.loads(path.with_name(path.name.replace(".scores.npz", ".json")).read_text())
    best = kept["scores"].argmax(-1)
    truth = kept["labels"][:, 0]
    assert results["clip_hit_at_1"] == pytest.approx((best == truth[:, None, None]).mean())
    means = kept["scores"].mean((1, 2)).argmax(-1)
    assert results["video_hit_at_1"] == pytest.approx((means == truth).mean())


def test_inference_calls_videos_by_their_path(run, clips, tmp_path):
    folder, *_ = run
    path = tmp_path / "submission.csv"
    succeed(
        "yt8m.inference",
        train_dir=folder,
        input_data_pattern=f"{clips}#validate",
        output_file=path,
        num_clips=2,
        num_workers=0,
    )
    lines = path.read_text().splitlines()
    assert lines[0] == "VideoId,LabelConfidencePairs"
    assert len(lines) == 7
    assert lines[1].startswith("left/v_g06_c00.mp4,")
    pairs = lines[1].split(",")[1].split()
    assert {pairs[0], pairs[2]} == {"0", "1"}
    assert float(pairs[1]) + float(pairs[3]) == pytest.approx(1, abs=1e-4)


def test_inference_writes_a_table_with_the_names_of_the_classes(run, clips, tmp_path):
    folder, *_ = run
    path = tmp_path / "predictions.parquet"
    flags = {"input_data_pattern": f"{clips}#validate", "output_file": path, "num_workers": 0}
    succeed("yt8m.inference", train_dir=folder, **flags)
    rows = pyarrow.parquet.read_table(path).to_pylist()
    assert len(rows) == 12
    assert (rows[0]["id"], rows[0]["rank"]) == ("left/v_g06_c00.mp4", 1)
    assert {(row["class"], row["name"]) for row in rows} == {(0, "left"), (1, "right")}
    assert rows[0]["score"] + rows[1]["score"] == pytest.approx(1, abs=1e-4)


def test_an_export_answers_what_inference_does(run, clips, tmp_path):
    import tensorflow as tf

    from yt8m import runs

    folder, *_ = run
    printed = succeed("yt8m.export", train_dir=folder, output_dir=tmp_path / "exported")
    assert "Exported" in printed
    random = np.random.default_rng(0)
    given = {
        "pixels": random.integers(0, 256, (3, 4, 44, 44, 3)).astype(np.uint8),
        "num_frames": np.array([4, 4, 2], np.int32),
    }
    served = tf.saved_model.load(str(tmp_path / "exported"))
    answer = served.signatures["serving_default"](**given)
    expected = runs.load(str(folder)).model.predict_on_batch(given)
    best = np.take_along_axis(expected, answer["classes"].numpy(), axis=1)
    np.testing.assert_allclose(answer["scores"], best, atol=1e-5)
    assert set(answer["names"].numpy().ravel()) == {b"left", b"right"}
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_frames"):
        served.signatures["features"](**given | {"num_frames": np.array([4, 4, 5], np.int32)})


def test_training_goes_on_where_it_was(flags, tmp_path):
    """As one training, though it was stopped in the middle of an epoch."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    common = flags | {"num_epochs": 2, "batch_size": 4, "eval_data_pattern": ""}
    succeed("yt8m.train", train_dir=whole, **common)
    succeed("yt8m.train", train_dir=parts, max_steps=2, **common)
    succeed("yt8m.train", train_dir=parts, **common)
    one, other = (sorted((f / "checkpoints").iterdir())[-1] for f in (whole, parts))
    assert one.name == other.name
    import keras

    keras.utils.set_random_seed(0)
    from yt8m import runs

    first, second = (runs.load(str(folder)).model.get_weights() for folder in (whole, parts))
    for mine, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_bad_videos_are_reported_and_left_out(flags, clips, tmp_path):
    folder = tmp_path / "clips"
    shutil.copytree(clips.parent, folder, ignore=shutil.ignore_patterns("*.cache"))
    [*good] = sorted((folder / "left").iterdir())
    good[0].write_bytes(good[0].read_bytes()[:300])
    good[1].unlink()
    common = flags | {"eval_data_pattern": "", "num_epochs": 1, "batch_size": 5}
    common["train_data_pattern"] = f"{folder}/clips.csv#train"
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **common)
    check(result)
    for path in good[:2]:
        assert f"{path} is left out: " in result.stderr
    assert "2 video(s) that cannot be used were left out" in result.stderr
    expect_error(
        "yt8m.train",
        good[0],
        "--on_corrupt_shard=fail",
        train_dir=tmp_path / "other",
        on_corrupt_shard="fail",
        **common,
    )
    assert not (tmp_path / "other" / "run.json").exists()


def test_nothing_to_read_is_an_error(flags, tmp_path):
    path = tmp_path / "clips.csv"
    common = flags | {"train_data_pattern": path, "eval_data_pattern": ""}
    expect_error("yt8m.train", path, train_dir=tmp_path / "run", **common)
    path.write_text("path,label,group\n")
    expect_error("yt8m.train", "no videos", path, train_dir=tmp_path / "run", **common)
    path.write_text("path,label,group\nmissing.mp4,a,\n")
    expect_error("yt8m.train", "missing.mp4", "reasons", train_dir=tmp_path / "run", **common)


def test_a_group_on_both_sides_is_refused(flags, clips, tmp_path):
    other = tmp_path / "other.csv"
    write_clip(tmp_path / "x.mp4", "left", 1)
    other.write_text("path,label,group\nx.mp4,left,g03\n")
    common = flags | {"eval_data_pattern": other}
    expect_error("yt8m.train", "'g03'", "x.mp4", train_dir=tmp_path / "run", **common)


def test_an_unknown_label_is_named(run, tmp_path):
    folder, *_ = run
    write_clip(tmp_path / "x.mp4", "left", 1)
    (tmp_path / "x.csv").write_text("path,label,group\nx.mp4,up,\n")
    expect_error(
        "yt8m.eval", "'up'", "left, right", train_dir=folder, eval_data_pattern=tmp_path / "x.csv"
    )


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"model": "netvlad"}, ["cnn(temporal=netvlad)", "yt8m extract_features"]),
        ({"clips": "clips(crop=200)"}, ["crop must be no larger than resize"]),
        ({"flow": "flow(length=2)"}, ["--flow", "pixels alone"]),
        ({"normalize": "rms"}, ["--normalize", "raw video"]),
        ({"eval_data_pattern": "a*.tfrecord"}, ["--eval_data_pattern", "a*.tfrecord"]),
        ({"num_crops": 4}, ["--num_crops", "Received: 4"]),
        ({"model": "early_fusion", "clips": "clips(frames=4,resize=8,crop=8)"}, ["early_fusion"]),
    ],
    ids=["features", "size", "flow", "normalize", "shards", "crops", "too_small"],
)
def test_flags_that_do_not_fit_are_refused(flags, tmp_path, changed, parts):
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **(flags | changed))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    for part in parts:
        assert part in result.stderr, last


def test_a_job_of_shards_says_that_it_takes_no_videos(clips, run, tmp_path):
    folder, *_ = run
    expect_error(
        "yt8m.score", "raw video", submission_file=__file__, eval_data_pattern=f"{clips}#train"
    )
    expect_error("yt8m.eval", "clips.csv#test", train_dir=folder, eval_data_pattern="a.tfrecord")


def test_workers_end_with_the_job_that_fails(flags, tmp_path):
    """A job of its own, whose processes are those that decode, and go on until they are told."""
    line = command(
        "yt8m.train",
        train_dir=tmp_path / "run",
        **flags | {"num_workers": 1, "num_epochs": 100, "base_learning_rate": 1e30},
    )
    result = run_process(line)
    assert result.returncode == 1
    assert "diverged" in result.stderr.splitlines()[-1]
