"""Late fusion of runs: which videos belong together, the average, the SVM, and what is refused."""

import os
import sys

import numpy as np
import pytest
from absl import logging

from yt8m.base.errors import UserError
from yt8m.fusion import methods
from yt8m.fusion import splits as score_splits
from yt8m.fusion.score_file import ScoreWriter

CLASSES = ("run", "jump", "swim", "climb", "row")


def write(path, scores, labels, ids=None, classes=CLASSES):
    """A file of (videos, clips, crops, classes) scores; returns its path."""
    ids = ids or [f"v{number}" for number in range(len(scores))]
    with ScoreWriter(str(path), len(ids), *scores.shape[1:3], classes) as writer:
        writer.add(ids, np.reshape(labels, (len(ids), -1)), scores)
    return str(path)


def random_scores(seed, num_videos=6, num_clips=2, num_crops=3):
    shape = (num_videos, num_clips, num_crops, len(CLASSES))
    return np.random.default_rng(seed).random(shape, np.float32)


LABELS = np.array([0, 1, 2, 3, 4, 0])


@pytest.fixture
def two_runs(tmp_path):
    """The files of two runs with other clips and another order of videos, and their scores."""
    rgb, flow = random_scores(0), random_scores(1, num_clips=1, num_crops=5)
    order = [3, 0, 5, 1, 2, 4]
    paths = (
        write(tmp_path / "rgb.npz", rgb, LABELS),
        write(tmp_path / "flow.npz", flow[order], LABELS[order], [f"v{n}" for n in order]),
    )
    return paths, rgb, flow


def test_the_average_is_exact_whatever_the_order_of_videos(two_runs):
    paths, rgb, flow = two_runs
    (split,) = score_splits.load([paths])
    means = [part.astype(np.float64).mean((1, 2)) for part in (rgb, flow)]
    for weights, shares in [((1, 1), (0.5, 0.5)), ((1, 2), (1 / 3, 2 / 3)), ((0, 7), (0, 1))]:
        fused = methods.Average(np.array(weights)).fuse(split)
        expected = shares[0] * means[0] + shares[1] * means[1]
        assert fused.dtype == np.float32
        np.testing.assert_allclose(fused, expected, rtol=3e-7)
    assert split.ids == tuple(f"v{number}" for number in range(6))
    np.testing.assert_array_equal(split.labels[:, 0], LABELS)


def test_fewer_views_are_taken_of_every_run(two_runs):
    paths, rgb, flow = two_runs
    (split,) = score_splits.load([paths], num_clips=1, num_crops=1)
    first, second = split.video_scores()
    np.testing.assert_array_equal(first, rgb[:, 1, 1])  # The second of two clips, the centre.
    np.testing.assert_array_equal(second, flow[:, 0, 0])
    with pytest.raises(UserError, match=r"flow\.npz does not hold.*num_clips=2"):
        score_splits.load([paths], num_clips=2)


def shifted_runs(folder, name, seed, num_videos, classes=CLASSES, shift=1):
    """A run that always says the class after the label, and one of noise.

    The first shows the label to a machine that learns; their average never does.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos) % len(classes)
    scores = rng.random((2, num_videos, 1, 1, len(classes)), np.float32) * 0.3
    scores[0, np.arange(num_videos), 0, 0, (labels + shift) % len(classes)] = 1
    ids = [f"{name}{number}" for number in range(num_videos)]
    return tuple(
        write(folder / f"{name}{run}.npz", part, labels, ids, classes)
        for run, part in enumerate(scores)
    ), labels


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]])
def test_an_svm_learns_what_the_average_cannot_say(classes, tmp_path):
    paths, labels = shifted_runs(tmp_path, "test", 0, 20, classes)
    fit_paths, _ = shifted_runs(tmp_path, "train", 1, 40, classes)
    (split,), (fit_split,) = score_splits.load([paths]), score_splits.load([fit_paths])
    score_splits.check_fit([split], [fit_split])
    average = methods.Average(np.array([0.5, 0.5])).fuse(split)
    assert not (average.argmax(axis=1) == labels).any()
    fused = methods.LinearSvm(1.0).fuse(split, fit_split)
    assert (fused.argmax(axis=1) == labels).all()
    assert (fused.shape, fused.dtype) == ((20, len(classes)), np.float32)
    assert fused.min() > 0
    assert fused.max() < 1


def test_svm_scores_keep_the_order_of_decision_values(tmp_path):
    from sklearn.svm import LinearSVC

    paths, _ = shifted_runs(tmp_path, "test", 0, 20)
    fit_paths, truth = shifted_runs(tmp_path, "train", 1, 40)
    features = []
    for names in (fit_paths, paths):
        parts = [np.load(name)["scores"][:, 0, 0].astype(np.float64) for name in names]
        rows = [[row / np.sqrt(sum(x * x for x in row)) for row in part] for part in parts]
        features.append(np.hstack(rows))
    model = LinearSVC(C=0.5, dual=False, tol=1e-8).fit(features[0], truth)
    expected = model.decision_function(features[1])
    (split,), (fit_split,) = score_splits.load([paths]), score_splits.load([fit_paths])
    fused = methods.LinearSvm(0.5).fuse(split, fit_split).astype(np.float64)
    away = 2 * fused - 1
    np.testing.assert_allclose(away / (1 - np.abs(away)), expected, atol=1e-2)


def test_a_class_that_the_svm_never_saw_is_last(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: said.append(text % values))
    scores, labels = random_scores(0, 8), np.array([0, 2, 4, 0, 2, 4, 0, 2])
    train = write(tmp_path / "train.npz", scores, labels, [f"t{n}" for n in range(8)])
    test = write(tmp_path / "test.npz", random_scores(1), LABELS)
    (split,), (fit_split,) = score_splits.load([[test]]), score_splits.load([[train]])
    fused = methods.LinearSvm().fuse(split, fit_split)
    assert not fused[:, [1, 3]].any()
    assert fused[:, [0, 2, 4]].all()
    assert said == [f"{train} has no video of 2 class(es)."]


def test_an_svm_needs_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UserError, match=r"needs scikit-learn.*yt8m\[video\]"):
        methods.LinearSvm()


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_penalty_is_positive(value):
    with pytest.raises(UserError, match="--svm_c must be positive"):
        methods.LinearSvm(value)


def test_splits_are_groups_of_files():
    found = score_splits.parse_files("scores", "a.npz, ~/b.npz;c.npz,d.npz")
    assert found == (("a.npz", os.path.expanduser("~/b.npz")), ("c.npz", "d.npz"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a name is empty"),
        ("a.npz,", "a name is empty"),
        ("a.npz;", "a name is empty"),
        ("a.npz,./a.npz", "names a.npz twice"),
        ("a.npz;a.npz", "names a.npz twice"),
        ("a.npz,b.npz;c.npz", "Received: 2, 1"),
    ],
)
def test_wrong_groups_are_refused(text, part):
    with pytest.raises(UserError, match=f"--fit_scores .*{part}"):
        score_splits.parse_files("fit_scores", text)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"ids": ["v0", "v1", "v2", "v3", "v4", "x"]}, r"a\.npz lacks 1 of .*'x'"),
        ({"ids": ["v0", "v1", "v2", "v3"]}, r"b\.npz lacks 2 of .*'v4'"),
        ({"ids": ["v0", "v1", "v2", "v3", "v4", "v5", "v1"]}, r"b\.npz has the video 'v1' twice"),
        ({"labels": [0, 1, 2, 4, 4, 0]}, r"labels of 1 .*'v3'.*b\.npz than in .*a\.npz"),
        ({"classes": (*CLASSES[:3], "fall", "row")}, "class 3 is 'climb' there and 'fall' here"),
        ({"classes": CLASSES[:4]}, "5 classes there and 4 here"),
        ({"labels": [-1] * 6}, "No video of .*b.npz has a label"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(changes, part, tmp_path):
    ids = changes.get("ids", [f"v{number}" for number in range(6)])
    classes = changes.get("classes", CLASSES)
    labels = np.resize(changes.get("labels", LABELS), len(ids))
    if len(classes) < 5:
        labels = np.minimum(labels, 3)
    first = write(tmp_path / "a.npz", random_scores(0), LABELS)
    scores = random_scores(1, len(ids))[..., : len(classes)]
    second = write(tmp_path / "b.npz", scores, labels, ids, classes)
    with pytest.raises(UserError, match=part):
        score_splits.load([[first, second]])


def test_splits_have_the_same_classes(tmp_path):
    first = write(tmp_path / "a.npz", random_scores(0), LABELS)
    other = (CLASSES[1], CLASSES[0], *CLASSES[2:])
    second = write(tmp_path / "b.npz", random_scores(1), LABELS, classes=other)
    with pytest.raises(
        UserError, match=r"b\.npz has other classes than .*a\.npz: class 0 is 'run'"
    ):
        score_splits.load([[first], [second]])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, None),
        ({"ids": ["v5", *"tuvwx"]}, r"1 video\(s\) of .*'v5', are in"),
        ({"labels": [[0, 1], [1, -1], [2, -1], [3, -1], [4, -1], [0, -1]]}, "'t' in .* has 2"),
        ({"labels": [[-1], [1], [2], [3], [4], [0]]}, "'t' in .* has 0"),
        ({"labels": [[3]] * 6}, "are of one class, 'climb'"),
        ({"classes": (*CLASSES[:4], "fly")}, r"class 4 is 'row' there and 'fly' here"),
    ],
)
def test_an_svm_is_fitted_on_other_videos_of_one_label(changes, part, tmp_path):
    test = write(tmp_path / "test.npz", random_scores(0), LABELS)
    train = {"scores": random_scores(1), "labels": LABELS, "ids": list("tuvwxy")} | changes
    splits = score_splits.load([[test]])
    fit_splits = score_splits.load([[write(tmp_path / "train.npz", **train)]])
    if part is None:
        score_splits.check_fit(splits, fit_splits)
        return
    with pytest.raises(UserError, match=part):
        score_splits.check_fit(splits, fit_splits)


def test_an_svm_judges_videos_of_one_label(tmp_path):
    labels = np.stack([LABELS, (LABELS + 1) % 5], axis=1)
    test = write(tmp_path / "test.npz", random_scores(0), labels)
    train = write(tmp_path / "train.npz", random_scores(1), LABELS, list("tuvwxy"))
    with pytest.raises(UserError, match="'v0' in .*test.npz has 2"):
        score_splits.check_fit(score_splits.load([[test]]), score_splits.load([[train]]))


def test_an_svm_takes_scores_of_nothing_but_zeros(tmp_path):
    test = write(tmp_path / "test.npz", 0 * random_scores(0), LABELS)
    train = write(tmp_path / "train.npz", random_scores(1), LABELS)
    (split,), (fit_split,) = score_splits.load([[test]]), score_splits.load([[train]])
    assert np.isfinite(methods.LinearSvm().fuse(split, fit_split)).all()
