"""Manifests that would make a training or an evaluation of raw video mean something else."""

from __future__ import annotations

import csv

import pytest
from clip_files import write_clip, write_clips
from job_runner import check, expect_error, run_job, succeed

SOFTMAX = "softmax(scores='log_probabilities')"


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """A manifest of small videos."""
    return write_clips(tmp_path_factory.mktemp("clips"), 6, 2)


@pytest.fixture(scope="session")
def flags(clips):
    """Flags that train in a few seconds."""
    return {
        "train_data_pattern": f"{clips}#train",
        "model": "cnn_m(width=0.03)",
        "clips": "clips(frames=1,resize=48,crop=44)",
        "loss": SOFTMAX,
        "batch_size": 3,
        "num_epochs": 1,
        "num_workers": 0,
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory, flags):
    """A run of raw video."""
    folder = tmp_path_factory.mktemp("raw") / "run"
    succeed("yt8m.train", train_dir=folder, **flags)
    return folder


def write_manifest(path, *rows):
    path.write_text("\n".join(["path,label,group,split", *rows, ""]))
    return path


def test_a_video_on_both_sides_is_refused_whatever_it_is_called(flags, clips, tmp_path):
    link = tmp_path / "link.mp4"
    link.symlink_to(clips.parent / "left" / "v_g00_c00.mp4")
    other = write_manifest(tmp_path / "other.csv", "link.mp4,left,x,")
    common = flags | {"eval_data_pattern": other, "train_dir": tmp_path / "run"}
    expect_error("yt8m.train", link, "training data", **common)


def test_a_group_on_both_sides_is_refused_though_its_videos_differ(flags, clips, tmp_path):
    group = clips.read_text().splitlines()[1].split(",")[2]
    write_clip(tmp_path / "new.mp4", "left", 9)
    other = write_manifest(tmp_path / "other.csv", f"new.mp4,left,{group},")
    common = flags | {"eval_data_pattern": other, "train_dir": tmp_path / "run"}
    expect_error("yt8m.train", f"The group '{group}'", "new.mp4", "both sides", **common)


def test_videos_that_fill_no_batch_are_counted(flags, tmp_path):
    message = "6 training videos do not fill one batch of 7. Lower --batch_size."
    expect_error("yt8m.train", message, train_dir=tmp_path / "run", **flags | {"batch_size": 7})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "flow_stream(model=cnn(backbone='resnet5'))"}, "'resnet50'"),
        ({"eval_data_pattern": "{folder}/cat.csv"}, "cat"),
    ],
)
def test_what_is_wrong_is_said_before_a_video_is_opened(flags, tmp_path, changed, message):
    write_manifest(tmp_path / "cat.csv", "x.mp4,cat,,")
    changed = {name: text.format(folder=tmp_path) for name, text in changed.items()}
    cache = {"cache_dir": tmp_path / "cache", "train_dir": tmp_path / "run"}
    common = flags | cache | {"model": "flow_stream(model=cnn_m(width=0.03))", "flow": "flow"}
    expect_error("yt8m.train", message, **common | changed)
    assert not (tmp_path / "cache").exists()


def test_a_video_is_named_once(flags, clips, run, tmp_path):
    common = flags | {"train_data_pattern": f"{clips}#train,{clips}#train"}
    expect_error("yt8m.train", "named twice", train_dir=tmp_path / "run", **common)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / "x.mp4", "left", 1)
        write_manifest(tmp_path / name / "m.csv", "x.mp4,left,,")
    expect_error(
        "yt8m.inference",
        "both called x.mp4",
        train_dir=run,
        input_data_pattern=f"{tmp_path}/a/m.csv,{tmp_path}/b/m.csv",
        output_file=tmp_path / "submission.csv",
    )


def test_splits_must_be_named_where_there_are_some(flags, clips, tmp_path):
    common = flags | {"train_dir": tmp_path / "run"}
    expect_error(
        "yt8m.train", "train, validate", "#train", **common | {"train_data_pattern": clips}
    )
    part = write_manifest(
        clips.parent / "part.csv", "left/v_g00_c00.mp4,left,,", "right/v_g00_c01.mp4,right,,test"
    )
    expect_error("yt8m.train", "#test", **common | {"train_data_pattern": part})


def test_inference_does_not_look_at_labels(clips, run, tmp_path):
    other = write_manifest(clips.parent / "new.csv", "left/v_g00_c00.mp4,unheard of,,")
    succeed(
        "yt8m.inference",
        train_dir=run,
        input_data_pattern=other,
        output_file=tmp_path / "submission.csv",
        num_workers=0,
    )
    assert len((tmp_path / "submission.csv").read_text().splitlines()) == 2


def test_the_classifier_of_other_classes_is_not_taken(flags, clips, run, tmp_path):
    """Though there are as many of them."""
    other = clips.parent / "animals.csv"
    other.write_text(clips.read_text().replace(",left,", ",ape,").replace(",right,", ",zebra,"))
    common = flags | {"train_data_pattern": f"{other}#train", "init_from": run}
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **common)
    check(result)
    [warning] = [line for line in result.stderr.splitlines() if "and so new" in line]
    assert "bias (2,)" in warning


def test_a_training_does_not_go_on_with_other_videos(flags, clips, tmp_path):
    copy = clips.parent / "copy.csv"
    copy.write_text(clips.read_text())
    common = flags | {"train_data_pattern": f"{copy}#train", "train_dir": tmp_path / "run"}
    succeed("yt8m.train", **common)
    lines = clips.read_text().splitlines()
    copy.write_text("\n".join([lines[0], *lines[2:]]))
    expect_error("yt8m.train", "training.videos", "6 videos", "5 videos", **common)


def test_a_task_needs_labels(flags, clips, tmp_path):
    bare = write_manifest(tmp_path / "bare.csv", "x.mp4,,,")
    write_clip(tmp_path / "x.mp4", "left", 1)
    common = flags | {"train_data_pattern": f"one={clips}#train,two={bare}"}
    expect_error("yt8m.train", "task two", "no labels", train_dir=tmp_path / "run", **common)


def test_a_run_without_tasks_takes_none(clips, run):
    expect_error(
        "yt8m.eval", "no tasks", "one=", train_dir=run, eval_data_pattern=f"one={clips}#validate"
    )


def test_parts_of_videos_are_trained_on_and_predicted_by_their_times(flags, clips, tmp_path):
    """The clips last a second each, at 12 frames a second."""
    lines = ["path,label,group,split,start,end"]
    for line in clips.read_text().splitlines()[1:]:
        name, label, group, split = line.split(",")
        path = clips.parent / name
        lines += [
            f"{path},{label},{group},{split},0.25,0.5",
            f"{path},{label},{group},{split},0.5,",
        ]
    lines.append(f"{path},right,{group},{split},1,2")
    manifest = tmp_path / "parts.csv"
    manifest.write_text("\n".join([*lines, ""]))
    common = flags | {"train_data_pattern": f"{manifest}#train", "num_epochs": 1}
    patterns = {"eval_data_pattern": f"{manifest}#validate", "batch_size": 12}
    result = run_job("yt8m.train", train_dir=tmp_path / "run", **common | patterns)
    check(result)
    assert f"{path}#t=1,2 is left out: its file has ended before second 1" in result.stderr
    succeed(
        "yt8m.inference",
        train_dir=tmp_path / "run",
        input_data_pattern=f"{manifest}#validate",
        output_file=tmp_path / "submission.csv",
        num_workers=0,
    )
    with open(tmp_path / "submission.csv", newline="") as file:
        ids = [row[0] for row in csv.reader(file)][1:]
    files = [line.split(",")[0] for line in lines if ",validate,0.5" in line]
    assert ids == [f"{name}#t={times}" for name in files for times in ("0.25,0.5", "0.5")]
