"""Weights in fewer bits, against arithmetic written out."""

import numpy as np
import pytest

from yt8m.serving import quantized_weights


def matrix(rows=40, columns=30, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def test_float16_is_the_nearest_half():
    weights = matrix()
    stored = quantized_weights.store(weights, "float16")
    assert stored.values.dtype == np.float16
    assert stored.num_bytes == weights.nbytes / 2
    restored = stored.restore()
    assert restored.dtype == np.float32
    # 11 bits of precision: half of the last one, relative to the power of two below.
    step = 2.0 ** (np.floor(np.log2(np.abs(weights))) - 10)
    assert (np.abs(restored - weights) <= step / 2).all()
    assert np.abs(restored - weights).max() > 0


@pytest.mark.parametrize("shape", [(40, 30), (5, 8, 30), (1, 40, 30)], ids=str)
def test_int8_is_the_nearest_of_127_steps_either_way_of_each_channel(shape):
    weights = matrix().reshape(shape) * np.linspace(0.01, 100, 30, dtype=np.float32)
    stored = quantized_weights.store(weights, "int8")
    assert stored.values.dtype == np.int8
    assert stored.values.shape == weights.shape
    assert stored.num_bytes == weights.size + 4 * 30
    restored = stored.restore()
    assert restored.dtype == np.float32
    for channel in range(30):
        column, received = weights[..., channel].ravel(), restored[..., channel].ravel()
        largest = max(abs(value) for value in column.tolist())
        assert np.abs(received - column).max() <= largest / 127 / 2 * (1 + 1e-5)
        assert np.abs(received).max() == pytest.approx(largest)


def test_a_channel_of_zeros_stays_so():
    weights = matrix()
    weights[:, 3] = 0
    restored = quantized_weights.store(weights, "int8").restore()
    assert np.isfinite(restored).all()
    assert not restored[:, 3].any()


@pytest.mark.parametrize("method", quantized_weights.METHODS)
@pytest.mark.parametrize(
    "values",
    [
        matrix(31, 33)[:, :1].repeat(2000, axis=1)[0],
        matrix(10, 10),
        np.arange(4000, dtype=np.int32).reshape(40, 100),
        np.float32(0.3),
    ],
    ids=["a vector", "a small matrix", "integers", "a scalar"],
)
def test_other_variables_stay_as_they_are(method, values):
    values = np.asarray(values)
    stored = quantized_weights.store(values, method)
    assert stored.scales is None
    assert stored.restore().dtype == values.dtype
    np.testing.assert_array_equal(stored.restore(), values)


def test_what_float16_cannot_hold_stays_float32():
    weights = matrix()
    weights[2, 3] = 7e4
    stored = quantized_weights.store(weights, "float16")
    np.testing.assert_array_equal(stored.restore(), weights)
    weights[2, 3] = 65504
    assert quantized_weights.store(weights, "float16").values.dtype == np.float16


def test_a_wrong_method():
    with pytest.raises(ValueError, match=r"float32, float16, int8\. Received: method='int4'"):
        quantized_weights.store(matrix(), "int4")
