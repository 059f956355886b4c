"""Learning rates for each variable, and the private hooks of Keras that they need."""

import inspect

import keras
import numpy as np
import pytest

from yt8m.training import optimizers, schedules

HOOKS = {
    "_apply_weight_decay": ["self", "variables"],
    "_get_current_learning_rate": ["self"],
    "_get_variable_index": ["self", "variable"],
}
START = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
GRADIENTS = np.random.default_rng(4).normal(size=(3, 2, 3))


def walk(optimizer, gradients=GRADIENTS, count=2):
    """Walks `count` variables down the same gradients; returns the values at the end."""
    variables = [keras.Variable(START.astype("float32"), name=f"v{i}") for i in range(count)]
    optimizer.build(variables)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")] * count)
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("name", optimizers.names())
def test_this_version_of_keras_has_the_hooks(name):
    """That they are also called is shown by `test_rates_are_learning_rates`."""
    cls = getattr(keras.optimizers, name)
    for hook, expected in HOOKS.items():
        method = getattr(cls, hook, None)
        received = list(inspect.signature(method).parameters) if method else None
        assert received == expected, (
            f"variable_rates.py does not fit Keras {keras.__version__}: it overrides or calls "
            f"{name}.{hook}({', '.join(expected)}), whose parameters are {received} there."
        )


@pytest.mark.parametrize("name", optimizers.names())
def test_rates_are_learning_rates(name):
    """A variable with a rate goes where an optimizer with that learning rate would take it."""
    settings = {"weight_decay": 0.1, "clip_gradient_norm": 1.0}
    try:
        expected = [
            walk(optimizers.get(name, rate, **settings), count=1)[0] for rate in (0.02, 0.2)
        ]
    except AttributeError as error:  # Muon with TensorFlow in Keras 3.12.
        pytest.skip(f"this version of Keras cannot use it itself: {error}")
    received = walk(optimizers.get(name, 0.2, rates={"v0": 0.1}, **settings))
    np.testing.assert_allclose(received, expected, rtol=2e-6)
    assert np.abs(received[0] - received[1]).max() > 1e-3


def test_rates_hold_where_adafactor_lowers_its_own():
    """By itself it goes at 1 / sqrt(step) at most, which the rate is a share of."""
    lower, full = walk(optimizers.get("adafactor", 5.0, rates={"v0": 0.5}), GRADIENTS[:1])
    np.testing.assert_allclose(lower - START, 0.5 * (full - START), rtol=1e-4)
    assert np.abs(full - START).max() > 0.1


def test_rates_of_gradient_descent():
    received = walk(optimizers.get("sgd", 0.2, momentum=0.9, rates={"v0": 0.1}))
    for value, rate in zip(received, (0.02, 0.2), strict=True):
        expected, speed = START.copy(), 0
        for gradient in GRADIENTS:
            speed = 0.9 * speed - rate * gradient
            expected += speed
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_rates_of_adamw():
    """With its weight decay, and the moving average of the weights."""
    optimizer = optimizers.get(
        "adamw", 0.2, beta_2=0.9, weight_decay=0.3, ema_momentum=0.75, rates={"v1": 0.25}
    )
    received = walk(optimizer)
    for i, rate in enumerate((0.2, 0.05)):
        expected, mean, square, average = START.copy(), 0, 0, None
        for step, gradient in enumerate(GRADIENTS, start=1):
            expected -= rate * 0.3 * expected
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.9 * square + 0.1 * gradient**2
            size = np.sqrt(square / (1 - 0.9**step))
            expected -= rate * mean / (1 - 0.9**step) / size
            average = expected.copy() if average is None else 0.75 * average + 0.25 * expected
        np.testing.assert_allclose(received[i], expected, rtol=1e-4)
        averages = optimizer._model_variables_moving_average
        np.testing.assert_allclose(averages[i].numpy(), average, rtol=1e-4)


def test_rates_follow_the_schedule_inside_a_strategy():
    tf = pytest.importorskip("tensorflow")
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        schedule = schedules.StaircaseDecay(1.0, 0.5, 10, 10)
        optimizer = optimizers.get("sgd", schedule, weight_decay=0.1, rates={"v0": 0.5})
        variables = [keras.Variable(np.ones((), "float32"), name=f"v{i}") for i in range(2)]
        optimizer.build(variables)

        def replica_step():
            optimizer.apply([keras.ops.ones(())] * 2)

        strategy = tf.distribute.get_strategy()
        step = tf.function(lambda: strategy.run(replica_step))
        for _ in range(2):
            step()
    for variable, rate in zip(variables, (0.5, 1.0), strict=True):
        expected = 1.0
        for learning_rate in (1.0 * rate, 0.5 * rate):
            expected = expected * (1 - 0.1 * learning_rate) - learning_rate
        assert float(variable.numpy()) == pytest.approx(expected, rel=1e-6)


def test_rates_change_nothing_that_is_saved():
    """The same variables under the same names: a checkpoint is restored as without rates."""
    made = [optimizers.get("adam", 0.1, rates=rates) for rates in (None, {"v0": 0.5})]
    for optimizer in made:
        walk(optimizer)
    plain, rated = ([(v.path.split("/")[-1], v.shape) for v in o.variables] for o in made)
    assert plain == rated
    assert type(optimizers.get("adam", 0.1, rates={"v0": 1.0})) is keras.optimizers.Adam
    config = keras.saving.serialize_keras_object(made[1])
    assert type(keras.saving.deserialize_keras_object(config)) is keras.optimizers.Adam


def test_a_rate_of_an_unknown_variable_is_refused():
    optimizer = optimizers.get("sgd", 0.1, rates={"v0": 0.5, "dense/kernel": 0.1})
    with pytest.raises(ValueError, match="that it trains. Received: rates of dense/kernel."):
        walk(optimizer)
