"""Average precision against loops and against every order of equal scores."""

import naive_metrics as naive
import numpy as np
import pytest

from yt8m.metrics import average_precision, grouped_average_precision
from yt8m.metrics.average_precision import histogram_average_precision


def _pairs(scores, labels):
    return list(zip(scores.tolist(), labels.astype(int).tolist(), strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_ties_get_the_mean_over_every_order(seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 3, 7) / 2, rng.random(7) < 0.5
    labels[0] = True
    cut = [None, 3, 5][seed % 3]
    expected = naive.permuted_ap(_pairs(scores, labels), 5 + labels.sum(), cut)
    assert average_precision(scores, labels, 5 + labels.sum(), cut) == pytest.approx(
        expected, abs=1e-14
    )


@pytest.mark.parametrize("distinct", [1, 2, 10, 100, 10**9])
@pytest.mark.parametrize("cut", [None, 1, 70, 500, 10**6])
def test_matches_the_loop(distinct, cut):
    rng = np.random.default_rng(distinct)
    scores = rng.integers(0, distinct, 1500) / distinct
    labels = rng.random(1500) < 0.2 + 0.6 * scores
    expected = naive.expected_ap(_pairs(scores, labels), labels.sum() + 9, cut)
    assert average_precision(scores, labels, labels.sum() + 9, cut) == pytest.approx(
        expected, abs=1e-13
    )


def test_a_late_tie_after_many_negatives_keeps_its_digits():
    negatives = 2_000_000
    scores = np.concatenate([np.ones(negatives), np.zeros(3)])
    labels = np.arange(negatives + 3) >= negatives
    expected = sum(j / (negatives + j) for j in (1, 2, 3)) / 3
    assert average_precision(scores, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_order_of_pairs_changes_no_bit(dtype):
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=3000).round(2).astype(dtype), rng.random(3000) < 0.3
    order = rng.permutation(3000)
    value = average_precision(scores, labels)
    assert average_precision(scores[order], labels[order]) == value
    expected = naive.expected_ap(_pairs(scores, labels), labels.sum())
    assert value == pytest.approx(expected, abs=1e-13)


def test_float64_scores_are_not_rounded():
    scores = 1 - np.array([0, 1, 2]) * 1e-12
    assert average_precision(scores, np.array([False, False, True])) == pytest.approx(1 / 3)


def test_zero_has_no_sign():
    scores = np.array([0.0, -0.0], np.float32)
    assert average_precision(scores, np.array([False, True])) == 0.75
    assert average_precision(scores, np.array([True, False])) == 0.75


@pytest.mark.parametrize("cut", [None, 40])
def test_groups_are_independent(cut):
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 12, 2000)
    scores = rng.random(2000).round(2).astype(np.float32)
    labels = (rng.random(2000) < scores) & (groups != 5)
    positives = np.bincount(groups[labels], minlength=13) + 3 * (np.arange(13) < 4)
    found = grouped_average_precision(scores, labels, groups, positives, cut)
    for group in range(13):
        mine = groups == group
        if not positives[group]:
            assert np.isnan(found[group])
            continue
        expected = naive.expected_ap(_pairs(scores[mine], labels[mine]), positives[group], cut)
        assert found[group] == pytest.approx(expected, abs=1e-13)
    assert np.isnan(found[[5, 12]]).all()


def test_a_histogram_is_a_list_of_ties():
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 20, 900)
    labels = rng.random(900) < scores / 25
    best_first = 19 - scores
    pairs = np.bincount(best_first, minlength=20)[None].astype(np.uint32)
    positives = np.bincount(best_first[labels], minlength=20)[None].astype(np.uint32)
    found = histogram_average_precision(pairs, positives, [labels.sum()])[0]
    assert found == average_precision(scores.astype(np.float32), labels)


def test_a_perfect_ranking_is_exactly_one():
    scores = np.array([0.9, 0.8, 0.8, 0.1, 0.1, 0.1])
    assert average_precision(scores, scores > 0.5) == 1.0


def test_the_cut_counts_expected_positives():
    # One of two equal pairs is in the first place: half a positive, of one.
    scores, labels = np.array([0.5, 0.5]), np.array([True, False])
    assert average_precision(scores, labels, cut=1) == 0.5


def test_without_positives_or_pairs():
    nothing = np.zeros(0)
    assert np.isnan(average_precision(np.ones(2), np.zeros(2, bool)))
    assert np.isnan(average_precision(nothing, nothing.astype(bool)))
    assert average_precision(nothing, nothing.astype(bool), 4) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1, np.nan], [True, False], None, [1]), "1 NaN of 2 scores"),
        (([0.1, 0.2], [True], None, [1]), r"labels\.shape=\(1,\)"),
        (([0.1, 0.2], [1, 0], None, [1]), "labels of bools"),
        (([0.1, 0.2], [True, True], [0], [2]), r"groups\.shape=\(1,\)"),
        (([0.1, 0.2], [True, True], [0, 2], [1, 1]), r"groups must be in \[0, 2\)"),
        (([0.1, 0.2], [True, True], [0, -1], [1, 1]), "values from -1 to 0"),
        (([0.1, 0.2], [True, True], [0, 1], [1, 0]), "Received: 0 for group 1, which holds 1"),
        (([0.1, 0.2], [True, True], None, [2], 0), "cut=0"),
    ],
)
def test_pairs_and_groups_that_do_not_fit_are_refused(arguments, message):
    scores, labels, groups, *rest = arguments
    groups = groups if groups is None else np.array(groups)
    with pytest.raises(ValueError, match=message):
        grouped_average_precision(np.array(scores), np.array(labels), groups, *rest)
