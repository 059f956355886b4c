"""Evaluation against goldens and loops; order, splits and merges; lists; bad input."""

import pickle

import naive_metrics as naive
import numpy as np
import pytest

from yt8m.metrics import Evaluation, top_k

GOLDENS = [
    "metrics_random",
    "metrics_vocab3862",
    "metrics_classes_without_positives",
    "metrics_fewer_classes_than_top_k",
    "metrics_more_labels_than_top_k",
]


def _evaluate(scores, labels, splits=1, **kwargs):
    evaluation = Evaluation(scores.shape[1], **kwargs)
    for part in np.array_split(np.arange(len(scores)), splits):
        evaluation.update(scores[part], labels[part])
    return evaluation


@pytest.mark.parametrize("name", GOLDENS)
def test_matches_the_starter_code(golden, name):
    data = golden(name)
    evaluation = _evaluate(data["predictions"], data["labels"], splits=7)
    result, classes = evaluation.result(), evaluation.per_class()
    assert result["gap"] == pytest.approx(data["gap"], abs=1e-6)
    assert result["hit_at_1"] == pytest.approx(data["hit_at_one"], abs=1e-6)
    assert result["perr"] == pytest.approx(data["perr"], abs=1e-6)
    assert result["map"] == pytest.approx(data["mean_ap"], abs=1e-6)
    present = data["labels"].any(axis=0)
    np.testing.assert_allclose(classes["average_precision"][present], data["aps"], atol=1e-6)
    assert np.isnan(classes["average_precision"][~present]).all()


def test_videos_scored_zero_throughout(golden):
    data = golden("metrics_all_zero_predictions")
    result = _evaluate(data["predictions"], data["labels"]).result()
    assert result["hit_at_1"] == pytest.approx(data["hit_at_one"], abs=1e-6)
    assert result["perr"] == pytest.approx(data["perr"], abs=1e-6)


@pytest.mark.parametrize(
    ("batch", "classes", "top", "max_labels", "decimals"),
    [
        (60, 40, 20, 6, None),
        (60, 40, 20, 6, 1),
        (60, 40, 5, 15, 2),
        (60, 40, 1, 40, None),
        (30, 4, 20, 3, 1),
        (30, 2, 3, 2, None),
        (1, 30, 20, 6, None),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_matches_the_loops(predictions, batch, classes, top, max_labels, decimals, seed):
    scores, labels = predictions(batch, classes, seed, max_labels, decimals)
    labels[0, 0] = True
    result = _evaluate(scores, labels, splits=3, top_k=top).result()
    for name, value in naive.evaluate(scores.tolist(), labels.astype(int).tolist(), top).items():
        assert result[name] == pytest.approx(value, abs=1e-12), name
    assert result["map_full_exact"] is True


@pytest.mark.parametrize("budget", [2**30, 0])
def test_order_and_splits_change_no_bit(predictions, budget):
    scores, labels = predictions(300, 90, decimals=3)
    kwargs = {"top_k": 10, "map_full_bytes": budget}
    expected = _evaluate(scores, labels, **kwargs).result()
    order = np.random.default_rng(0).permutation(300)
    for splits in (1, 2, 37, 300):
        assert _evaluate(scores[order], labels[order], splits, **kwargs).result() == expected


@pytest.mark.parametrize("budget", [2**30, 60 * 90 * 4, 0])
def test_merges_equal_one_pass(predictions, budget):
    scores, labels = predictions(200, 90, decimals=3)
    single = _evaluate(scores, labels, map_full_bytes=budget)
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        # The first and the second part fit in the second budget, the others do not.
        parts = np.split(np.arange(200), [20, 60, 125])
        states = [_evaluate(scores[i], labels[i], 2, map_full_bytes=budget) for i in parts]
        merged = Evaluation(90, map_full_bytes=budget)
        for index in order:
            merged.merge(states[index])
        assert merged.result() == single.result()
        assert merged.result()["map_full_exact"] is (budget == 2**30)
        for name, values in merged.per_class().items():
            np.testing.assert_array_equal(values, single.per_class()[name])


def test_exact_and_histogram_states_merge(predictions):
    scores, labels = predictions(200, 30)
    states = [
        _evaluate(scores[:90], labels[:90], map_full_bytes=2**30),
        _evaluate(scores[90:], labels[90:], map_full_bytes=0),
    ]
    expected = _evaluate(scores, labels, map_full_bytes=0).result()
    for first, second in (states, states[::-1]):
        merged = pickle.loads(pickle.dumps(first))
        merged.merge(second)
        assert merged.result() == expected
        assert merged.result()["map_full_exact"] is False


@pytest.mark.parametrize("budget", [2**30, 0])
def test_pickles_and_goes_on(predictions, budget):
    scores, labels = predictions(100, 30)
    evaluation = _evaluate(scores[:60], labels[:60], map_full_bytes=budget)
    data = pickle.dumps(evaluation)
    restored = pickle.loads(data)
    restored.update(scores[60:], labels[60:])
    assert restored.result() == _evaluate(scores, labels, map_full_bytes=budget).result()
    if budget:
        assert len(data) < 60 * 30 * 12 + 10_000


def test_a_perfect_ranking_is_one(predictions):
    _, labels = predictions(100, 50)
    labels[:, 0] |= ~labels.any(axis=1)
    noise = np.random.default_rng(0).random(labels.shape, dtype=np.float32)
    result = _evaluate(0.1 + 0.5 * labels + 0.3 * noise, labels).result()
    for name in ("gap", "hit_at_1", "hit_at_5", "perr", "map", "map_full", "overall_recall_at_3"):
        if name != "overall_recall_at_3" or labels.sum(axis=1).max() <= 3:
            assert result[name] == 1.0, name


@pytest.mark.parametrize("decimals", [None, 2, 0])
def test_values_are_between_zero_and_one(predictions, decimals):
    for seed in range(10):
        scores, labels = predictions(50, 30, seed, decimals=decimals)
        result = _evaluate(scores, labels, map_full_bytes=[0, 2**30][seed % 2]).result()
        shares = [value for value in result.values() if isinstance(value, float)]
        assert len(shares) == 10
        assert all(0 <= value <= 1 for value in shares)


@pytest.mark.parametrize("decimals", [None, 2])
def test_lists_equal_full_scores(predictions, decimals):
    scores, labels = predictions(200, 60, decimals=decimals)
    full = _evaluate(scores, labels).result()
    rng = np.random.default_rng(0)
    values, classes = top_k(scores, 20)
    shuffled = rng.permuted(np.tile(np.arange(20), (200, 1)), axis=1)
    lists = Evaluation(60)
    lists.update_top_k(
        np.take_along_axis(values, shuffled, 1), np.take_along_axis(classes, shuffled, 1), labels
    )
    result = lists.result()
    assert result["map_full"] is None
    assert result["map_full_exact"] is None
    assert np.isnan(lists.per_class()["average_precision_full"]).all()
    for name in set(full) - {"map_full", "map_full_exact"}:
        assert result[name] == full[name], name


def test_ragged_lists_are_padded(predictions):
    scores, labels = predictions(80, 25)
    # A full update in which what is not listed has a score that counts for nothing, against
    # lists that leave it out.
    listed = scores > np.sort(scores, axis=1)[:, [20]]
    listed[::7] = False
    classes = np.where(listed, np.arange(25), -1)
    evaluation = Evaluation(25)
    evaluation.update_top_k(np.where(listed, scores, np.nan), classes, labels)
    result = evaluation.result()
    pool = [(float(scores[i]), int(labels[i])) for i in zip(*np.nonzero(listed), strict=True)]
    assert result["gap"] == pytest.approx(naive.expected_ap(pool, labels.sum()), abs=1e-12)
    best = np.where(listed, scores, -1).argmax(axis=1)
    hits = labels[np.arange(80), best] & listed.any(axis=1)
    assert result["hit_at_1"] == hits.mean()
    assert result["overall_precision_at_3"] <= 1
    assert result["num_examples"] == 80


def test_lists_and_full_scores_mix(predictions):
    scores, labels = predictions(100, 30)
    mixed = _evaluate(scores[:50], labels[:50])
    mixed.update_top_k(*top_k(scores[50:], 20), labels[50:])
    mixed.merge(_evaluate(scores[:0], labels[:0]))
    result, full = mixed.result(), _evaluate(scores, labels).result()
    assert result["map_full"] is None
    assert (result["gap"], result["map"]) == (full["gap"], full["map"])


def test_lists_longer_than_top_k_are_cut(predictions):
    scores, labels = predictions(100, 30)
    lists = Evaluation(30, top_k=4)
    lists.update_top_k(*top_k(scores, 11), labels)
    full = _evaluate(scores, labels, top_k=4).result()
    assert {**full, "map_full": None, "map_full_exact": None} == lists.result()


@pytest.mark.parametrize(("seed", "batch", "classes"), [(0, 2000, 50), (1, 300, 400)])
def test_histograms_are_close(predictions, seed, batch, classes):
    scores, labels = predictions(batch, classes, seed)
    exact = _evaluate(scores, labels)
    coarse = _evaluate(scores, labels, 3, map_full_bytes=0)
    assert abs(exact.result()["map_full"] - coarse.result()["map_full"]) < 2e-4
    error = exact.per_class()["average_precision_full"]
    error = error - coarse.per_class()["average_precision_full"]
    assert np.nanmax(np.abs(error)) < 2e-2
    assert (exact.result()["gap"], exact.result()["map"]) == (
        coarse.result()["gap"],
        coarse.result()["map"],
    )


def test_many_blocks_of_classes(predictions, monkeypatch):
    scores, labels = predictions(150, 101)
    expected = _evaluate(scores, labels).per_class()["average_precision_full"]
    coarse = _evaluate(scores, labels, map_full_bytes=0).per_class()["average_precision_full"]
    monkeypatch.setattr("yt8m.metrics.full_scores._BLOCK", 2000)
    monkeypatch.setattr("yt8m.metrics.score_histogram._BLOCK", 20_000)
    again = _evaluate(scores, labels, 4)
    np.testing.assert_array_equal(again.per_class()["average_precision_full"], expected)
    again = _evaluate(scores, labels, map_full_bytes=0)
    np.testing.assert_array_equal(again.per_class()["average_precision_full"], coarse)


def test_loss_is_a_mean_over_examples(predictions):
    scores, labels = predictions(100, 10)
    losses = np.random.default_rng(0).random(100)
    each, mean = Evaluation(10), Evaluation(10)
    for part in np.split(np.arange(100), [7, 50]):
        each.update(scores[part], labels[part], losses[part])
        mean.update(scores[part], labels[part], losses[part].mean())
    each.merge(mean)
    assert each.result()["loss"] == pytest.approx(losses.mean(), rel=1e-14)
    assert mean.result()["loss"] == pytest.approx(losses.mean(), rel=1e-14)
    assert _evaluate(scores, labels).result()["loss"] is None


def test_number_labels_and_other_float_dtypes(predictions):
    scores, labels = predictions(50, 30, decimals=2)
    expected = _evaluate(scores, labels).result()
    for dtype in (np.uint8, np.int64, np.float32):
        assert _evaluate(scores.astype(np.float64), labels.astype(dtype)).result() == expected


def test_rounding_above_one_is_cut():
    evaluation = _evaluate(np.array([[1.0000001, 0.2]], np.float32), np.array([[True, False]]))
    assert evaluation.result()["map_full"] == 1.0


def test_nothing_to_evaluate():
    evaluation = Evaluation(5)
    evaluation.update(np.zeros((0, 5)), np.zeros((0, 5)), loss=float("nan"))
    for compute in (evaluation.result, evaluation.per_class):
        with pytest.raises(ValueError, match="no examples to evaluate"):
            compute()
    evaluation.update(np.full((3, 5), 0.5), np.zeros((3, 5)))
    with pytest.raises(ValueError, match="num_examples=3, num_labels=0"):
        evaluation.result()


@pytest.mark.parametrize(
    ("scores", "labels", "loss", "message"),
    [
        (np.full((2, 4), np.nan), np.zeros((2, 4)), None, "NaN for row 0 of the batch, class 0"),
        (np.full((2, 4), 3.0), np.zeros((2, 4)), None, "apply a sigmoid"),
        (np.full((2, 4), -1.0), np.zeros((2, 4)), None, "from -1 to -1"),
        (np.zeros((2, 5)), np.zeros((2, 4)), None, r"\(batch, 4\)"),
        (np.zeros((2, 4)), np.zeros((3, 4)), None, r"shape \(2, 4\)"),
        (np.zeros((2, 4)), np.full((2, 4), 2), None, "labels must be 0 or 1. Received: 2"),
        (np.zeros((2, 4)), np.zeros((2, 4)), np.zeros(3), r"shape \(2,\). Received: shape=\(3,\)"),
    ],
)
def test_refuses_and_stays_as_it_was(scores, labels, loss, message):
    evaluation = Evaluation(4)
    before = pickle.dumps(evaluation)
    with pytest.raises(ValueError, match=message):
        evaluation.update(scores, labels, loss)
    assert pickle.dumps(evaluation) == before


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [
        ([[0.1, 0.2]], [[0, 4]], r"\[0, 4\), or -1"),
        ([[0.1, 0.2]], [[0, -2]], "values from -2 to 0"),
        ([[0.1, 0.2]], [[1, 1]], "class 1 twice in row 0"),
        ([[0.1, np.nan]], [[1, 2]], "Received: nan in row 0"),
        ([[0.1, -np.inf]], [[1, 2]], "Received: -inf in row 0"),
        ([[0.1, 1e39]], [[1, 2]], r"Received: 1e\+39 in row 0"),
        ([[0.1]], [[1, 2]], r"values\.shape=\(1, 1\)"),
        ([[0.1, 0.2]], [[1.0, 2.0]], "dtype=float64"),
    ],
)
def test_lists_of_the_best_classes_that_do_not_fit_are_refused(values, classes, message):
    evaluation = Evaluation(4)
    before = pickle.dumps(evaluation)
    with pytest.raises(ValueError, match=message):
        evaluation.update_top_k(np.array(values), np.array(classes), np.zeros((1, 4)))
    assert pickle.dumps(evaluation) == before


def test_refuses_bad_arguments_and_strangers():
    with pytest.raises(ValueError, match="num_classes=0"):
        Evaluation(0)
    with pytest.raises(ValueError, match="top_k=-1"):
        Evaluation(5, top_k=-1)
    with pytest.raises(ValueError, match="map_full_bytes=-1"):
        Evaluation(5, map_full_bytes=-1)
    with pytest.raises(ValueError, match="num_classes=5, top_k=20 and num_classes=5, top_k=10"):
        Evaluation(5).merge(Evaluation(5, top_k=10))
