"""Losses on scores against loops over classes and pairs in float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from yt8m.modeling import losses

NAMES = ["hinge", "softmax", "pairwise_ranking", "warp"]
RANKING = ["pairwise_ranking", "warp"]


def case(videos=5, classes=9, share=0.3, decimals=None, seed=0):
    """Labels, with a video of none and a video of all, and probabilities, perhaps with ties."""
    random = np.random.default_rng(seed)
    y = (random.uniform(size=(videos, classes)) < share).astype("float32")
    y[0], y[1] = 0, 1
    p = 1 / (1 + np.exp(-random.normal(scale=2, size=(videos, classes))))
    p = p if decimals is None else np.round(p, decimals)
    return y, p.astype("float32")


def naive_scores(p, scores):
    if scores == "probabilities":
        return float(p)
    if scores == "log_probabilities":
        return math.log(max(p, 1e-30))
    p = min(max(float(p), 1e-7), float(np.float32(1 - 1e-7)))
    return math.log(p / (1 - p))


def naive_hinge(y, f):
    return sum(max(0, 1 - (1 if label else -1) * score) for label, score in zip(y, f, strict=True))


def naive_softmax(y, f):
    total = math.log(sum(math.exp(score) for score in f))
    shares = [(total - score) / sum(y) for label, score in zip(y, f, strict=True) if label]
    return sum(shares)


def naive_pairs(y, f, weight):
    value = 0.0
    negatives = [score for label, score in zip(y, f, strict=True) if not label]
    for positive in (score for label, score in zip(y, f, strict=True) if label):
        higher = sum(negative > positive for negative in negatives)
        for negative in negatives:
            value += weight(higher + 1) * max(0, 1 - positive + negative)
    return value


def harmonic(rank):
    return sum(1 / i for i in range(1, rank + 1))


NAIVE = {
    "hinge": naive_hinge,
    "softmax": naive_softmax,
    "pairwise_ranking": lambda y, f: naive_pairs(y, f, lambda rank: 1),
    "warp": lambda y, f: naive_pairs(y, f, harmonic),
}


def naive(name, y, p, scores):
    rows = [[naive_scores(value, scores) for value in row] for row in p]
    return np.array([NAIVE[name](labels, f) for labels, f in zip(y.tolist(), rows, strict=True)])


def value_and_gradient(loss, y, p, **compile_options):
    def compute(y, p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = loss.call(y, p)
        return value, tape.gradient(value, p)

    compute = tf.function(compute, **compile_options) if compile_options else compute
    value, gradient = compute(tf.constant(y), tf.constant(p))
    return value.numpy(), gradient.numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scores", ["logits", "log_probabilities", "probabilities"])
@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct", "ties"])
def test_loss_is_its_formula(name, scores, decimals):
    loss = losses.get(name, scores=scores)
    for seed, share in enumerate([0.1, 0.5, 0.9]):
        y, p = case(share=share, decimals=decimals, seed=seed)
        expected = naive(name, y, p, scores)
        np.testing.assert_allclose(loss.call(y, p), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(loss(y, p), expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_few_classes(name, classes):
    y, p = case(videos=8, classes=classes)
    expected = naive(name, y, p, "logits")
    np.testing.assert_allclose(losses.get(name).call(y, p), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scores", ["logits", "log_probabilities", "probabilities"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_is_the_difference_quotient(name, scores, jit_compile):
    y, p = case(seed=3)
    loss = losses.get(name, scores=scores)
    value, gradient = value_and_gradient(loss, y, p, jit_compile=jit_compile)
    exact = p.astype("float64")
    np.testing.assert_allclose(value, naive(name, y, exact, scores), rtol=1e-5, atol=1e-5)
    step = 1e-7
    for video, c in np.ndindex(p.shape):
        up, down = exact[[video]], exact[[video]]
        up[0, c] += step
        down[0, c] -= step
        difference = naive(name, y[[video]], up, scores) - naive(name, y[[video]], down, scores)
        expected = difference[0] / (2 * step)
        assert gradient[video, c] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def pairs_with_gradient(y, f, warp):
    """Value and gradient of the ranking losses of one video, positive by positive."""
    value, gradient = 0.0, np.zeros(len(f))
    for positive in np.flatnonzero(y):
        margins = np.where(y == 0, 1 - f[positive] + f, 0)
        rank = 1 + np.sum(f[y == 0] > f[positive])
        weight = np.sum(1 / np.arange(1, rank + 1)) if warp else 1
        value += weight * margins[margins > 0].sum()
        gradient += weight * (margins > 0)
        gradient[positive] -= weight * np.sum(margins > 0)
    return value, gradient


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("spread", [1e-6, 1e-3, 0.3])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_float32_suffices_for_the_classes_of_youtube8m(name, spread, jit_compile):
    """Scores may be nearly equal, as at the start of a training, or far apart."""
    random = np.random.default_rng(2)
    y = (random.uniform(size=(2, 3862)) < [[0.001], [0.3]]).astype("float32")
    p = (0.5 + spread * random.uniform(-1, 1, y.shape)).astype("float32")
    loss = losses.get(name, scores="probabilities")
    value, gradient = value_and_gradient(loss, y, p, jit_compile=jit_compile)
    for video in range(2):
        exact = p[video].astype("float64")
        expected, slope = pairs_with_gradient(y[video], exact, name == "warp")
        assert value[video] == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(gradient[video], slope, rtol=1e-5)


@pytest.mark.parametrize("name", RANKING)
def test_no_tensor_holds_pairs_of_classes(name):
    videos, classes = 4, 3862
    sizes = []

    @tf.function(input_signature=[tf.TensorSpec((videos, classes))] * 2)
    def compute(y, p):
        return tf.gradients(losses.get(name)(y, p), p)

    for operation in compute.get_concrete_function().graph.get_operations():
        sizes += [output.shape.num_elements() or 0 for output in operation.outputs]
    assert videos * classes <= max(sizes) <= 2 * videos * classes


@pytest.mark.parametrize("name", NAMES)
def test_leading_axes_are_videos_of_their_own(name):
    y, p = case(videos=6)
    loss = losses.get(name)
    value, gradient = value_and_gradient(loss, y.reshape(2, 3, 9), p.reshape(2, 3, 9))
    flat, flat_gradient = value_and_gradient(loss, y, p)
    assert value.shape == (2, 3)
    np.testing.assert_array_equal(value.reshape(6), flat)
    np.testing.assert_array_equal(gradient.reshape(6, 9), flat_gradient)


@pytest.mark.parametrize("name", RANKING)
def test_nothing_to_rank_costs_nothing(name):
    y, p = case(videos=2)
    value, gradient = value_and_gradient(losses.get(name), y, p)
    assert not value.any() and not gradient.any()


def test_warp_weighs_by_the_rank_among_the_other_classes():
    """Ranks 1 and 3: one class above the second label ties with it, and does not count."""
    y = np.array([[1, 0, 0, 1, 0, 0]], "float32")
    p = np.array([[0.9, 0.8, 0.7, 0.5, 0.5, 0.1]], "float32")
    first = (0.9, 0.8, 0.6, 0.2)
    second = (1.3, 1.2, 1.0, 0.6)
    expected = sum(first) + (1 + 1 / 2 + 1 / 3) * sum(second)
    assert float(losses.get("warp", scores="probabilities")(y, p)) == pytest.approx(expected)


def test_softmax_of_a_softmax_head_is_minus_the_log_of_its_probability():
    y = np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]], "float32")
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]], "float32")
    value = losses.get("softmax", scores="log_probabilities").call(y, p)
    expected = [-math.log(0.5), -(math.log(0.1) + math.log(0.8)) / 2, 0]
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scores", ["logits", "log_probabilities", "probabilities"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_ends_of_the_range_are_finite(name, scores, jit_compile):
    ends = np.array([0, 1, 0, 1, 1e-38, 1e-30, 1e-8, 0.5], "float32")
    p = np.stack([ends, ends, np.zeros(8, "f"), np.ones(8, "f")])
    y = np.array([[0, 0, 1, 1, 0, 1, 1, 0]] * 4, "float32")
    y[1] = 1 - y[1]
    loss = losses.get(name, scores=scores)
    value, gradient = value_and_gradient(loss, y, p, jit_compile=jit_compile)
    assert np.isfinite(value).all() and np.isfinite(gradient).all()
    assert (value >= 0).all()
