"""Two streams, two tasks and two stages of training on raw video."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
from clip_files import write_clips
from job_runner import check, expect_error, run_job, succeed
from npz import arrays

from yt8m import runs

SOFTMAX = "softmax(scores='log_probabilities')"
SMALL = "cnn_m(width=0.03,dropout=0.0)"


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """A manifest of small videos."""
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def flags(clips):
    """Flags that train in a few seconds."""
    return {
        "train_data_pattern": f"{clips}#train",
        "clips": "clips(frames=1,resize=48,crop=44,augment=())",
        "loss": SOFTMAX,
        "batch_size": 6,
        "num_epochs": 2,
        "base_learning_rate": 0.003,
        "num_workers": 0,
    }


@pytest.fixture(scope="session")
def spatial(tmp_path_factory, flags):
    """A run of the spatial stream alone."""
    folder = tmp_path_factory.mktemp("spatial") / "run"
    succeed("yt8m.train", train_dir=folder, model=SMALL, **flags)
    return folder


def scores_of(folder, pattern):
    """The scores that an evaluation of a run keeps, and its results."""
    succeed("yt8m.eval", train_dir=folder, eval_data_pattern=pattern, num_clips=2, num_workers=0)
    path = max(folder.glob("eval/*.scores.npz"))
    results = path.with_name(path.name.replace(".scores.npz", ".json"))
    return path, json.loads(results.read_text())


def weights(folder):
    """The weights of a run by their paths."""
    model = runs.load(str(folder)).model
    return {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}


def test_two_streams_apart_and_fused(flags, clips, spatial, tmp_path):
    flow = "flow(length=3,subtract_mean=True)"
    temporal = f"flow_stream(model={SMALL})"
    succeed("yt8m.train", train_dir=tmp_path / "flow", model=temporal, flow=flow, **flags)
    pattern = f"{clips}#validate"
    files = [scores_of(folder, pattern)[0] for folder in (spatial, tmp_path / "flow")]
    printed = succeed(
        "yt8m.late_fusion",
        scores=f"{files[0]},{files[1]}",
        weights="1,2",
        output_file=tmp_path / "fused.npz",
    )
    assert "video_hit_at_1" in printed
    means = [arrays(path)["scores"].mean((1, 2)) for path in files]
    fused = arrays(tmp_path / "fused.npz")["scores"][:, 0, 0]
    np.testing.assert_allclose(fused, means[0] / 3 + means[1] * 2 / 3, atol=1e-6)
    train = f"{clips}#train"
    fitted = [scores_of(folder, train)[0] for folder in (spatial, tmp_path / "flow")]
    printed = succeed(
        "yt8m.late_fusion",
        scores=f"{files[0]},{files[1]}",
        method="svm",
        fit_scores=f"{fitted[0]},{fitted[1]}",
    )
    assert "video_hit_at_1" in printed


def test_both_streams_in_one_model(flags, clips, tmp_path):
    model = f"two_stream(spatial={SMALL},temporal={SMALL})"
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        model=model,
        flow="flow(length=2,stacking='trajectory')",
        **flags,
    )
    path, results = scores_of(tmp_path / "run", f"{clips}#validate")
    assert arrays(path)["scores"].shape == (6, 2, 1, 2)
    assert 0 <= results["video_hit_at_1"] <= 1
    schema = json.loads((tmp_path / "run" / "run.json").read_text())["schema"]
    assert schema["inputs"] == ["pixels", "flow"]
    assert schema["flow"]["stacking"] == "trajectory"


def test_an_evaluation_of_other_views_judges_anew(flags, clips, tmp_path):
    flags = flags | {"train_dir": tmp_path, "eval_data_pattern": f"{clips}#validate"}
    succeed("yt8m.train", model=SMALL, **flags)
    for num_clips, is_anew in ((1, False), (2, True)):
        result = run_job("yt8m.train", model=SMALL, num_clips=num_clips, **flags)
        check(result)
        assert ("judged anew" in result.stderr) == is_anew


def test_two_stages_of_fine_tuning(flags, clips, spatial, tmp_path):
    """First the new classifier alone, then all of it, what was learnt before more slowly."""
    stages = [tmp_path / "first", tmp_path / "second"]
    succeed(
        "yt8m.train", train_dir=stages[0], model=SMALL, init_from=spatial, top_layers=1, **flags
    )
    given, first = weights(spatial), weights(stages[0])
    changed = [path for path in given if not np.array_equal(given[path], first[path])]
    assert sorted(path.rsplit("/", 1)[1] for path in changed) == ["bias", "kernel"]
    succeed(
        "yt8m.train",
        train_dir=stages[1],
        model=SMALL,
        init_from=stages[0],
        top_layers=1,
        lower_rate=0.1,
        optimizer="sgd",
        **flags,
    )
    second = weights(stages[1])
    assert all(not np.array_equal(first[path], second[path]) for path in first)
    recorded = json.loads((stages[1] / "run.json").read_text())["training"]
    assert recorded["top_layers"] == 1
    assert recorded["lower_rate"] == 0.1


@pytest.mark.parametrize("loss", [SOFTMAX, "cross_entropy"])
def test_two_tasks_have_a_head_and_a_loss_each(flags, clips, tmp_path, loss):
    other = clips.parent / "other.csv"
    other.write_text(clips.read_text().replace(",left,", ",west,").replace(",right,", ",east,"))
    pattern = "one={0}#{2},two={1}#{2}"
    head = "softmax" if loss == SOFTMAX else "logistic"
    common = flags | {
        "train_data_pattern": pattern.format(clips, other, "train"),
        "eval_data_pattern": pattern.format(clips, other, "validate"),
        "model": f"cnn_m(width=0.03,head=tasks(sizes=(2,2),head={head}))",
        "loss": loss,
    }
    printed = succeed("yt8m.train", train_dir=tmp_path / "run", **common)
    assert re.search(r"best video Hit@1 [01]\.\d+", printed)
    schema = json.loads((tmp_path / "run" / "run.json").read_text())["schema"]
    assert schema["classes"] == ["one/left", "one/right", "two/east", "two/west"]
    assert schema["tasks"] == ["one", "two"]
    path, results = scores_of(tmp_path / "run", f"two={other}#validate")
    kept = arrays(path)
    assert not kept["scores"][..., :2].any(), "classes of the other task have scores"
    assert set(kept["labels"][:, 0]) == {2, 3}
    assert results["num_examples"] == 6
    expect_error(
        "yt8m.inference",
        "is in the data of two tasks",
        train_dir=tmp_path / "run",
        input_data_pattern=pattern.format(clips, other, "validate"),
        output_file=tmp_path / "submission.csv",
        num_workers=0,
    )


def test_tasks_that_do_not_fit_are_refused(flags, clips, spatial, tmp_path):
    common = flags | {"train_dir": tmp_path / "run", "model": SMALL}
    common["train_data_pattern"] = f"one={clips}#train,two={clips}#train"
    expect_error("yt8m.train", "head=tasks(sizes=(2, 2))", SMALL.split("(")[0], **common)
    model = "cnn_m(width=0.03,head=tasks(sizes=(2,2)))"
    expect_error("yt8m.train", "tasks", "Warp", **(common | {"model": model, "loss": "warp"}))
    expect_error("yt8m.eval", "left", train_dir=spatial, eval_data_pattern=f"one={clips}#validate")
