"""Training on rated segments, from scratch and from a run on whole videos: as processes."""

import json
import shutil

import pytest
from job_runner import NUM_CLASSES, run_job, succeed

from yt8m import runs


@pytest.fixture(scope="module")
def segment_flags(shards) -> dict:
    """Flags that train a small model on rated segments."""
    return {
        "segment_labels": True,
        "train_data_pattern": shards / "segment" / "train*.tfrecord",
        "eval_data_pattern": shards / "segment" / "validate*.tfrecord",
        "num_classes": NUM_CLASSES,
        "model": "average(head=moe)",
        "batch_size": 32,
        "num_epochs": 2,
        "base_learning_rate": 0.02,
    }


def best_map(train_dir) -> float:
    results = [json.loads(path.read_text()) for path in (train_dir / "eval").glob("step*.json")]
    return max(result["map_at_k"] for result in results)


def test_a_run_learns_from_segments(tmp_path, segment_flags):
    printed = succeed("yt8m.train", train_dir=tmp_path / "run", **segment_flags)
    assert "best MAP@K 0." in printed
    config = runs.read_config(str(tmp_path / "run"))
    assert config.training["segment_labels"] is True
    shuffled = segment_flags | {"num_epochs": 1, "base_learning_rate": 1e-9}
    succeed("yt8m.train", train_dir=tmp_path / "untrained", **shuffled)
    assert best_map(tmp_path / "run") > best_map(tmp_path / "untrained") + 0.05


def test_a_run_on_whole_videos_gives_a_start(tmp_path, segment_flags, run_dir):
    flags = segment_flags | {"num_epochs": 1, "base_learning_rate": 0.001}
    succeed("yt8m.train", train_dir=tmp_path / "scratch", **flags)
    succeed("yt8m.train", train_dir=tmp_path / "tuned", init_from=run_dir, **flags)
    assert best_map(tmp_path / "tuned") > best_map(tmp_path / "scratch") + 0.05


def test_only_listed_classes_count(tmp_path, segment_flags):
    ids = tmp_path / "ids.csv"
    ids.write_text("Index\n0\n3\n")
    flags = segment_flags | {"segment_label_ids_file": ids, "num_epochs": 1}
    succeed("yt8m.train", train_dir=tmp_path / "run", **flags)
    result = json.loads(next((tmp_path / "run" / "eval").glob("*.json")).read_text())
    assert 1 <= result["num_rated_classes"] <= 2
    assert runs.read_config(str(tmp_path / "run")).training["segment_label_ids_file"] == str(ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "softmax"}, "--segment_labels needs a loss of each class by itself"),
        ({"teacher": "t"}, "does not go with --segment_labels"),
        ({"segment_label_ids_file": "/nowhere"}, "Cannot read /nowhere"),
        ({"segment_labels": False, "segment_label_ids_file": "x"}, "without --segment_labels"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, segment_flags, changes, message):
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **(segment_flags | changes))
    assert result.returncode == 1 and message in result.stderr
    assert not (tmp_path / "run").exists()


def test_flags_that_are_refused_delete_no_run(tmp_path, run_dir, segment_flags, shards):
    shutil.copytree(run_dir, tmp_path / "run")
    flags = segment_flags | {"train_data_pattern": shards / "frame" / "train*.tfrecord"}
    result = run_job("yt8m.train", train_dir=tmp_path / "run", start_new_model=True, **flags)
    assert result.returncode == 1 and (tmp_path / "run" / "model.keras").exists()


def test_too_few_segments_are_said_to_be_segments(tmp_path, segment_flags):
    flags = segment_flags | {"max_frames": 4}
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **flags)
    assert result.returncode == 1 and "no rating" not in result.stdout
    assert "past the frames that are read" in result.stderr or "rated segments of" in result.stderr


def test_whole_videos_are_no_segments(tmp_path, segment_flags, shards):
    whole = shards / "frame" / "train*.tfrecord"
    flags = segment_flags | {"train_data_pattern": whole}
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **flags)
    assert result.returncode == 1 and "Segments need frame-level records" in result.stderr
