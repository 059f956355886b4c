"""Losses against NumPy in float64, at the ends of the range, and by name."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from npz import arrays

from yt8m.modeling import losses, score_losses

RANDOM = np.random.default_rng(11)
LABELS = (RANDOM.uniform(size=(6, 9)) < 0.3).astype("float64")
PROBABILITIES = RANDOM.uniform(0.01, 0.99, size=(6, 9))


def terms(y, p, smoothing, epsilon):
    """Cross-entropy of each video and class, term by term."""
    result = np.zeros(y.shape)
    for i, j in np.ndindex(y.shape):
        target = y[i, j] * (1 - smoothing) + smoothing / 2
        result[i, j] -= target * np.log(p[i, j] + epsilon)
        result[i, j] -= (1 - target) * np.log(1 - p[i, j] + epsilon)
    return result


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_sums_over_classes_and_averages_over_videos(smoothing):
    expected = terms(LABELS, PROBABILITIES, smoothing, 1e-5).sum(axis=1)
    loss = losses.CrossEntropy(smoothing)
    np.testing.assert_allclose(loss.call(LABELS, PROBABILITIES), expected, rtol=1e-5)
    np.testing.assert_allclose(loss(LABELS, PROBABILITIES), expected.mean(), rtol=1e-5)
    each = losses.CrossEntropy(smoothing, reduction=None)(LABELS, PROBABILITIES)
    np.testing.assert_allclose(each, expected, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_alpha_weighs_labels_against_other_classes(alpha):
    each = terms(LABELS, PROBABILITIES, 0.0, 1e-5)
    expected = np.where(LABELS == 1, 2 * alpha, 2 - 2 * alpha) * each
    value = losses.CrossEntropy(alpha=alpha).call(LABELS, PROBABILITIES)
    np.testing.assert_allclose(value, expected.sum(axis=1), rtol=1e-5)
    default = losses.CrossEntropy().call(LABELS, PROBABILITIES)
    assert np.array_equal(value, default) == (alpha == 0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_mean_cross_entropy_averages_over_both(smoothing):
    expected = terms(LABELS, PROBABILITIES, smoothing, 0.0).mean(axis=1)
    loss = losses.MeanCrossEntropy(smoothing)
    np.testing.assert_allclose(loss.call(LABELS, PROBABILITIES), expected, rtol=1e-5)
    np.testing.assert_allclose(loss(LABELS, PROBABILITIES), expected.mean(), rtol=1e-5)


def test_weights_say_which_classes_count():
    weights = (RANDOM.uniform(size=LABELS.shape) < 0.4).astype("float64")
    weights[0] = 0  # Nothing is known of this one.
    each = terms(LABELS, PROBABILITIES, 0.1, 1e-5) * weights
    value = losses.CrossEntropy(0.1).call(LABELS, PROBABILITIES, weights.astype("float32"))
    np.testing.assert_allclose(value, each.sum(axis=1), rtol=1e-5)
    each = terms(LABELS, PROBABILITIES, 0.1, 0.0) * weights
    expected = each.sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    value = losses.MeanCrossEntropy(0.1).call(LABELS, PROBABILITIES, weights.astype("float32"))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    hinge = score_losses.Hinge(scores="probabilities")
    each = np.maximum(0, 1 - (2 * LABELS - 1) * PROBABILITIES) * weights
    value = hinge.call(LABELS, PROBABILITIES, weights.astype("float32"))
    np.testing.assert_allclose(value, each.sum(axis=1), rtol=1e-5)


def test_losses_say_what_they_take():
    takes_weights = {name for name in losses.names() if losses.label_weighted(losses.get(name))}
    assert takes_weights == {"CrossEntropy", "MeanCrossEntropy", "Hinge"}
    takes_soft = {name for name in losses.names() if losses.takes_soft_labels(losses.get(name))}
    assert takes_soft == {"CrossEntropy", "MeanCrossEntropy"}


def test_epsilon_is_the_one_of_the_formula():
    p = np.array([[0.0, 1.0, 1.0, 0.0]])
    y = np.array([[1.0, 0.0, 1.0, 0.0]])
    expected = terms(y, p, 0.0, 1e-5).sum()
    assert expected == pytest.approx(2 * 11.5129, rel=1e-4)
    assert float(losses.CrossEntropy()(y, p)) == pytest.approx(expected, rel=1e-4)
    expected = terms(y, p, 0.0, 0.01).sum()
    assert float(losses.CrossEntropy(epsilon=0.01)(y, p)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", losses.names())
@pytest.mark.parametrize("probability", [0.0, 1e-30, 0.5, 1.0])
def test_value_and_gradient_are_finite(name, probability):
    p = tf.fill((2, 3), tf.constant(probability, tf.float32))
    labels = np.array([[0, 1, 0], [1, 1, 0]], "float32")
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = losses.get(name)(labels, p)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, p)).all()


def test_gradient_is_the_derivative_of_the_formula():
    y, p = LABELS, PROBABILITIES
    expected = (-y / (p + 1e-5) + (1 - y) / (1 - p + 1e-5)) / len(y)
    tensor = tf.constant(p, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = losses.CrossEntropy()(y, tensor)
    np.testing.assert_allclose(tape.gradient(value, tensor), expected, rtol=1e-4)


@pytest.mark.parametrize("name", losses.names())
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_computes_in_float32_whatever_comes_in(name, dtype):
    loss = losses.get(name)
    p = tf.cast(PROBABILITIES, dtype)
    y = tf.cast(LABELS, dtype)
    expected = loss(LABELS, tf.cast(p, "float32"))
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            value, each = losses.get(name)(y, p), losses.get(name).call(y, p)
        finally:
            keras.config.set_dtype_policy("float32")
        assert value.dtype == "float32" and each.dtype == "float32"
        assert each.shape == (6,)
        np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("name", losses.names())
def test_sample_weight_weighs_videos(name):
    loss = losses.get(name)
    weight = np.array([1, 0, 0, 0, 0, 0], "float32")
    one = loss.call(LABELS, PROBABILITIES)[0] / 6
    np.testing.assert_allclose(loss(LABELS, PROBABILITIES, sample_weight=weight), one, rtol=1e-5)


@pytest.mark.parametrize("name", losses.names())
def test_serialisation_keeps_the_hyperparameters(name):
    known = inspect.signature(type(losses.get(name))).parameters
    uncommon = {"label_smoothing": 0.2, "epsilon": 0.5, "alpha": 0.3, "scores": "probabilities"}
    uncommon = {key: value for key, value in uncommon.items() if key in known}
    assert uncommon.keys() == known.keys() - {"reduction", "name"}
    loss = losses.get(name, reduction="sum", **uncommon)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert {key: getattr(again, key) for key in uncommon} == uncommon
    np.testing.assert_array_equal(again(LABELS, PROBABILITIES), loss(LABELS, PROBABILITIES))


@pytest.mark.parametrize(
    "name", ["cross_entropy", "CrossEntropy", "CrossEntropyLoss", "crossentropy", "CROSS_ENTROPY"]
)
def test_names_are_matched_loosely(name):
    loss = losses.get(name, epsilon=0.5)
    assert type(loss) is losses.CrossEntropy
    assert loss.epsilon == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "mean_crossentropi"},
            "No loss is called 'mean_crossentropi'. Did you mean 'meancrossentropy'? Valid names: "
            "CrossEntropy, Hinge, MeanCrossEntropy, PairwiseRanking, Softmax, Warp.",
        ),
        (
            {"name": "cross_entropy", "epsilom": 1.0},
            "No hyperparameter of loss CrossEntropy is called 'epsilom'. "
            "Did you mean 'epsilon'? Valid names: alpha, epsilon, label_smoothing, reduction.",
        ),
        (
            {"name": "cross_entropy", "label_smoothing": 1.5},
            "label_smoothing must be in [0, 1]. Received: label_smoothing=1.5.",
        ),
        (
            {"name": "cross_entropy", "epsilon": 0.0},
            "epsilon must be positive. Received: epsilon=0.0.",
        ),
        (
            {"name": "cross_entropy", "alpha": 1.0},
            "alpha must be between 0 and 1, exclusive. Received: alpha=1.0.",
        ),
        (
            {"name": "warp", "scores": "logit"},
            "scores must be 'logits', 'log_probabilities', 'probabilities'. "
            "Received: scores='logit'.",
        ),
        (
            {"name": "warp", "label_smoothing": 0.1},
            "No hyperparameter of loss Warp is called 'label_smoothing'.",
        ),
    ],
)
def test_a_loss_that_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        losses.get(**arguments)
    assert message in str(error.value)


ON_JAX = """
import sys
import jax
import keras
import numpy as np
from yt8m.modeling import losses
from yt8m.training import optimizers, schedules
assert keras.backend.backend() == "jax"
data = np.load(sys.argv[1])
out = {name: losses.get(name)(data["y"], data["p"]) for name in losses.names()}
for name in losses.names():
    out["slope " + name] = jax.grad(lambda p: losses.get(name)(data["y"], p))(data["p"])
schedule = schedules.StaircaseDecay(1.0, 0.5, 4_000_000, 1023)
out["decays"] = [schedule._decays(int(step)) for step in data["steps"]]
model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(9, "sigmoid")])
model.compile(optimizers.get("adam", schedule, clip_gradient_norm=1.0), losses.CrossEntropy())
out["trained"] = [model.train_on_batch(data["p"], data["y"]) for _ in range(3)]
np.savez(sys.argv[2], **out)
"""


def test_jax_computes_losses_and_schedules_as_tensorflow_does(tmp_path, jax_process):
    """Losses and schedule agree across backends, and JAX trains with them."""
    steps = [0, 3910, 3911, 2_100_000_000, 2_147_483_647]
    np.savez(tmp_path / "in.npz", y=LABELS, p=PROBABILITIES, steps=steps)
    jax_process.run(ON_JAX, tmp_path / "in.npz", tmp_path / "out.npz")
    result = arrays(tmp_path / "out.npz")
    for name in losses.names():
        p = tf.constant(PROBABILITIES, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(p)
            here = losses.get(name)(LABELS, p)
        np.testing.assert_allclose(result[name], here, rtol=1e-5)
        slope = tape.gradient(here, p)
        np.testing.assert_allclose(result["slope " + name], slope, rtol=1e-4, atol=1e-5)
    assert result["decays"].tolist() == [step * 1023 // 4_000_000 for step in steps]
    assert np.isfinite(result["trained"]).all()


def test_labels_are_not_smoothed_in_an_evaluation():
    call = losses.from_spec("cross_entropy(label_smoothing=0.1, epsilon=1e-3)")
    loss = losses.for_evaluation(call)
    assert (loss.label_smoothing, loss.epsilon) == (0.0, 1e-3)


@pytest.mark.parametrize("name", ["hinge", "softmax", "pairwise_ranking", "warp"])
def test_spec_of_a_loss_on_scores(name):
    call = losses.from_spec(name)
    assert call.arguments == {"scores": "logits"}
    loss = losses.for_evaluation(losses.from_spec(f"{name}(scores='log_probabilities')"))
    assert loss.scores == "log_probabilities"
    assert type(loss).__name__ == call.name
