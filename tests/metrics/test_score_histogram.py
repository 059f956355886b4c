"""The grid of the histograms, and the chunked array beside it."""

import numpy as np
import pytest

from yt8m.metrics.chunked_rows import ChunkedRows
from yt8m.metrics.pooled_pairs import PooledPairs
from yt8m.metrics.score_histogram import NUM_BINS, bin_index


def test_bins_rise_with_the_score():
    rng = np.random.default_rng(0)
    near_zero = 2.0 ** -rng.uniform(0, 50, 20_000)
    scores = np.concatenate([near_zero, 1 - near_zero, [0, 0.5, 1]]).astype(np.float32)
    scores.sort()
    bins = bin_index(scores)
    assert (np.diff(bins) >= 0).all()
    assert (bins[0], bins[-1]) == (0, NUM_BINS - 1)


def test_bins_are_less_than_a_percent_wide():
    scores = np.random.default_rng(0).random(200_000, dtype=np.float32) ** 3
    bins = bin_index(scores)
    lowest, highest = np.full(NUM_BINS, np.inf), np.zeros(NUM_BINS)
    np.minimum.at(lowest, bins, scores)
    np.maximum.at(highest, bins, scores)
    used = highest > 2.0**-40
    distance = np.minimum(lowest, 1 - highest)[used]
    assert ((highest - lowest)[used] <= distance / 128 + 2e-7).all()


def test_the_ends_of_the_grid():
    tiny, smallest = np.float32(2.0**-41), np.float32(2.0**-40)
    closest = np.nextafter(np.float32(1), np.float32(0))
    assert bin_index(np.array([0, tiny, smallest])).tolist() == [0, 0, 1]
    assert bin_index(np.array([closest, 1], np.float32)).tolist() == [NUM_BINS - 2, NUM_BINS - 1]


@pytest.mark.parametrize("row_shape", [(), (3,)])
def test_chunks_hold_what_was_appended(row_shape, monkeypatch):
    monkeypatch.setattr("yt8m.metrics.chunked_rows._CHUNK_BYTES", 64)
    rows = ChunkedRows(row_shape, np.float32)
    assert rows.concatenate().shape == (0, *row_shape)
    parts = [np.random.default_rng(n).random((n, *row_shape)) for n in (1, 0, 40, 5, 16, 2)]
    for part in parts:
        rows.append(part)
    expected = np.concatenate(parts).astype(np.float32)
    assert len(rows) == len(expected)
    np.testing.assert_array_equal(rows.concatenate(), expected)
    np.testing.assert_array_equal(np.concatenate(rows.chunks()), expected)
    if row_shape:
        np.testing.assert_array_equal(rows.columns(1, 3), expected[:, 1:3])


@pytest.mark.parametrize(("num_classes", "pair_bytes"), [(3862, 6), (2**15, 6), (2**15 + 1, 8)])
def test_pairs_are_small_and_hold_the_last_class(num_classes, pair_bytes):
    pairs = PooledPairs(num_classes)
    last = np.full((1, 1), num_classes - 1)
    pairs.update(np.full((1, 1), 0.5, np.float32), last, np.ones((1, 1), bool))
    found = pairs.class_average_precision(np.arange(num_classes) // (num_classes - 1))
    assert found[-1] == 1.0
    assert pairs._scores.dtype.itemsize + pairs._codes.dtype.itemsize == pair_bytes
