"""Layers: what every one promises, by discovery, and each against NumPy."""

import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

import frame_models
import video_models
from frame_models.layers.join import join
from frame_models.layers.masked_average import MaskedAverage
from video_models import logistic, mlp, moe, softmax
from video_models.layers.batch_norm import BatchNorm
from video_models.layers.context_gating import ContextGating
from video_models.layers.mixture_of_experts import MixtureOfExperts
from video_models.layers.weights import slim_l2

RANDOM = np.random.default_rng(5)


def registrable_classes():
    """Finds every class of the two packages that Keras may have to save."""
    found = {}
    for package in (video_models, frame_models):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for value in vars(importlib.import_module(info.name)).values():
                ours = inspect.isclass(value) and value.__module__ == info.name
                if ours and hasattr(value, "get_config") and not value.__name__.startswith("_"):
                    found[f"{info.name}.{value.__name__}"] = value
    return found


CLASSES = registrable_classes()
# A value for an argument without a default, by its type.
NEEDED = {
    "<class 'bool'>": True,
    "<class 'int'>": 4,
    "<class 'float'>": 0.5,
    "<class 'str'>": "relu",
}
NEEDED |= {"tuple[int, ...]": (2, 0, 1), "tuple[float, ...]": (0.5, 0.25, 2.0)}
LAYERS = {name: cls for name, cls in CLASSES.items() if issubclass(cls, keras.layers.Layer)}

# Layers whose arguments are attributes. The others have Keras' own arguments, but for a layer
# that has a round trip of its own, in test_cnn.
OTHERS = ("SubNetwork", "ClipMaxPooling", "ClipAveragePooling", "Conv3D")
SIMPLE = {name: cls for name, cls in LAYERS.items() if cls.__name__ not in OTHERS}


def uncommon_arguments(cls) -> dict:
    """Makes arguments unlike the defaults, from their types."""
    arguments = {}
    for parameter in inspect.signature(cls).parameters.values():
        default = parameter.default
        if parameter.kind is parameter.VAR_KEYWORD or parameter.name in ("dtype", "name"):
            continue
        if default is parameter.empty:
            arguments[parameter.name] = NEEDED[str(parameter.annotation)]
        elif isinstance(default, bool):
            arguments[parameter.name] = not default
        elif isinstance(default, int):
            arguments[parameter.name] = default * 2
        elif isinstance(default, float):
            arguments[parameter.name] = default / 2
        else:
            arguments[parameter.name] = default
    return arguments


def test_every_class_is_registered_under_a_name_of_its_own():
    names = {}
    for path, cls in CLASSES.items():
        name = keras.saving.get_registered_name(cls)
        assert name == f"{path.split('.')[0]}>{cls.__name__}", "not registered, or elsewhere"
        assert name not in names, f"{path} and {names[name]} are both registered as {name}"
        names[name] = path
        assert keras.saving.get_registered_object(name) is cls
    assert len(names) >= 3


@pytest.mark.parametrize("cls", SIMPLE.values(), ids=SIMPLE)
def test_config_round_trip(cls):
    arguments = uncommon_arguments(cls)
    layer = cls(**arguments, name="some_name")
    for name, value in arguments.items():
        assert getattr(layer, name) == value
        assert layer.get_config()[name] == value
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is cls
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("cls", LAYERS.values(), ids=LAYERS)
def test_layer_is_documented(cls):
    doc = inspect.getdoc(cls)
    sections = ("Args:", "Input shape:", "Output shape:")
    assert [doc.find(section) for section in sections] == sorted(
        doc.find(section) for section in sections
    )
    assert all(section in doc for section in sections)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("mixtures", [1, 3])
def test_mixture_of_experts_is_its_formula(mixtures):
    x = RANDOM.normal(size=(5, 4))
    layer = MixtureOfExperts(6, mixtures)
    layer.build((None, 4))
    weights = [RANDOM.normal(size=w.shape) for w in layer.weights]
    layer.set_weights(weights)
    gates, experts, bias = weights
    expected = np.zeros((5, 6))
    for video in range(5):
        for c in range(6):
            columns = slice(c * (mixtures + 1), (c + 1) * (mixtures + 1))
            gate = np.exp(x[video] @ gates[:, columns])
            for m in range(mixtures):
                unit = c * mixtures + m
                answer = sigmoid(x[video] @ experts[:, unit] + bias[unit])
                expected[video, c] += gate[m] / gate.sum() * answer
    np.testing.assert_allclose(layer(x.astype("f")), expected, rtol=1e-5)
    assert layer.compute_output_shape((None, 4)) == (None, 6)


def test_mixture_of_experts_takes_any_leading_axes():
    layer = MixtureOfExperts(6)
    x = RANDOM.normal(size=(2, 3, 4)).astype("f")
    np.testing.assert_allclose(layer(x)[1], layer(x[1]), rtol=1e-5)


def test_mixture_of_experts_is_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = MixtureOfExperts(6)
    finally:
        keras.config.set_dtype_policy("float32")
    assert layer(np.ones((1, 4))).dtype == "float32"


@pytest.mark.parametrize("remove_diag", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_context_gating_is_its_formula(remove_diag, training):
    x = RANDOM.normal(size=(7, 4))
    layer = ContextGating(remove_diag, momentum=0.9, epsilon=0.01)
    layer.build((None, 4))
    kernel = RANDOM.normal(size=(4, 4))
    gamma, beta, mean, variance = RANDOM.uniform(0.5, 1.5, size=(4, 4))
    layer.set_weights([kernel, gamma, beta, mean, variance])
    context = x @ (kernel * (1 - np.eye(4)) if remove_diag else kernel)
    m, v = (context.mean(0), context.var(0)) if training else (mean, variance)
    expected = x * sigmoid((context - m) / np.sqrt(v + 0.01) * gamma + beta)
    np.testing.assert_allclose(layer(x.astype("f"), training=training), expected, rtol=1e-4)
    if training:
        moved = 0.9 * mean + 0.1 * context.mean(0)
        np.testing.assert_allclose(layer.batch_norm.moving_mean.numpy(), moved, rtol=1e-5)


def test_masked_average_is_the_average_of_valid_frames():
    x = RANDOM.normal(size=(4, 5, 3)).astype("f")
    mask = np.array([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 1, 0, 0]], bool)
    x[~mask] = np.inf
    expected = [x[0].mean(0), x[1, 0], np.zeros(3), (x[3, 0] + x[3, 2]) / 2]
    layer = MaskedAverage()
    np.testing.assert_allclose(layer(x, mask=mask), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(x[:1]), x[:1].mean(1), rtol=1e-5, atol=1e-6)
    assert layer.compute_output_shape((None, 5, 3)) == (None, 3)


def test_masked_average_ends_the_mask():
    x = keras.Input((None, 3))
    masked = keras.layers.Masking()(x)
    assert masked._keras_mask is not None
    assert getattr(MaskedAverage()(masked), "_keras_mask", None) is None


def test_masked_average_sums_in_float32():
    """bfloat16 stops counting at 256: the sum of 300 ones would be 256."""
    average = MaskedAverage(dtype="mixed_bfloat16")(np.ones((1, 300, 1), "f"))
    assert float(average[0, 0]) == 1.0


def test_join_keeps_the_order_of_the_dict():
    frames = {"z": np.zeros((1, 2, 3), "f"), "a": np.ones((1, 2, 1), "f")}
    tensors = {name: keras.ops.convert_to_tensor(x) for name, x in frames.items()}
    np.testing.assert_array_equal(np.array(join(tensors))[0, 0], [0, 0, 0, 1])
    assert join({"z": tensors["z"]}) is tensors["z"]


def test_l2_is_half_the_sum_of_squares():
    assert float(slim_l2(0.5)(np.array([1.0, 3.0], "f"))) == pytest.approx(0.5 * 10 / 2)
    assert slim_l2(0.0) is None


@pytest.mark.parametrize("build", [logistic.build, moe.build])
def test_l2_penalises_kernels_only(build):
    features = keras.Input((4,))
    model = keras.Model(features, build(features, 3, l2=0.5))
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 2.0))
    kernels = sum(np.prod(w.shape) for w in model.weights if w.path.endswith("kernel"))
    model(np.ones((1, 4), "f"))
    assert float(sum(model.losses)) == pytest.approx(0.5 * kernels * 4 / 2)


def test_prior_is_where_the_probabilities_start():
    features = keras.Input((4,))
    zero = np.zeros((1, 4), "f")
    model = keras.Model(features, logistic.build(features, 3, prior=0.01))
    np.testing.assert_allclose(model(zero), 0.01, rtol=1e-5)
    model = keras.Model(features, moe.build(features, 3, prior=0.01))
    np.testing.assert_allclose(model(zero), 0.01 * 2 / 3, rtol=1e-5)


def count_blocks(model):
    return sum(isinstance(layer, keras.layers.Add) for layer in model.layers)


def test_mlp_hyperparameters_shape_the_network():
    features = keras.Input((4,))

    def make(**kwargs):
        return keras.Model(features, mlp.build(features, 3, hidden=8, **kwargs))

    assert [count_blocks(make(blocks=n)) for n in (0, 1, 3)] == [0, 1, 3]
    rates = [
        layer.rate
        for layer in make(blocks=0, dropout=0.2, input_dropout=0.1).layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert rates == [0.1, 0.2]
    norms = [layer.__class__.__name__ for layer in make(input_norm="batch").layers]
    assert norms.index("BatchNormalization") < norms.index("Dense")
    assert "MixtureOfExperts" in [layer.__class__.__name__ for layer in make(head=moe.build).layers]
    assert make(input_norm="none", dropout=0.0)(np.ones((2, 4), "f")).shape == (2, 3)


def test_mlp_rms_norm_ignores_the_length_of_the_vector():
    features = keras.Input((400,))
    model = keras.Model(features, mlp.build(features, 3, hidden=8))
    x = RANDOM.normal(size=(2, 400)).astype("f")
    np.testing.assert_allclose(model(100 * x), model(x), rtol=1e-4)
    unit = x / np.linalg.norm(x, axis=-1, keepdims=True)
    np.testing.assert_allclose(model(unit), model(x), rtol=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: moe.build(x, 3, mixtures=0), "mixtures must be positive. Received: mixtures=0."),
        (lambda x: moe.build(x, 0), "num_classes must be positive. Received: num_classes=0."),
        (lambda x: moe.build(x, 3, l2=-1.0), "l2 must be 0 or more. Received: l2=-1.0."),
        (lambda x: moe.build(x, 3, remove_diag=True), "remove_diag needs gating=True."),
        (lambda x: logistic.build(x, 3, prior=1.0), "prior must be between 0 and 1, exclusive."),
        (lambda x: mlp.build(x, 3, hidden=0), "hidden must be positive. Received: hidden=0."),
        (lambda x: mlp.build(x, 3, blocks=-1), "blocks must be 0 or more. Received: blocks=-1."),
        (lambda x: mlp.build(x, 3, input_norm="l2"), "Received: input_norm='l2'."),
        (lambda x: join({}), "frames must hold at least one feature."),
    ],
)
def test_errors_say_what_was_received(make, message):
    with pytest.raises(ValueError) as error:
        make(keras.Input((4,)))
    assert message in str(error.value)


@pytest.mark.parametrize("rank", [1, 2])
def test_mixture_of_experts_with_low_rank_gates_is_its_formula(rank):
    """The same as whole gates whose kernel is the product."""
    x = RANDOM.normal(size=(5, 4)).astype("f")
    layer = MixtureOfExperts(6, 3, low_rank_gates=rank)
    layer.build((None, 4))
    shapes = {weight.path.split("/", 1)[1]: weight.shape for weight in layer.weights}
    assert shapes == {
        "gates1/kernel": (4, rank),
        "gates2/kernel": (rank, 6 * 4),
        "experts/kernel": (4, 6 * 3),
        "experts/bias": (6 * 3,),
    }
    gates1, gates2, experts, bias = (RANDOM.normal(size=w.shape) for w in layer.weights)
    layer.set_weights([gates1, gates2, experts, bias])
    gates = np.exp(x @ gates1 @ gates2).reshape(5, 6, 4)
    shares = gates / gates.sum(axis=-1, keepdims=True)
    answers = sigmoid(x @ experts + bias).reshape(5, 6, 3)
    expected = (shares[..., :3] * answers).sum(axis=-1)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4)


def test_low_rank_gates_survive_the_config():
    layer = MixtureOfExperts(6, low_rank_gates=3)
    assert MixtureOfExperts.from_config(layer.get_config()).low_rank_gates == 3


def test_low_rank_gates_are_penalised_and_checked():
    features = keras.Input((4,))
    model = keras.Model(features, moe.build(features, 3, mixtures=2, l2=0.5, low_rank_gates=2))
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 2.0))
    kernels = 4 * 2 + 2 * 9 + 4 * 6
    model(np.ones((1, 4), "f"))
    assert float(sum(model.losses)) == pytest.approx(0.5 * kernels * 4 / 2)
    with pytest.raises(ValueError, match="low_rank_gates must be positive, or None. Received: "):
        moe.build(features, 3, low_rank_gates=0)


def test_softmax_is_its_formula():
    features = keras.Input((4,))
    model = keras.Model(features, softmax.build(features, 3, l2=0.5))
    kernel, bias = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=3)
    model.set_weights([kernel, bias])
    x = RANDOM.normal(size=(5, 4)).astype("f")
    powers = np.exp(x @ kernel + bias)
    np.testing.assert_allclose(model(x), powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)
    assert float(sum(model.losses)) == pytest.approx(0.25 * np.square(kernel).sum(), rel=1e-5)


def test_softmax_sums_to_one_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        features = keras.Input((4,))
        model = keras.Model(features, softmax.build(features, 3862))
    finally:
        keras.config.set_dtype_policy("float32")
    result = model(RANDOM.normal(size=(5, 4)).astype("f"))
    assert result.dtype == "float32"
    np.testing.assert_allclose(np.sum(result, axis=1), 1, rtol=1e-5)


def test_moving_statistics_of_small_values_serve_after_few_steps():
    """A hundred steps, values of a variance of a thousandth: what L2-normalised frames have."""
    norm = BatchNorm(0.99)
    frames = RANDOM.normal(0.02, 0.03, size=(256, 8)).astype("f")
    for _ in range(100):
        trained = norm(frames, training=True)
    spread = np.std(norm(frames, training=False)) / np.std(trained)
    assert 0.8 < spread < 1.25
