"""From arrays with a vector beside the frames to a run, its predictions and its export."""

import json

import numpy as np
import pyarrow.parquet
import pytest
import tensorflow as tf
from job_runner import expect_error, measure, succeed

from yt8m.data import record_writing


def write_arrays(folder):
    """The frames of all videos look the same; the title tells the class."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["id,labels,split"]
    for number in range(96):
        label = number % 3
        title = np.eye(3, dtype="float32")[label] + rng.normal(scale=0.1, size=3)
        np.savez(folder / f"{number}.npz", rgb=rng.normal(size=(2 + number % 3, 4)), title=title)
        lines.append(f"{number},{'abc'[label]},{'train' if number < 64 else 'validate'}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return {"input_dir": folder, "labels_file": folder / "labels.csv"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Shards, and a run that was trained as the import advises."""
    folder = tmp_path_factory.mktemp("vectors")
    shards, run = folder / "shards", folder / "run"
    printed = succeed("yt8m.import_features", output_dir=shards, **write_arrays(folder / "arrays"))
    words = printed.splitlines()[-1].replace("'", "").split()
    flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    assert flags["train_data_pattern"] == f"{shards / 'train'}-*.tfrecord"
    flags |= {"train_dir": run, "batch_size": 4, "num_epochs": 2, "base_learning_rate": 0.2}
    succeed("yt8m.train", **flags)
    return shards, run


def test_a_run_learns_of_it_and_knows_it(made):
    shards, run = made
    pattern = shards / "validate-*.tfrecord"
    assert measure("yt8m.eval", train_dir=run, eval_data_pattern=pattern)["hit_at_1"] > 0.9
    (title,) = json.loads((run / "run.json").read_text())["schema"]["video_features"]
    assert title == {"name": "title", "size": 3, "dtype": "float32", "key": "title"}


def test_predictions_as_a_table_are_those_that_an_export_serves(made, tmp_path):
    shards, run = made
    table = tmp_path / "predictions.parquet"
    pattern = shards / "validate-*.tfrecord"
    succeed("yt8m.inference", train_dir=run, input_data_pattern=pattern, output_file=table)
    rows = pyarrow.parquet.read_table(table).to_pylist()
    assert len(rows) == 32 * 3
    assert {row["name"] for row in rows if int(row["id"]) % 3 == 1 and row["rank"] == 1} == {"b"}
    succeed("yt8m.export", train_dir=run, output_dir=tmp_path / "exported", top_k=3)
    signatures = tf.saved_model.load(str(tmp_path / "exported")).signatures
    (path,) = shards.glob("validate-*")
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    answer = signatures["serialized"](serialized=tf.constant(records))
    ids, scores = answer["ids"].numpy(), answer["scores"].numpy()
    assert [row["id"].encode() for row in rows[::3]] == ids.tolist()
    np.testing.assert_allclose([row["score"] for row in rows], scores.ravel(), atol=1e-5)
    example = tf.train.SequenceExample.FromString(records[0])
    steps = example.feature_lists.feature_list["rgb"].feature
    frames = np.float32([[list(step.float_list.value) for step in steps]])
    title = np.float32([list(example.context.feature["title"].float_list.value)])
    inputs = {"rgb": frames, "title": title, "num_frames": np.int32([len(steps)])}
    found = signatures["features"](**{name: tf.constant(x) for name, x in inputs.items()})
    np.testing.assert_allclose(found["scores"].numpy()[0], scores[0], atol=1e-5)


def test_segments_of_whole_videos_have_the_vector_of_their_video(made, tmp_path):
    _, run = made
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for label in range(3):
            frames, title = np.zeros((11, 4), "float32"), np.eye(3, dtype="float32")[label]
            context = {"title": title}
            writer.write(record_writing.frame_record("abc"[label], [], {"rgb": frames}, context))
    flags = {"input_data_pattern": tmp_path / "a.tfrecord", "output_file": tmp_path / "s.csv"}
    succeed("yt8m.inference", train_dir=run, segment_labels=True, segment_max_pred=2, **flags)
    lines = (tmp_path / "s.csv").read_text().splitlines()[1:]
    assert [set(line.split(",")[1].split()) for line in lines] == [
        {f"{name}:0", f"{name}:5"} for name in "abc"
    ]
    flags["output_file"] = tmp_path / "s.parquet"
    expect_error(
        "yt8m.inference", "a .parquet does not hold", train_dir=run, segment_labels=True, **flags
    )


def test_records_without_it_are_refused(made, shards, tmp_path):
    _, run = made
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(record_writing.frame_record("x", [1], {"rgb": np.zeros((2, 4), "float32")}))
    flags = {"input_data_pattern": tmp_path / "a.tfrecord", "output_file": tmp_path / "p.csv"}
    expect_error("yt8m.inference", "(id x) has no title in its context", train_dir=run, **flags)
    flags = {"train_dir": tmp_path / "run", "video_feature_names": "title"}
    pattern = shards / "video" / "train*.tfrecord"
    expect_error("yt8m.train", "with --feature_names", train_data_pattern=pattern, **flags)
    flags |= {"train_data_pattern": tmp_path / "clips.csv#train"}
    expect_error("yt8m.train", "--video_feature_names has no meaning with raw video", **flags)
