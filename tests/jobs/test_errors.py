"""Bad input to a job: one sentence, a non-zero exit, no traceback, nothing lost."""

import gzip
import os
import shutil

import pytest
import tensorflow as tf
from job_runner import expect_error, measure, run_job, succeed


@pytest.fixture
def train(training_flags, tmp_path):
    """Expects an error of `yt8m.train`, with some flags changed."""

    def expect(*parts, **flags):
        flags = {"train_dir": tmp_path / "run", **training_flags, **flags}
        expect_error("yt8m.train", *parts, **flags)
        assert not (tmp_path / "run" / "model.keras").exists()

    return expect


def test_a_pattern_that_matches_nothing(train, tmp_path):
    train("No file matches", tmp_path / "no*", train_data_pattern=tmp_path / "no*.tfrecord")


def test_a_text_file_as_a_shard(train, tmp_path):
    (tmp_path / "notes.tfrecord").write_text("hello\n")
    train("notes.tfrecord", "hello", "TFRecord", train_data_pattern=tmp_path / "notes.tfrecord")
    (tmp_path / "more.tfrecord").write_text("hello\n")
    train("no TFRecord file", "byte 0", train_data_pattern=tmp_path / "*.tfrecord")


def test_a_misspelt_model(train):
    train("'averge'", "Did you mean 'average'?", "logistic,", "moe,", model="averge")


def test_a_misspelt_hyperparameter(train):
    train("'mixture'", "Did you mean 'mixtures'?", "l2", model="average(head=moe(mixture=2))")


def test_a_misspelt_loss_or_optimizer(train):
    train("'cros_entropy'", "CrossEntropy", loss="cros_entropy")
    train("'adamm'", "Adam", optimizer="adamm")
    train("'weight_decya'", "weight_decay", optimizer="adamw(weight_decya=0.1)")


def test_a_feature_size_that_contradicts_the_data(train):
    train("--feature_sizes", "1024", "rgb (uint8[16])", feature_names="rgb", feature_sizes="1024")


def test_a_feature_that_is_not_there(train):
    train("mean_rgb", "rgb (uint8[16]), audio (uint8[8])", feature_names="mean_rgb")


def test_a_label_outside_the_vocabulary(train):
    train("label", "outside the vocabulary of 3 classes", "(id ", ".tfrecord", num_classes=3)


def test_a_model_for_other_records(train, shards):
    train("moe takes features", "average(head=moe)", model="moe")
    videos = shards / "video" / "train*.tfrecord"
    train("average takes frames", train_data_pattern=videos, eval_data_pattern="")


def test_a_number_of_frames_for_records_without_frames(train, shards):
    pattern = shards / "video" / "train*.tfrecord"
    flags = {"model": "logistic", "train_data_pattern": pattern, "eval_data_pattern": ""}
    train("--max_frames has no meaning for video-level records", max_frames=100, **flags)


def test_without_a_number_of_classes_records_of_ones_own_are_told(shards, tmp_path):
    flags = {"train_data_pattern": shards / "video" / "train*.tfrecord", "model": "logistic"}
    result = run_job("yt8m.train", train_dir=tmp_path, max_steps=1, batch_size=8, **flags)
    assert result.returncode == 0 and "such as --num_classes=12." in result.stderr


def test_fewer_examples_than_a_batch(train):
    train("240 training examples", "batch of 256", batch_size=256)
    train("training examples", "batch of 5000", batch_size=5000)


def test_a_training_that_diverges(train):
    train(
        "diverged",
        base_learning_rate=1e30,
        clip_gradient_norm=0,
        optimizer="sgd",
        model="average(head=logistic(l2=1.0))",
    )


def test_an_unexpected_argument(training_flags, tmp_path):
    """A pattern without quotes is expanded by the shell; the rest must not be swallowed."""
    result = run_job("yt8m.train", "b.tfrecord", train_dir=tmp_path, **training_flags)
    assert result.returncode == 1
    assert "Unexpected argument 'b.tfrecord'" in result.stderr


@pytest.mark.parametrize("module", ["yt8m.eval", "yt8m.inference"])
def test_a_run_directory_without_a_run(module, shards, tmp_path):
    pattern = shards / "frame" / "validate*.tfrecord"
    flags = {"eval_data_pattern": pattern}
    if module == "yt8m.inference":
        flags = {"input_data_pattern": pattern, "output_file": tmp_path / "out.csv"}
    expect_error(module, "no run directory", "none", train_dir=tmp_path / "none", **flags)
    expect_error(module, tmp_path, "run.json", train_dir=tmp_path, **flags)
    assert not (tmp_path / "out.csv").exists()


def test_records_that_do_not_fit_the_run(run_dir, shards):
    pattern = shards / "video" / "validate*.tfrecord"
    expect_error(
        "yt8m.eval", "do not fit", "mean_rgb", train_dir=run_dir, eval_data_pattern=pattern
    )


def test_an_unwritable_output(run_dir, shards, tmp_path):
    flags = {"train_dir": run_dir, "input_data_pattern": shards / "frame" / "validate*.tfrecord"}
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "out.csv", tmp_path):
        expect_error("yt8m.inference", "Cannot write", path, output_file=path, **flags)
    if os.geteuid():
        tmp_path.chmod(0o500)
        path = tmp_path / "out.csv"
        expect_error("yt8m.inference", "Cannot write", path, output_file=path, **flags)


def test_an_unwritable_run_directory(train, tmp_path):
    (tmp_path / "file").write_text("")
    train("Cannot write", tmp_path / "file", train_dir=tmp_path / "file" / "run")


def test_another_run_in_the_directory(run_dir, training_flags, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_dir, folder)
    flags = training_flags | {"train_dir": folder, "base_learning_rate": 0.5}
    expect_error(
        "yt8m.train", "another run", "base_learning_rate: 0.02 -> 0.5", "--start_new_model", **flags
    )
    assert (folder / "model.keras").read_bytes() == (run_dir / "model.keras").read_bytes()
    succeed("yt8m.train", start_new_model=True, max_steps=2, **flags)
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["step-000000002"]


def test_a_damaged_model_file(run_dir, shards, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_dir, folder)
    (folder / "model.keras").write_bytes(b"not a model")
    expect_error(
        "yt8m.eval",
        "model.keras cannot be loaded",
        train_dir=folder,
        eval_data_pattern=shards / "frame" / "validate*.tfrecord",
    )


def test_bad_submissions(shards, tmp_path):
    path = tmp_path / "submission.csv"
    flags = {
        "submission_file": path,
        "eval_data_pattern": shards / "frame" / "validate*.tfrecord",
        "num_classes": 12,
    }
    expect_error("yt8m.score", "Cannot read", path, **flags)
    path.write_text("id,scores\n")
    expect_error("yt8m.score", "first line must be VideoId,LabelConfidencePairs", **flags)
    path.write_text("VideoId,LabelConfidencePairs\nabcd,1 0.5 2\n")
    expect_error("yt8m.score", "line 2", "abcd,1 0.5 2", **flags)
    path.write_text("VideoId,LabelConfidencePairs\nabcd,99 0.5\n")
    expect_error("yt8m.score", "line 2", "class 99", **flags)
    path.write_text("VideoId,LabelConfidencePairs\nabcd,1 0.5\n")
    expect_error("yt8m.score", "None of the 100 labelled videos", **flags)


def test_a_submission_may_be_compressed_or_begin_with_a_mark(run_dir, shards, tmp_path):
    pattern = shards / "frame" / "validate*.tfrecord"
    plain, other = tmp_path / "plain.csv", tmp_path / "other.csv"
    succeed("yt8m.inference", train_dir=run_dir, input_data_pattern=pattern, output_file=plain)
    flags = {"eval_data_pattern": pattern, "num_classes": 12}
    expected = measure("yt8m.score", submission_file=plain, **flags)
    for content in (gzip.compress(plain.read_bytes()), b"\xef\xbb\xbf" + plain.read_bytes()):
        other.write_bytes(content)
        assert measure("yt8m.score", submission_file=other, **flags) == expected
    joined = tmp_path / "joined.csv"
    succeed("yt8m.ensemble", input_files=other, output_file=joined)  # The one with a mark.
    assert len(joined.read_text().splitlines()) == len(plain.read_text().splitlines())
    joined.unlink()
    other.write_bytes(gzip.compress(plain.read_bytes()))
    parts = (other, "compressed with gzip", "Unpack it first")
    expect_error("yt8m.ensemble", *parts, input_files=other, output_file=joined)
    assert not joined.exists()


@pytest.mark.parametrize("job", ["score", "ensemble", "teach"])
def test_a_submission_of_another_format_is_told_what_it_is(job, shards, tmp_path):
    path = tmp_path / "submission.csv"
    pattern = shards / "frame" / "validate*.tfrecord"
    flags = {
        "score": {"submission_file": path, "eval_data_pattern": pattern},
        "ensemble": {"input_files": path, "output_file": tmp_path / "out" / "out.csv"},
        "teach": {"submission_file": path, "input_data_pattern": pattern, "output_dir": tmp_path},
    }[job]
    text = "VideoId,LabelConfidencePairs\nabcd,1 0.5\n"
    contents = {"UTF-16": text.encode("utf-16"), "a zip archive or an Excel": b"PK\x03\x04more"}
    for part, content in contents.items():
        path.write_bytes(content)
        expect_error(f"yt8m.{job}", path, part, "UTF-8", **flags)
    path.unlink()
    path.mkdir()
    expect_error(f"yt8m.{job}", path, "Is a directory", **flags)
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob("out.csv"))


def test_a_pipe_is_not_waited_for(shards, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    flags = {"eval_data_pattern": shards / "frame" / "validate*.tfrecord"}
    expect_error("yt8m.score", "is a pipe", submission_file=tmp_path / "pipe.csv", **flags)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"learning_rate_decay": 2}, "decay must be above 0 and at most 1"),
        ({"optimizer": "adam(clipvalue=0.5)"}, "clipvalue"),
        ({"seed": 2**32}, "--seed"),
    ],
    ids=str,
)
def test_flags_out_of_range(flags, part, train):
    train(part, **flags)


def test_records_without_labels(train, tmp_path):
    context = {
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"abcd"])),
        "mean_rgb": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5] * 16)),
    }
    example = tf.train.Example(features=tf.train.Features(feature=context))
    path = tmp_path / "unlabelled.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(64):
            writer.write(example.SerializeToString())
    flags = {"model": "logistic", "train_data_pattern": path, "eval_data_pattern": ""}
    train("have no labels", path, **flags)


def test_nan_in_the_records_is_not_blamed_on_the_model(shards, tmp_path):
    """And ids of any bytes are written."""
    flags = {"model": "logistic", "num_classes": 12, "batch_size": 32, "max_steps": 1}
    pattern = shards / "video" / "train*.tfrecord"
    succeed("yt8m.train", train_dir=tmp_path / "r", train_data_pattern=pattern, **flags)
    records = list(
        tf.data.TFRecordDataset(str(shards / "video" / "train0000.tfrecord")).as_numpy_iterator()
    )
    example = tf.train.Example.FromString(records[3])
    example.features.feature["id"].bytes_list.value[0] = b"\xff,a"

    def write() -> None:
        records[3] = example.SerializeToString()
        with tf.io.TFRecordWriter(str(tmp_path / "odd.tfrecord")) as writer:
            for record in records:
                writer.write(record)

    write()
    flags = {
        "train_dir": tmp_path / "r",
        "input_data_pattern": tmp_path / "odd.tfrecord",
        "output_file": tmp_path / "out.csv",
    }
    succeed("yt8m.inference", **flags)
    assert (tmp_path / "out.csv").read_bytes().splitlines()[4].startswith(b'"\xff,a",')
    (tmp_path / "out.csv").unlink()
    example.features.feature["mean_audio"].float_list.value[0] = float("nan")
    write()
    problem = ("Record 3 of", "NaN or infinity in mean_audio")
    expect_error("yt8m.inference", *problem, **flags)
    training = {"model": "logistic", "num_classes": 12, "batch_size": 4}
    odd = {"train_dir": tmp_path / "odd", "train_data_pattern": tmp_path / "odd.tfrecord"}
    expect_error("yt8m.train", *problem, **training | odd)
    assert not (tmp_path / "out.csv").exists()


def test_an_output_on_a_bucket(run_dir, shards):
    flags = {"train_dir": run_dir, "input_data_pattern": shards / "frame" / "validate*.tfrecord"}
    expect_error("yt8m.inference", "local file", output_file="gs://bucket/out.csv", **flags)


def test_a_sentence_that_quotes_line_ends_is_one_line(tmp_path):
    (tmp_path / "clips.csv").write_bytes(b"path,label,group,a\x0bb\na.mp4,x,g,y\n")
    result = run_job(
        "yt8m.make_manifest",
        input_manifest=tmp_path / "clips.csv",
        output_file=tmp_path / "new.csv",
        splits="a:1",
    )
    (line,) = (line for line in result.stderr.splitlines() if "unknown column" in line)
    assert line.startswith("ERROR: ") and ": a\\x0bb." in line and line.endswith(".")
    assert result.returncode == 1
