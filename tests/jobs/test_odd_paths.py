"""Paths of any bytes: those of no file, those that are no UTF-8, and how they are printed."""

import os

import pytest
from job_runner import check, check_error, command, expect_error, run_process, succeed

ODD = "caf\udce9"  # How Python sees `caf\xe9`, which is no UTF-8.


@pytest.mark.parametrize("value", ["a\0b", "a,b\0"])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("yt8m.eval", "train_dir"),  # A path,
        ("yt8m.eval", "eval_data_pattern"),  # a text,
        ("yt8m.train", "feature_names"),  # some texts,
        ("yt8m.score", "submission_file"),  # and a path of any bytes.
    ],
)
def test_a_byte_of_0_is_refused_and_the_flag_named(module, name, value):
    expect_error(module, f"--{name}=", "it holds a byte of 0", **{name: value})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("yt8m.eval", "train_dir"),
        ("yt8m.inference", "input_data_pattern"),
        ("yt8m.train", "feature_names"),
        ("yt8m.export", "output_dir"),
        ("yt8m.import_checkpoint", "checkpoint"),
    ],
)
def test_bytes_that_are_no_utf8_are_refused_where_tensorflow_is_told_of_them(module, name):
    expect_error(module, f"--{name}=", "no UTF-8", **{name: f"x/{ODD}"})


def test_elsewhere_they_are_written_read_and_printed(run_dir, shards, tmp_path):
    folder = tmp_path / ODD
    folder.mkdir()
    pattern = shards / "frame" / "validate*.tfrecord"
    output = folder / "a.csv"
    succeed("yt8m.inference", train_dir=run_dir, input_data_pattern=pattern, output_file=output)
    flags = {"submission_file": output, "eval_data_pattern": pattern, "num_classes": 12}
    # As a process: its standard output is that of a user, and its arguments are bytes.
    scoring = command("yt8m.score", results_file=folder / "score.json", **flags)
    assert "caf" in check(run_process(scoring, PYTHONIOENCODING="utf-8"))
    assert (folder / "score.json").exists()
    joined = {"input_files": f"{tmp_path}/caf*/a.csv", "output_file": folder / "b.csv"}
    assert "b.csv" in check(run_process(command("yt8m.ensemble", **joined)))
    assert os.listdir(os.fsencode(folder))
    missing = command("yt8m.ensemble", input_files=folder / "none", output_file=folder / "c.csv")
    check_error(run_process(missing), "No file matches", "none")
