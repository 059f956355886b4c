"""How late fusion makes one answer of several runs: the average and the SVM."""

import sys

import numpy as np
import pytest
from absl import logging
from npz import arrays
from run_scores import CLASSES, LABELS, random_scores, two_runs, write

from yt8m.base.errors import UserError
from yt8m.fusion import methods, splits


def test_the_average_is_exact_whatever_the_order_of_videos(tmp_path):
    paths, rgb, flow = two_runs(tmp_path)
    (split,) = splits.load([paths])
    means = [part.astype(np.float64).mean((1, 2)) for part in (rgb, flow)]
    for weights, shares in [((1, 1), (0.5, 0.5)), ((1, 2), (1 / 3, 2 / 3)), ((0, 7), (0, 1))]:
        fused = methods.Average(np.array(weights)).fuse(split)
        expected = shares[0] * means[0] + shares[1] * means[1]
        assert fused.dtype == np.float32
        np.testing.assert_allclose(fused, expected, rtol=3e-7)
    assert split.ids == tuple(f"v{number}" for number in range(6))
    np.testing.assert_array_equal(split.labels[:, 0], LABELS)


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
    (split,), (fit_split,) = splits.load([paths]), splits.load([fit_paths])
    splits.check_fit([split], [fit_split])
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
        parts = [arrays(name)["scores"][:, 0, 0].astype(np.float64) for name in names]
        rows = [[row / np.sqrt(sum(x * x for x in row)) for row in part] for part in parts]
        features.append(np.hstack(rows))
    model = LinearSVC(C=0.5, dual=False, tol=1e-8).fit(features[0], truth)
    expected = model.decision_function(features[1])
    (split,), (fit_split,) = splits.load([paths]), splits.load([fit_paths])
    fused = methods.LinearSvm(0.5).fuse(split, fit_split).astype(np.float64)
    away = 2 * fused - 1
    np.testing.assert_allclose(away / (1 - np.abs(away)), expected, atol=1e-2)


def test_a_class_that_the_svm_never_saw_is_last(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: said.append(text % values))
    scores, labels = random_scores(0, 8), np.array([0, 2, 4, 0, 2, 4, 0, 2])
    train = write(tmp_path / "train.npz", scores, labels, [f"t{n}" for n in range(8)])
    test = write(tmp_path / "test.npz", random_scores(1), LABELS)
    (split,), (fit_split,) = splits.load([[test]]), splits.load([[train]])
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


def test_an_svm_takes_scores_of_nothing_but_zeros(tmp_path):
    test = write(tmp_path / "test.npz", 0 * random_scores(0), LABELS)
    train = write(tmp_path / "train.npz", random_scores(1), LABELS)
    (split,), (fit_split,) = splits.load([[test]]), splits.load([[train]])
    assert np.isfinite(methods.LinearSvm().fuse(split, fit_split)).all()
