"""The best segments of each class, kept while they stream by."""

import numpy as np
import pytest

from yt8m.base.errors import UserError
from yt8m.submissions import top_segments
from yt8m.submissions.top_segments import TopSegments


def stream(scores, size, batch):
    """What is kept of scores that come in batches: a list of numbers a class."""
    top = TopSegments(scores.shape[1], size)
    for start in range(0, len(scores), batch):
        top.update(scores[start : start + batch])
    return [top.best(column).tolist() for column in range(scores.shape[1])]


def best(scores, size):
    """The same by sorting everything."""
    return [
        sorted(range(len(scores)), key=lambda n: (-scores[n, c], n))[:size]
        for c in range(scores.shape[1])
    ]


@pytest.fixture(params=[8, 50, 2**20], ids="pending-{}".format)
def pending(request, monkeypatch):
    """The size of the buffer, so that it is emptied often, at times or never."""
    monkeypatch.setattr(top_segments, "_FEWEST_PENDING", request.param)


@pytest.mark.parametrize("size", [1, 7, 64, 400, 1000])
@pytest.mark.parametrize("batch", [1, 13, 400])
@pytest.mark.parametrize("levels", [3, 10**9], ids=["ties", "distinct"])
def test_matches_a_sort(size, batch, levels, pending):
    rng = np.random.default_rng(size)
    scores = (rng.integers(0, levels, (400, 5)) / levels).astype(np.float32)
    assert stream(scores, size, batch) == best(scores, size)


def test_scores_that_rise_all_the_time(pending):
    scores = np.linspace(0, 1, 300, dtype=np.float32)[:, None] * [1.0, 0.5]
    assert stream(scores.astype(np.float32), 20, 32) == [list(range(299, 279, -1))] * 2


def test_any_finite_score_has_its_rank(pending):
    values = [0.0, -0.0, 1e-45, -1e-45, 1.0, -1.0, 3e38, -3e38, 0.5, -0.5]
    scores = np.array(values * 3, np.float32)[:, None]
    assert stream(scores, 30, 4) == best(scores, 30)
    assert stream(scores, 11, 4) == best(scores, 11)


def test_no_segment_gives_an_empty_list():
    assert TopSegments(3, 10).best(1).tolist() == []


def test_more_classes_than_16_bits_hold(pending):
    scores = np.random.default_rng(0).random((6, 2**16 + 3), np.float32)
    top = TopSegments(2**16 + 3, 2)
    for row in scores:
        top.update(row[None])
    for column in (0, 2, 2**16 - 1, 2**16, 2**16 + 2):
        order = np.argsort(-scores[:, column])[:2]
        np.testing.assert_array_equal(top.best(column), order)


def test_more_than_fits_is_refused():
    with pytest.raises(UserError, match="8000000000 GB. Lower --segment_max_pred"):
        TopSegments(1000, 10**15)


def test_more_segments_than_numbers():
    top = TopSegments(1, 1)
    top.num_segments = 2**32 - 1
    with pytest.raises(UserError, match="4294967296 segments cannot be ranked"):
        top.update(np.zeros((2, 1), np.float32))
