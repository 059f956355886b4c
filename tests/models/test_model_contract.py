"""What every model promises, whichever it is. Models are discovered."""

import inspect
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from model_contract import (
    NUM_CLASSES,
    SIZES,
    cases,
    modules,
    one_value,
    outputs,
    predict,
    randomise,
    variants,
)

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROOT = pathlib.Path(__file__).parents[2]
ALL = pytest.mark.parametrize("case", cases(), ids=str)
OF_FRAMES = pytest.mark.parametrize("case", [c for c in cases() if c.takes_frames], ids=str)


def small_model(case, **kwargs):
    keras.utils.set_random_seed(1)
    model = case.model(**kwargs)
    randomise(model)
    return model


def assert_probabilities(probabilities, videos):
    assert probabilities.shape == (videos, NUM_CLASSES)
    assert probabilities.dtype == np.float32
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all() and (probabilities <= 1).all()
    assert probabilities.std() > 1e-3, "the test sees a constant"


def assert_every_variable_gets_a_gradient(model, data):
    """The loss weighs every output at random: a cross-entropy may hide a factor of zero."""
    random = np.random.default_rng(3)
    with tf.GradientTape() as tape:
        result = model(data, training=True)
        result = result.values() if isinstance(result, dict) else [result]
        loss = sum(tf.reduce_sum(x * random.normal(size=x.shape)) for x in result)
    gradients = tape.gradient(loss, model.trainable_weights)
    for variable, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, f"{variable.path} has no gradient"
        assert np.isfinite(gradient).all(), variable.path
        # Rounding alone gives about 1e-7: a bias that a batch norm cancels is found, too.
        assert np.abs(gradient).max() > 1e-5, f"{variable.path} has gradient 0"


def assert_reloads(model, data, path):
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(predict(loaded, data), predict(model, data))


def test_models_are_found():
    video = "logistic moe mlp ensemble hidden softmax tasks"
    frame = (
        "average netvlad netrvlad netvlagd netfv soft_dbow dbof nextvlad lstm gru attention "
        "transformer conv_pooling late_pooling slow_pooling local_pooling time_convolution sample "
        "mixture"
    )
    expected = {f"video_models.{name}" for name in video.split()}
    expected |= {f"frame_models.{name}" for name in frame.split()}
    assert {case.name for case in cases()} >= expected


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_module_defines_one_typed_documented_model(module):
    assert inspect.getdoc(module)
    assert inspect.getdoc(module.build)
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    assert own == ["build"]
    for parameter in inspect.signature(module.build).parameters.values():
        assert parameter.annotation is not parameter.empty, parameter
        is_hyperparameter = parameter.kind is parameter.KEYWORD_ONLY
        assert (parameter.default is not parameter.empty) == is_hyperparameter, parameter
        assert f"{parameter.name}: " in inspect.getdoc(module.build), parameter


@ALL
def test_output_is_probabilities(case):
    assert_probabilities(predict(small_model(case), case.data()), videos=4)


@ALL
def test_symbolic_output_is_float32(case):
    output = case.model().output
    output = output["probabilities"] if isinstance(output, dict) else output
    assert output.shape == (None, NUM_CLASSES)
    assert output.dtype == "float32"


@ALL
def test_gradient_reaches_every_variable(case):
    model = small_model(case)
    assert model.trainable_weights
    assert_every_variable_gets_a_gradient(model, case.data())


@ALL
def test_a_video_does_not_see_its_batch(case):
    model, data = small_model(case), case.data()
    together = predict(model, data)
    for video in range(4):
        alone = predict(model, {name: x[video : video + 1] for name, x in data.items()})
        np.testing.assert_allclose(alone[0], together[video], atol=1e-5)


@ALL
def test_inference_is_deterministic(case):
    model, data = small_model(case), case.data()
    before = [weight.numpy() for weight in model.weights]
    np.testing.assert_array_equal(predict(model, data), predict(model, data))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


@ALL
def test_saved_and_loaded_model_is_the_same(case, tmp_path):
    assert_reloads(small_model(case), case.data(), tmp_path / "model.keras")


@ALL
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(case, policy):
    data = case.data()
    exact = small_model(case)
    keras.config.set_dtype_policy(policy)
    try:
        model = small_model(case)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(exact.get_weights())
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    probabilities = predict(model, data)
    assert_probabilities(probabilities, videos=4)
    np.testing.assert_allclose(probabilities, predict(exact, data), atol=0.1)
    assert all(np.isfinite(x).all() for x in outputs(model, data, training=True).values())


@ALL
def test_xla(case):
    model, data = small_model(case), case.data()
    expected = predict(model, data)
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=True)
    result = compiled(data)
    result = result["probabilities"] if isinstance(result, dict) else result
    np.testing.assert_allclose(result, expected, atol=1e-5)


@ALL
def test_trains_with_xla(case):
    model, data = small_model(case), case.data()
    labels = np.eye(4, NUM_CLASSES, dtype="float32")
    probabilities = (
        keras.Model(model.input, model.output["probabilities"])
        if isinstance(model.output, dict)
        else model
    )
    probabilities.compile(
        keras.optimizers.Adam(0.03), "binary_crossentropy", jit_compile=True, run_eagerly=False
    )
    losses = [float(probabilities.train_on_batch(data, labels)) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


@OF_FRAMES
def test_padding_does_not_reach_the_prediction(case):
    model, data = small_model(case), case.data()
    expected = predict(model, data)
    outside = ~data["mask"][..., None]
    garbage = {name: np.where(outside, 1e4, data[name]).astype("float32") for name in SIZES}
    np.testing.assert_allclose(predict(model, data | garbage), expected, atol=1e-6)
    longer = {
        name: np.pad(x, [(0, 0), (0, 5)] + [(0, 0)] * (x.ndim - 2), constant_values=-1e4)
        for name, x in garbage.items()
    }
    mask = np.pad(data["mask"], [(0, 0), (0, 5)])
    np.testing.assert_allclose(predict(model, longer | {"mask": mask}), expected, atol=1e-5)


@OF_FRAMES
def test_padding_does_not_reach_training(case):
    """Neither what the model returns nor the moving statistics, with the same random numbers."""
    model, data = small_model(case), case.data()
    start = [variable.numpy() for variable in model.variables]
    outside = ~data["mask"][..., None]
    results = []
    for padding in (0.0, 1e4):
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)
        frames = {n: np.where(outside, padding, data[n]).astype("float32") for n in SIZES}
        result = outputs(model, data | frames, training=True)
        results.append(list(result.values()) + [v.numpy() for v in model.variables])
    for clean, padded in zip(*results, strict=True):
        np.testing.assert_allclose(padded, clean, atol=1e-5)


@OF_FRAMES
@pytest.mark.parametrize("lengths", [(1, 1), (0, 6), (0, 0)], ids=str)
def test_short_and_empty_videos(case, lengths):
    model = small_model(case)
    data = case.data(lengths)
    assert_probabilities(predict(model, data), videos=2)
    assert all(np.isfinite(x).all() for x in outputs(model, data, training=True).values())


@OF_FRAMES
def test_time_axis_of_one_frame(case):
    assert_probabilities(predict(small_model(case), case.data((1, 1, 1), time=1)), videos=3)


@OF_FRAMES
def test_one_feature(case, tmp_path):
    sizes = {"rgb": 16}
    model, data = small_model(case, sizes=sizes), case.data(sizes=sizes)
    assert_probabilities(predict(model, data), videos=4)
    assert_every_variable_gets_a_gradient(model, data)
    assert_reloads(model, data, tmp_path / "model.keras")


@OF_FRAMES
def test_features_are_told_apart(case):
    """A model that mixes up the order of its features would still pass the rest."""
    sizes = {"z": 8, "a": 8}
    model, data = small_model(case, sizes=sizes), case.data(sizes=sizes)
    swapped = data | {"z": data["a"], "a": data["z"]}
    assert np.abs(predict(model, data) - predict(model, swapped)).max() > 1e-4


@pytest.mark.parametrize("case", variants(), ids=str)
def test_every_switch(case, tmp_path):
    """Each boolean hyperparameter flipped: a model that works, or a ValueError that says why."""
    try:
        model = small_model(case)
    except ValueError as error:
        assert "Received: " in str(error)
        return
    data = case.data()
    assert_probabilities(predict(model, data), videos=4)
    assert_every_variable_gets_a_gradient(model, data)
    assert_reloads(model, data, tmp_path / "model.keras")
    default = next(c for c in cases() if c.name == case.name)
    assert [w.shape for w in default.model().weights] != [w.shape for w in model.weights] or (
        np.abs(predict(model, data) - predict(small_model(default), data)).max() > 1e-4
    ), "the switch does nothing"


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    """Runs all models here and in a JAX process without TensorFlow: name -> both results."""
    folder = tmp_path_factory.mktemp("jax")
    given, here = {}, {}
    for case in cases() + variants():
        try:
            model = small_model(case)
        except ValueError:
            continue  # A combination that is refused; `test_every_switch` looks at it.
        data = case.data((6, 1, 0, 5))
        given |= {f"{case}/in/{name}": x for name, x in data.items()}
        given |= {f"{case}/w/{i}": w.numpy() for i, w in enumerate(model.weights)}
        here[str(case)] = predict(model, data)
    np.savez(folder / "given.npz", **given)
    script = pathlib.Path(__file__).with_name("run_with_jax.py")
    process = subprocess.run(
        [sys.executable, script, folder / "given.npz", folder / "results.npz"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    there = dict(np.load(folder / "results.npz"))
    assert there.pop("backend") == "jax"
    here["one_value"] = one_value()
    return here, there


def test_jax_trains_on_masked_frames_of_one_value(on_jax):
    here, there = on_jax
    np.testing.assert_allclose(there["one_value"], here["one_value"], rtol=1e-5)
    assert here["one_value"] != 0


@pytest.mark.parametrize("case", cases() + variants(), ids=str)
def test_jax_agrees(case, on_jax):
    here, there = on_jax
    assert here.keys() == there.keys()
    if str(case) in here:
        np.testing.assert_allclose(there[str(case)], here[str(case)], atol=1e-5)
