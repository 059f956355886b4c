"""What every model promises, whichever it is. Models are discovered."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from model_contract import (
    NUM_CLASSES,
    cases,
    masked,
    modules,
    outputs,
    predict,
    randomise,
    restored,
    variants,
)

from yt8m.modeling import intermediates

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GARBAGE = 1e4
CASES = cases()
ALL = pytest.mark.parametrize("case", CASES, ids=str)
OF_FRAMES = pytest.mark.parametrize("case", [c for c in CASES if c.takes_frames], ids=str)
OF_CLIPS = pytest.mark.parametrize("case", [c for c in CASES if c.clips], ids=str)
WITHOUT_CLIPS = pytest.mark.parametrize("case", [c for c in CASES if not c.clips], ids=str)
WITH_MASK = pytest.mark.parametrize("case", [c for c in CASES if "mask" in c.inputs], ids=str)


def small_model(case, **kwargs):
    keras.utils.set_random_seed(1)
    model = case.model(**kwargs)
    randomise(model, narrow=bool(case.clips))
    return model


@functools.cache
def built(case):
    """A model and videos for it. It is shared, so a test that changes its variables `restores`."""
    model = small_model(case)
    return model, case.data_for(model)


@functools.cache
def predicted(case):
    """What the shared model answers for its videos."""
    return predict(*built(case))


def assert_probabilities(probabilities, data):
    videos = len(next(iter(data.values())))
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
    return loaded


def test_models_are_found():
    video = "logistic moe mlp ensemble hidden softmax tasks"
    frame = (
        "average netvlad netrvlad netvlagd netfv soft_dbow dbof nextvlad lstm gru attention "
        "transformer conv_pooling late_pooling slow_pooling local_pooling time_convolution sample "
        "mixture"
    )
    clips = (
        "c3d cnn cnn_m early_fusion flow_stream i3d inflated late_fusion multiresolution "
        "single_frame slow_fusion temporal_cnn_m two_stream two_stream_3d"
    )
    expected = {f"video_models.{name}" for name in video.split()}
    expected |= {f"frame_models.{name}" for name in frame.split()}
    expected |= {f"frame_models.pixels.{name}" for name in clips.split()}
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
    probabilities, (_, data) = predicted(case), built(case)
    assert_probabilities(probabilities, data)
    assert np.abs(probabilities[0] - probabilities[1]).max() > 1e-4, "it does not look"


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
    (model, data), together = built(case), predicted(case)
    for video in range(len(together)):
        alone = predict(model, {name: x[video : video + 1] for name, x in data.items()})
        np.testing.assert_allclose(alone[0], together[video], atol=1e-5)


@ALL
def test_inference_is_deterministic(case):
    model, data = built(case)
    before = [weight.numpy() for weight in model.weights]
    np.testing.assert_array_equal(predict(model, data), predicted(case))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


@ALL
def test_saved_and_loaded_model_is_the_same(case, tmp_path):
    model, data = built(case)
    loaded = assert_reloads(model, data, tmp_path / "model.keras")
    shown, expected = (
        outputs(intermediates.model_of(either, list(intermediates.names(either))), data)
        for either in (loaded, model)
    )
    assert list(shown) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(shown[name], values, atol=1e-6, err_msg=name)
    if case.clips:  # What fine-tuning matches the weights of two runs by.
        paths = [weight.path for weight in model.weights]
        assert [weight.path for weight in loaded.weights] == paths
        assert len(set(paths)) == len(paths)


@ALL
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(case, policy):
    exact, data = built(case)
    keras.config.set_dtype_policy(policy)
    try:
        model = small_model(case)
    finally:
        keras.config.set_dtype_policy("float32")
    answers = model.output if isinstance(model.output, dict) else {"probabilities": model.output}
    assert answers["probabilities"].dtype == "float32"
    model.set_weights(exact.get_weights())
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    probabilities, expected = predict(model, data), predicted(case)
    assert_probabilities(probabilities, data)
    np.testing.assert_allclose(probabilities, expected, atol=0.05 if case.clips else 0.1)
    if case.clips:
        assert all(answer.dtype == "float32" for answer in answers.values())
        assert (probabilities != expected).any()
        return
    assert all(np.isfinite(x).all() for x in outputs(model, data, training=True).values())


@WITHOUT_CLIPS
def test_xla(case):
    model, data = built(case)
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=True)
    result = compiled(data)
    result = result["probabilities"] if isinstance(result, dict) else result
    np.testing.assert_allclose(result, predicted(case), atol=1e-5)


@WITHOUT_CLIPS
def test_xla_has_every_operation_of_a_training_step(case):
    """It is given the step, and does not compile it to the end, which takes longest."""
    model, data = built(case)

    def step(data):
        with tf.GradientTape() as tape:
            answer = model(data, training=True)
            answer = answer["probabilities"] if isinstance(answer, dict) else answer
            loss = tf.reduce_sum(tf.square(answer))
        return tape.gradient(loss, model.trainable_variables)

    with_xla = tf.function(step, autograph=False, jit_compile=True)
    tensors = {name: tf.constant(value) for name, value in data.items()}
    assert "ENTRY" in with_xla.experimental_get_compiler_ir(tensors)(stage="hlo")


@WITH_MASK
def test_padding_does_not_reach_the_prediction(case):
    model, data = built(case)
    answer = predict(model, masked(data, GARBAGE))
    np.testing.assert_allclose(answer, predicted(case), atol=1e-6)


@OF_FRAMES
def test_more_padding_does_not_reach_the_prediction(case):
    model, data = built(case)
    longer = {
        name: np.pad(x, [(0, 0), (0, 5)] + [(0, 0)] * (x.ndim - 2)) for name, x in data.items()
    }
    answer = predict(model, masked(longer, -GARBAGE))
    np.testing.assert_allclose(answer, predicted(case), atol=1e-5)


@WITH_MASK
def test_padding_does_not_reach_training(case):
    """Neither what the model returns nor the moving statistics, with the same random numbers."""
    model, data = built(case)
    results = []
    for padding in (0.0, GARBAGE):
        with restored(model):
            result = outputs(model, masked(data, padding), training=True)
            results.append([*result.values(), *(v.numpy() for v in model.variables)])
    for clean, padded in zip(*results, strict=True):
        np.testing.assert_allclose(padded, clean, atol=1e-5)


@OF_FRAMES
@pytest.mark.parametrize("lengths", [(1, 1), (0, 6), (0, 0)], ids=str)
def test_short_and_empty_videos(case, lengths):
    model, data = built(case)[0], case.data(lengths)
    assert_probabilities(predict(model, data), data)
    with restored(model):
        assert all(np.isfinite(x).all() for x in outputs(model, data, training=True).values())


@OF_CLIPS
def test_short_and_empty_clips(case):
    model, _ = built(case)
    data = case.data_for(model, (1, 0))
    with restored(model):
        for training in (False, True):
            for answer in outputs(model, data, training).values():
                assert np.isfinite(answer).all()
                assert (answer >= 0).all() and (answer <= 1).all()


@OF_CLIPS
def test_every_convolution_of_clips_is_safe_in_bfloat16(case):
    """See `Conv3D` of this project; that of Keras answers NaN on some CPUs."""
    model, _ = built(case)
    assert keras.layers.Conv3D not in {type(layer) for layer in model._flatten_layers()}


@OF_CLIPS
def test_every_number_of_channels_is_taken(case):
    """Pixels may be flow: only networks of images by others ask for three channels."""
    time = built(case)[0].input["mask"].shape[1]
    with keras.StatelessScope(initialize_variables=False):
        model = case.model(time=time, channels={"pixels": 2, "flow": 20})
    keras.utils.clear_session(free_memory=False)  # Forgets that variables wait for a value.
    assert all(model.input[name].shape[-1] in (2, 20) for name in case.clips)


@OF_FRAMES
def test_time_axis_of_one_frame(case):
    data = case.data((1, 1, 1), time=1)
    assert_probabilities(predict(built(case)[0], data), data)


@OF_FRAMES
def test_one_feature(case, tmp_path):
    sizes = {"rgb": 16}
    model, data = small_model(case, sizes=sizes), case.data(sizes=sizes)
    assert_probabilities(predict(model, data), data)
    assert_every_variable_gets_a_gradient(model, data)
    assert_reloads(model, data, tmp_path / "model.keras")


@OF_FRAMES
def test_features_are_told_apart(case):
    """A model that mixes up the order of its features would still pass the rest."""
    sizes = {"z": 8, "a": 8}
    model, data = small_model(case, sizes=sizes), case.data(sizes=sizes)
    swapped = data | {"z": data["a"], "a": data["z"]}
    assert np.abs(predict(model, data) - predict(model, swapped)).max() > 1e-4


# The switches that are refused by themselves -> the switch that each needs, and what is said.
NEEDS = {"remove_diag": ("gating", "remove_diag needs gating=True")}
REFUSED = {
    f"{module}.remove_diag"
    for module in (
        "video_models.hidden",
        "video_models.moe",
        "frame_models.netfv",
        "frame_models.netrvlad",
        "frame_models.netvlad",
        "frame_models.netvlagd",
        "frame_models.soft_dbow",
    )
}


@pytest.mark.parametrize(("case", "switch"), variants(), ids=str)
def test_every_switch(case, switch, tmp_path):
    """Each boolean hyperparameter flipped: a model that works, and another one than before."""
    before = next(c for c in CASES if c.name == case.name)
    if f"{case.name}.{switch}" in REFUSED:
        needed, message = NEEDS[switch]
        with pytest.raises(ValueError, match=f"{message}.* Received: {switch}=True"):
            small_model(case)
        before, case = (c.changed(**{needed: True}) for c in (before, case))
    model, data = built(case)
    assert_probabilities(predicted(case), data)
    with restored(model):
        assert_every_variable_gets_a_gradient(model, data)
    assert_reloads(model, data, tmp_path / "model.keras")
    default, _ = built(before)
    assert [w.shape for w in default.weights] != [w.shape for w in model.weights] or (
        np.abs(predicted(case) - predicted(before)).max() > 1e-4
    ), "the switch does nothing"
