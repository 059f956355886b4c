"""What every model promises, whichever it is. Models are discovered."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from model_contract import (
    NUM_CLASSES,
    SIZES,
    cases,
    modules,
    outputs,
    predict,
    randomise,
    restored,
    variants,
)

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CASES = cases()
ALL = pytest.mark.parametrize("case", CASES, ids=str)
OF_FRAMES = pytest.mark.parametrize("case", [c for c in CASES if c.takes_frames], ids=str)


def small_model(case, **kwargs):
    keras.utils.set_random_seed(1)
    model = case.model(**kwargs)
    randomise(model)
    return model


@functools.cache
def built(case):
    """A model and videos for it. It is shared, so a test that changes its variables `restores`."""
    return small_model(case), case.data()


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
    assert_probabilities(predict(*built(case)), videos=4)


@ALL
def test_symbolic_output_is_float32(case):
    output = built(case)[0].output
    output = output["probabilities"] if isinstance(output, dict) else output
    assert output.shape == (None, NUM_CLASSES)
    assert output.dtype == "float32"


@ALL
def test_gradient_reaches_every_variable(case):
    model, data = built(case)
    assert model.trainable_weights
    with restored(model):
        assert_every_variable_gets_a_gradient(model, data)


@ALL
def test_a_video_does_not_see_its_batch(case):
    model, data = built(case)
    together = predict(model, data)
    for video in range(4):
        alone = predict(model, {name: x[video : video + 1] for name, x in data.items()})
        np.testing.assert_allclose(alone[0], together[video], atol=1e-5)


@ALL
def test_inference_is_deterministic(case):
    model, data = built(case)
    before = [weight.numpy() for weight in model.weights]
    np.testing.assert_array_equal(predict(model, data), predict(model, data))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


@ALL
def test_saved_and_loaded_model_is_the_same(case, tmp_path):
    assert_reloads(*built(case), tmp_path / "model.keras")


@ALL
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(case, policy):
    exact, data = built(case)
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
    model, data = built(case)
    expected = predict(model, data)
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=True)
    result = compiled(data)
    result = result["probabilities"] if isinstance(result, dict) else result
    np.testing.assert_allclose(result, expected, atol=1e-5)


@ALL
def test_trains_with_xla(case):
    model, data = built(case)
    labels = np.eye(4, NUM_CLASSES, dtype="float32")
    answer = model.output["probabilities"] if isinstance(model.output, dict) else model.output
    learner = keras.Model(model.input, answer)
    learner.compile(
        keras.optimizers.SGD(0.1), "binary_crossentropy", jit_compile=True, run_eagerly=False
    )
    with restored(model):
        losses = [float(learner.train_on_batch(data, labels)) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


@OF_FRAMES
def test_padding_does_not_reach_the_prediction(case):
    model, data = built(case)
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
    model, data = built(case)
    outside = ~data["mask"][..., None]
    results = []
    for padding in (0.0, 1e4):
        frames = {n: np.where(outside, padding, data[n]).astype("float32") for n in SIZES}
        with restored(model):
            result = outputs(model, data | frames, training=True)
            results.append(list(result.values()) + [v.numpy() for v in model.variables])
    for clean, padded in zip(*results, strict=True):
        np.testing.assert_allclose(padded, clean, atol=1e-5)


@OF_FRAMES
@pytest.mark.parametrize("lengths", [(1, 1), (0, 6), (0, 0)], ids=str)
def test_short_and_empty_videos(case, lengths):
    model, data = built(case)[0], case.data(lengths)
    assert_probabilities(predict(model, data), videos=2)
    with restored(model):
        assert all(np.isfinite(x).all() for x in outputs(model, data, training=True).values())


@OF_FRAMES
def test_time_axis_of_one_frame(case):
    assert_probabilities(predict(built(case)[0], case.data((1, 1, 1), time=1)), videos=3)


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
    default, _ = built(next(c for c in CASES if c.name == case.name))
    assert [w.shape for w in default.weights] != [w.shape for w in model.weights] or (
        np.abs(predict(model, data) - predict(default, data)).max() > 1e-4
    ), "the switch does nothing"
