"""Optimizers by name, per-variable clipping, and the schedule to the last step."""

import inspect
import math

import keras
import numpy as np
import pytest

from yt8m.training import optimizers, schedules


def every_keras_optimizer():
    """Lists them by what they are, not by the signature that `optimizers` goes by."""
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    return sorted(
        name
        for name, cls in vars(keras.optimizers).items()
        if inspect.isclass(cls) and issubclass(cls, keras.optimizers.Optimizer)
        if name not in wrappers
    )


def test_every_keras_optimizer_is_known():
    assert optimizers.names() == every_keras_optimizer()
    assert {"Adam", "AdamW", "SGD", "Lion", "Adafactor", "RMSprop"} <= set(optimizers.names())


@pytest.mark.parametrize("name", every_keras_optimizer())
def test_every_keras_optimizer_is_made_and_saved(name):
    schedule = schedules.StaircaseDecay(0.01, 0.5, 100, 10)
    optimizer = optimizers.get(name, schedule, clip_gradient_norm=1.0, ema_momentum=0.9)
    assert isinstance(optimizer, getattr(keras.optimizers, name))
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is getattr(keras.optimizers, name)
    assert again.get_config() == optimizer.get_config()
    assert (again.clipnorm, again.use_ema, again.ema_momentum) == (1.0, True, 0.9)


def step(optimizer) -> np.ndarray:
    """Returns a variable that was 1 after one step down a gradient of 1."""
    variable = keras.Variable(np.ones((2, 2), "float32"))
    optimizer.build([variable])
    optimizer.apply([keras.ops.ones((2, 2))])
    return variable.numpy()


@pytest.mark.parametrize("name", every_keras_optimizer())
def test_every_keras_optimizer_steps(name):
    try:
        expected = step(getattr(keras.optimizers, name)(0.01))
    except AttributeError as error:  # Muon with TensorFlow in Keras 3.12.
        pytest.skip(f"this version of Keras cannot use it itself: {error}")
    schedule = schedules.StaircaseDecay(0.01, 0.5, 100, 10)
    np.testing.assert_allclose(step(optimizers.get(name, schedule)), expected, rtol=1e-6)
    assert (expected < 1).all()


@pytest.mark.parametrize("name", ["adam_w", "AdamW", "adamw", "AdamWOptimizer", "ADAM_W_OPTIMIZER"])
def test_names_are_matched_loosely(name):
    optimizer = optimizers.get(name, 0.5, beta_1=0.25)
    assert type(optimizer) is keras.optimizers.AdamW
    assert float(optimizer.learning_rate) == 0.5
    assert optimizer.beta_1 == 0.25


def test_each_variable_is_clipped_by_itself():
    """A norm over all variables would shrink the small gradient with the large one."""
    large, small = (keras.Variable(np.zeros(2, "float32")) for _ in range(2))
    optimizer = optimizers.get("sgd", 1.0, clip_gradient_norm=1.0)
    optimizer.build([large, small])
    gradients = [np.array([30.0, 40.0], "float32"), np.array([0.3, 0.4], "float32")]
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
    np.testing.assert_allclose(large.numpy(), [-0.6, -0.8], rtol=1e-6)
    np.testing.assert_allclose(small.numpy(), [-0.3, -0.4], rtol=1e-6)


def fitted(optimizer, epochs=3) -> keras.Model:
    """A model of one layer after a few epochs, each a `fit` of its own, as a run is trained."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    for epoch in range(epochs):
        x = np.random.default_rng(epoch).normal(size=(8, 3)).astype("float32")
        model.fit(x, x[:, :2], batch_size=4, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("rates", [None, {"sequential/dense/bias": 0.5}])
def test_an_average_is_kept_beside_the_weights(rates):
    """`fit` of Keras would end by overwriting them. The average is there for who asks."""
    keras.utils.clear_session()
    plain = fitted(optimizers.get("sgd", 0.1, rates=rates))
    keras.utils.clear_session()
    averaged = fitted(optimizers.get("sgd", 0.1, ema_momentum=0.5, rates=rates))
    for mine, other in zip(averaged.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
    averaged.optimizer.write_average(averaged.trainable_variables)
    for mine, other in zip(averaged.weights, plain.weights, strict=True):
        assert np.abs(mine.numpy() - other.numpy()).max() > 1e-3
    assert type(plain.optimizer) is not type(averaged.optimizer)


def test_zero_switches_off():
    optimizer = optimizers.get("sgd", 1.0)
    assert optimizer.clipnorm is None
    assert not optimizer.use_ema
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(np.array([30.0, 40.0], "float32"))])
    np.testing.assert_allclose(variable.numpy(), [-30, -40])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "adan"},
            "No optimizer is called 'adan'. Did you mean 'adam'? Valid names: Adadelta,",
        ),
        (
            {"name": "adam", "beta1": 0.5},
            "No hyperparameter of optimizer Adam is called 'beta1'. Did you mean 'beta_1'? "
            "Valid names: amsgrad, beta_1,",
        ),
        ({"name": "adam", "clipnorm": 1.0}, "is called 'clipnorm'."),
        ({"name": "adam", "use_ema": True}, "is called 'use_ema'."),
        (
            {"name": "adam", "clip_gradient_norm": -1.0},
            "clip_gradient_norm must be 0 or more. Received: clip_gradient_norm=-1.0.",
        ),
        (
            {"name": "adam", "rates": {"v0": 0.0}},
            "must be above 0 and at most 1. Received: rates['v0']=0.0.",
        ),
        ({"name": "adam", "rates": {"v0": 1.5}}, "Received: rates['v0']=1.5."),
        (
            {"name": "adam", "ema_momentum": 1.0},
            "ema_momentum must be in [0, 1). Received: ema_momentum=1.0.",
        ),
        (
            {"name": "nadam", "weight_decay": "x"},
            "weight_decay of Nadam must be a finite number. Received: weight_decay='x'.",
        ),
        ({"name": "adam", "beta_1": None}, "must be a finite number. Received: beta_1=None."),
        ({"name": "adam", "beta_1": True}, "must be a finite number. Received: beta_1=True."),
        ({"name": "adam", "epsilon": math.inf}, "must be a finite number. Received: epsilon=inf."),
        ({"name": "adam", "amsgrad": 1}, "must be True or False. Received: amsgrad=1."),
        ({"name": "muon", "exclude_layers": (1,)}, "must be a tuple of names. Received: exclude"),
    ],
)
def test_an_optimizer_that_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        optimizers.get(learning_rate=0.1, **arguments)
    assert message in str(error.value)


def test_what_has_no_default_may_be_given_or_left_out():
    optimizers.get("adam", 0.1, weight_decay=None, global_clipnorm=1, amsgrad=True)
    optimizers.get("muon", 0.1, exclude_layers=("dense",))


def steps_around_stairs(decay_examples, batch_size, last):
    """Steps just before, at and after stairs, up to `last`."""
    total = last * batch_size // decay_examples
    stairs = {*range(1, 50), *np.linspace(1, total, 50, dtype=int).tolist()}
    firsts = [-(-stair * decay_examples // batch_size) for stair in stairs]
    return sorted({s for first in firsts for s in (first - 1, first, first + 1) if 0 <= s <= last})


@pytest.mark.parametrize(
    ("decay_examples", "batch_size"),
    [(4_000_000, 1024), (4_000_000, 80), (4_000_000, 1023), (3_999_999, 1), (7, 3), (1000, 1000)],
)
def test_the_floor_is_exact(decay_examples, batch_size):
    """Against Python's integers, for millions of steps: float32 alone fails most of these."""
    schedule = schedules.StaircaseDecay(1.0, 0.5, decay_examples, batch_size)
    for step in steps_around_stairs(decay_examples, batch_size, 20_000_000):
        expected = step * batch_size // decay_examples
        assert int(schedule._decays(np.int64(step))) == expected, step


def test_float32_alone_would_be_wrong():
    """The hazard is real, so that the test above can fail."""
    steps = steps_around_stairs(4_000_000, 1023, 20_000_000)
    naive = [int(np.floor(np.float32(s) * np.float32(1023) / np.float32(4e6))) for s in steps]
    assert naive != [s * 1023 // 4_000_000 for s in steps]


def test_learning_rates_of_the_starter_code():
    """0.01, times 0.95 every 4 million examples, in batches of 1024: stairs of 3906.25 steps."""
    schedule = schedules.StaircaseDecay(0.01, 0.95, 4_000_000, 1024)
    for step, decays in [(0, 0), (3906, 0), (3907, 1), (7812, 1), (7813, 2), (39_063, 10)]:
        assert float(schedule(step)) == pytest.approx(0.01 * 0.95**decays, rel=1e-6)
    assert schedule(5).dtype == "float32"


def test_optimizer_follows_the_schedule():
    optimizer = optimizers.get("sgd", schedules.StaircaseDecay(1.0, 0.5, 20, 10))
    variable = keras.Variable(np.zeros((), "float32"))
    optimizer.build([variable])
    values = []
    for _ in range(5):
        optimizer.apply([keras.ops.ones(())])
        values.append(float(variable.numpy()))
    np.testing.assert_allclose(-np.diff([0.0, *values]), [1, 1, 0.5, 0.5, 0.25])


def test_schedule_works_inside_xla():
    tf = pytest.importorskip("tensorflow")
    schedule = schedules.StaircaseDecay(1.0, 0.5, 4_000_000, 1023)
    decays = tf.function(schedule._decays, jit_compile=True)
    for step in (0, 3910, 3911, 2_147_483_647):
        assert int(decays(tf.constant(step, tf.int64))) == step * 1023 // 4_000_000


def test_schedule_is_saved_with_its_arguments():
    schedule = schedules.StaircaseDecay(0.01, 0.95, 4_000_000, 1024)
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    assert type(again) is schedules.StaircaseDecay
    assert again.get_config() == schedule.get_config()
    assert again.get_config()["decay_examples"] == 4_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (0.0, 0.5, 10, 1),
            "base_learning_rate must be positive. Received: base_learning_rate=0.0.",
        ),
        ((0.1, 0.0, 10, 1), "decay must be above 0 and at most 1. Received: decay=0.0."),
        ((0.1, 1.5, 10, 1), "decay must be above 0 and at most 1. Received: decay=1.5."),
        ((0.1, 0.5, 0, 1), "decay_examples must be positive. Received: decay_examples=0."),
        ((0.1, 0.5, 10, 0), "batch_size must be positive. Received: batch_size=0."),
        ((0.1, 0.5, 2**31 - 1, 2), "below 2**30 after division by their common divisor."),
    ],
)
def test_schedule_errors(arguments, message):
    with pytest.raises(ValueError) as error:
        schedules.StaircaseDecay(*arguments)
    assert message in str(error.value)
