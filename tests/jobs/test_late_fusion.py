"""The job that fuses the scores of runs, as a user starts it."""

import functools
import json

import job_runner
import numpy as np
import pytest
from job_runner import measure, succeed
from npz import arrays

from yt8m.fusion import methods, score_file
from yt8m.fusion import splits as score_splits
from yt8m.fusion.score_file import ScoreWriter

CLASSES = ("run", "jump", "swim", "climb", "row", "fly")

expect_error = functools.partial(job_runner.expect_error, "yt8m.late_fusion")


def write(path, prefix, seed, num_videos=30, several=False):
    """A run whose scores tell the label, with noise, in 4 clips of 3 crops."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos)[:, None] % len(CLASSES)
    scores = rng.random((num_videos, 4, 3, len(CLASSES)), np.float32)
    scores[np.arange(num_videos), :, :, labels[:, 0]] += 0.3
    if several:
        labels = np.concatenate([labels, (labels + 1) % len(CLASSES)], axis=1)
    with ScoreWriter(str(path), num_videos, 4, 3, CLASSES) as writer:
        writer.add([f"{prefix}{n}" for n in range(num_videos)], labels, scores / 1.3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the scores of two runs on three splits, and on their training videos."""
    folder = tmp_path_factory.mktemp("scores")
    for split in (1, 2, 3):
        for number, name in enumerate(("rgb", "flow")):
            write(folder / f"{name}{split}.npz", "test", 10 * split + number)
            write(folder / f"train_{name}{split}.npz", "train", 100 * split + number)
    write(folder / "other.npz", "other", 0)
    write(folder / "several.npz", "several", 0, several=True)
    return folder


def groups(folder, prefix=""):
    return ";".join(f"{folder}/{prefix}rgb{n}.npz,{folder}/{prefix}flow{n}.npz" for n in (1, 2, 3))


def hit(means):
    """Hit@1 of (videos, classes) scores of these videos."""
    return float((means.argmax(axis=1) == np.arange(len(means)) % len(CLASSES)).mean())


def test_three_splits_and_their_mean(files, tmp_path):
    path = tmp_path / "new" / "results.json"
    printed = succeed(
        "yt8m.late_fusion", scores=groups(files), weights="1,3", results_file=path, num_crops=1
    )
    alone, fused = [], []
    for split in (1, 2, 3):
        scores = [arrays(files / f"{name}{split}.npz")["scores"] for name in ("rgb", "flow")]
        means = [part[:, :, 1].mean(axis=1) for part in scores]
        alone.append(hit(means[0]))
        fused.append(hit(0.25 * means[0] + 0.75 * means[1]))
    assert len(set(fused)) > 1
    results = json.loads(path.read_text())
    assert [s["video_hit_at_1"] for s in results["splits"]] == pytest.approx(fused)
    assert [s["run_1_video_hit_at_1"] for s in results["splits"]] == pytest.approx(alone)
    assert results["mean"]["video_hit_at_1"] == pytest.approx(np.mean(fused))
    assert results["mean"]["run_1_video_hit_at_1"] == pytest.approx(np.mean(alone))
    assert results["splits"][2]["files"] == [str(files / f"{n}3.npz") for n in ("rgb", "flow")]
    assert results["flags"]["weights"] == ["1", "3"]
    assert results["splits"][0]["run_2_num_crops"] == 1
    assert "num_examples" not in results["mean"]
    assert printed.count("rgb") == 3
    assert "Mean over 3 splits" in printed
    assert f" {np.mean(fused):.5f} " in printed.split("Mean over 3 splits")[1]


def test_one_file_is_judged_with_fewer_views(files):
    [split] = measure("yt8m.late_fusion", scores=files / "rgb1.npz", num_clips=2, num_crops=1)[
        "splits"
    ]
    views = arrays(files / "rgb1.npz")["scores"][:, [0, 3], 1]
    by_clip = np.mean([hit(views[:, 0]), hit(views[:, 1])])
    assert split["clip_hit_at_1"] == pytest.approx(by_clip, abs=1e-5)
    assert split["video_hit_at_1"] == pytest.approx(hit(views.mean(1)), abs=1e-5)
    assert split["num_clips"] == 2


def test_fused_scores_can_be_fused_again(files, tmp_path):
    path = tmp_path / "fused.npz"
    both = files / "rgb1.npz", files / "flow1.npz"
    fit = files / "train_rgb1.npz", files / "train_flow1.npz"
    printed = succeed(
        "yt8m.late_fusion",
        scores=f"{both[0]},{both[1]}",
        method="svm",
        fit_scores=f"{fit[0]},{fit[1]}",
        svm_c=0.05,
        num_clips=1,
        num_crops=1,
        top_k=1,
        output_file=path,
        results_file=tmp_path / "results.json",
    )
    [first] = json.loads((tmp_path / "results.json").read_text())["splits"]
    assert f"Wrote the scores of 30 videos: {path}\n" in printed
    fused = score_file.read(str(path))
    assert fused.stored.shape == (30, 1, 1, len(CLASSES))
    splits = [score_splits.load([list(map(str, paths))], 1, 1)[0] for paths in (both, fit)]
    expected = methods.LinearSvm(0.05).fuse(*splits)
    np.testing.assert_allclose(fused.video_scores(), expected, rtol=1e-5)
    [again] = measure("yt8m.late_fusion", scores=path, top_k=1)["splits"]
    for name in ("video_hit_at_1", "video_hit_at_5", "gap", "perr", "map", "map_full"):
        assert again[name] == pytest.approx(first[name])
    expected = fused.evaluate(top_k=1).result()
    assert again["gap"] == pytest.approx(expected["gap"], abs=1e-5)
    assert again["clip_hit_at_1"] == again["video_hit_at_1"]
    succeed("yt8m.late_fusion", scores=f"{path},{both[0]}")


def test_wrong_flags_are_refused(files, tmp_path):
    first, second = files / "rgb1.npz", files / "flow1.npz"
    both, out = f"{first},{second}", tmp_path / "out.npz"
    expect_error("--fit_scores has no meaning without", scores=first, fit_scores=second)
    expect_error("--weights has no meaning with", scores=both, method="svm", weights="1,2")
    expect_error("--method=svm needs --fit_scores", scores=both, method="svm")
    expect_error(
        "1 split(s) of 1 for 1 of 2", scores=both, method="svm", fit_scores=files / "other.npz"
    )
    expect_error("one split", "3 splits", scores=groups(files), output_file=out)
    expect_error("another file of this job", scores=both, output_file=second)
    expect_error("another file of this job", scores=both, output_file=out, results_file=out)
    expect_error("is a folder", scores=both, results_file=tmp_path)
    assert not list(tmp_path.iterdir())


def test_wrong_files_are_refused(files, tmp_path):
    first = files / "rgb1.npz"
    text = tmp_path / "text.npz"
    text.write_text("a,b\n")
    expect_error("There is no file of scores", "none.npz", scores=files / "none.npz")
    expect_error("text.npz is damaged, or", scores=f"{first},{text}")
    expect_error("lacks 30 of the videos", "other.npz", scores=f"{first},{files}/other.npz")
    expect_error("num_crops must be one of 1, 3", "rgb1.npz", scores=first, num_crops=10)
    flags = {"scores": first, "method": "svm", "fit_scores": files / "several.npz"}
    expect_error("one label each", "'several0'", "has 2", **flags)
    expect_error("'test0', are in", **flags | {"fit_scores": files / "flow1.npz"})
