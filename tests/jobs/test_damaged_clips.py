"""A frame that turns out to be damaged where it is used: every job of raw video keeps its promise.

Of a data set of tensorflow-datasets only the first frame of a video is looked at beforehand.
"""

import csv
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from job_runner import check, expect_error, run_job
from npz import arrays
from stored_videos import Single

from yt8m.data.video.sources import tfds as tfds_lib

# Of tensorflow-datasets' own use of protobuf.
pytestmark = pytest.mark.filterwarnings("ignore:label.. is deprecated:DeprecationWarning")
TRAIN, TEST = "tfds:single/small#train", "tfds:single/small#test"
DAMAGED = "single/small/test/1"
TRAINING = {
    "train_data_pattern": TRAIN,
    "eval_data_pattern": TEST,
    "model": "c3d(width=0.03)",
    # More frames than the longest video has, so that every one is seen.
    "clips": "clips(frames=16,resize=20,crop=16,augment=())",
    "batch_size": 2,
    "num_epochs": 2,
    "num_workers": 0,
}
LOST = f"1 video(s) that cannot be used were left out: {DAMAGED}"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Seven videos to train on and three to judge by, one of each with a damaged frame."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds.display_progress_bar(False)
    Single(data_dir=folder).download_and_prepare(download_dir=folder / "none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder))
        for split, number in (("train", 4), ("test", 1)):
            video = tfds_lib.open_dataset("single/small", split, pytest.fail).videos[number]
            with open(video.frames.path, "r+b") as file:
                file.seek(int(video.frames.offsets[2]))
                file.write(bytes(40))
    return folder


@pytest.fixture(autouse=True)
def in_its_place(data_dir, monkeypatch):
    """Tells the jobs where the data set is."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


@pytest.fixture(scope="module")
def trained(data_dir, tmp_path_factory):
    """A run that was trained on the videos, and what the training said."""
    folder = tmp_path_factory.mktemp("run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(data_dir))
        result = run_job("yt8m.train", train_dir=folder, **TRAINING)
    check(result)
    return folder, result


def run(job, trained, **flags):
    result = run_job(job, train_dir=trained[0], num_workers=0, **flags)
    check(result)
    assert f"{DAMAGED} is left out: frame 2 cannot be decoded" in result.stderr
    assert LOST in result.stderr
    return result.stdout


def test_a_training_goes_on_without_it(trained):
    folder, result = trained
    assert "single/small/train/4 is left out: frame 2 cannot be decoded" in result.stderr
    assert result.stderr.count("single/small/train/4 is left out") == 1
    assert f"Read 2 clips; {LOST}" in result.stderr
    # Six videos in batches of two, twice.
    assert (
        "Read 12 clips; 1 video(s) that cannot be used were left out: single/small/train/4"
        in result.stderr
    )


@pytest.mark.parametrize(("clips", "crops"), [(1, 1), (3, 5)])
def test_an_evaluation_judges_by_the_others(trained, tmp_path, clips, crops):
    results = tmp_path / "results.json"
    flags = {"eval_data_pattern": TEST, "num_clips": clips, "num_crops": crops}
    printed = run("yt8m.eval", trained, results_file=results, **flags)
    assert json.loads(results.read_text())["num_clips"] == clips
    path = printed.split("clips: ")[-1].strip()
    assert sorted(arrays(path)["ids"]) == ["single/small/test/0", "single/small/test/2"]
    assert arrays(path)["scores"].shape[:3] == (2, clips, crops)
    (kept,) = [json.loads(p.read_text()) for p in trained[0].glob("eval/*.json") if p.stem in path]
    assert kept["lost"] == {DAMAGED: 1}


def test_a_submission_holds_the_others(trained, tmp_path):
    path = tmp_path / "predictions.csv"
    printed = run("yt8m.inference", trained, input_data_pattern=TEST, output_file=path)
    assert "2 videos" in printed
    with open(path, newline="") as file:
        ids = [row["VideoId"] for row in csv.DictReader(file)]
    assert ids == ["single/small/test/0", "single/small/test/2"]


def test_what_a_model_looks_at_is_shown_of_the_others(trained, tmp_path):
    flags = {"input_data_pattern": TEST, "output_dir": tmp_path}
    assert "2 videos" in run("yt8m.occlusion", trained, patch=8, stride=8, **flags)
    maps = [np.load(path)["class_name"] for path in sorted(tmp_path.glob("*.npz"))]
    assert len(maps) == 2
    run("yt8m.deconvolution", trained, layer="conv3d_1", unit=0, top_videos=3, **flags)
    assert len(list(tmp_path.glob("conv3d_1-*.png"))) == 1


def test_a_training_ends_where_it_is_to(tmp_path):
    says = "single/small/train/4 cannot be used: frame 2 cannot be decoded"
    flags = TRAINING | {"on_corrupt_shard": "fail", "eval_data_pattern": ""}
    expect_error("yt8m.train", says, train_dir=tmp_path / "run", **flags)


@pytest.mark.parametrize(("job", "flags"), [
    ("eval", {"eval_data_pattern": TEST}),
    ("inference", {"input_data_pattern": TEST, "output_file": "predictions.csv"}),
    ("occlusion", {"input_data_pattern": TEST, "output_dir": "maps", "patch": 8}),
    ("deconvolution", {"input_data_pattern": TEST, "output_dir": "units", "layer": "conv3d_1"}),
])  # fmt: skip
def test_every_job_ends_where_it_is_to(trained, tmp_path, job, flags):
    flags = {k: tmp_path / v if k.startswith("output") else v for k, v in flags.items()}
    says = (f"{DAMAGED} cannot be used: frame 2 cannot be decoded", "(--on_corrupt_shard=fail)")
    settings = {"train_dir": trained[0], "on_corrupt_shard": "fail", "num_workers": 0}
    expect_error(f"yt8m.{job}", *says, **settings, **flags)
