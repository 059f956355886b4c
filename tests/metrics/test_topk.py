"""The k best classes: order, ties, independence of the batch, bad input."""

import naive_metrics as naive
import numpy as np
import pytest

from yt8m.metrics import top_k


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("k", [1, 5, 29, 30, 50])
def test_matches_sorting_each_row(k, decimals):
    scores = np.random.default_rng(k).random((40, 30))
    if decimals is not None:
        scores = scores.round(decimals)
    values, classes = top_k(scores, k)
    expected = [naive.ranked(row)[:k] for row in scores.tolist()]
    assert classes.tolist() == expected
    assert values.tolist() == np.take_along_axis(scores, np.array(expected), 1).tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_keeps_the_dtype(dtype):
    values, classes = top_k(np.eye(4, dtype=dtype), 2)
    assert values.dtype == dtype
    assert classes.tolist() == [[0, 1], [1, 0], [2, 0], [3, 0]]


def test_ties_do_not_depend_on_the_rest_of_the_batch():
    scores = np.random.default_rng(0).integers(0, 4, (64, 200)) / np.float32(4)
    together = top_k(scores, 20)[1]
    alone = np.concatenate([top_k(row[None], 20)[1] for row in scores])
    backwards = top_k(scores[::-1], 20)[1][::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, backwards)


def test_signed_zeros_and_infinities():
    row = np.array([[-0.0, 0.0, np.inf, -np.inf, 0.0]])
    assert top_k(row, 4)[1].tolist() == [[2, 0, 1, 4]]


def test_an_empty_batch():
    values, classes = top_k(np.zeros((0, 7), np.float32), 3)
    assert values.shape == classes.shape == (0, 3)


def test_leaves_its_input_alone():
    scores = np.random.default_rng(0).random((8, 9))
    before = scores.copy()
    top_k(scores, 3)
    assert np.array_equal(scores, before)


@pytest.mark.parametrize(
    ("scores", "k", "message"),
    [
        (np.zeros((1, 3)), 0, r"k must be positive\. Received: k=0\."),
        (np.zeros(3), 1, r"Received: shape=\(3,\), dtype=float64"),
        (np.zeros((1, 3), int), 1, r"dtype=int64"),
        (np.array([[0.0, 1.0], [0.0, np.nan]]), 1, r"NaN in row 1"),
    ],
)
def test_scores_without_an_order_or_a_wrong_k_are_refused(scores, k, message):
    with pytest.raises(ValueError, match=message):
        top_k(scores, k)
