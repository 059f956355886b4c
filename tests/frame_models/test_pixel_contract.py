"""What every model of raw video promises, whichever it is. Models are discovered."""

import functools

import keras
import numpy as np
import pytest
import test_model_contract as contract
from model_contract import outputs, predict, restored
from pixel_contract import (
    NUM_CLASSES,
    Case,
    cases,
    modules,
    randomise,
    variants,
)

ALL = pytest.mark.parametrize("case", cases(), ids=str)
GARBAGE = 1e4


@functools.cache
def built(case: Case) -> tuple[keras.Model, dict]:
    """A model and clips for it. It is shared, so a test that changes its variables `restores`."""
    keras.utils.set_random_seed(1)
    model = case.model()
    randomise(model)
    return model, case.data(model.input["mask"].shape[1])


def garbage_in_padding(data: dict) -> dict:
    outside = ~data["mask"][..., None, None, None]
    return {
        name: np.where(outside, GARBAGE, x).astype("float32") if name != "mask" else x
        for name, x in data.items()
    }


def test_models_are_found():
    names = (
        "c3d cnn cnn_m early_fusion flow_stream i3d inflated late_fusion multiresolution "
        "single_frame slow_fusion temporal_cnn_m two_stream two_stream_3d"
    )
    expected = {f"frame_models.pixels.{name}" for name in names.split()}
    assert {case.name for case in cases()} >= expected


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_module_defines_one_typed_documented_model(module):
    contract.test_module_defines_one_typed_documented_model(module)


@ALL
def test_output_is_probabilities(case):
    model, data = built(case)
    output = model.output["probabilities"] if isinstance(model.output, dict) else model.output
    assert output.shape == (None, NUM_CLASSES)
    assert output.dtype == "float32"
    probabilities = predict(model, data)
    contract.assert_probabilities(probabilities, videos=2)
    difference = np.abs(probabilities[0] - probabilities[1]).max()
    assert difference > 1e-4, "the tests see a model that does not look"


@ALL
def test_gradient_reaches_every_variable(case):
    model, data = built(case)
    with restored(model):
        contract.assert_every_variable_gets_a_gradient(model, data)


@ALL
def test_a_clip_does_not_see_its_batch_and_inference_is_deterministic(case):
    model, data = built(case)
    together = predict(model, data)
    np.testing.assert_array_equal(predict(model, data), together)
    for clip in range(2):
        alone = predict(model, {name: x[clip : clip + 1] for name, x in data.items()})
        np.testing.assert_allclose(alone[0], together[clip], atol=1e-5)


@ALL
def test_saved_and_loaded_model_is_the_same(case, tmp_path):
    model, data = built(case)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(predict(loaded, data), predict(model, data))
    # What fine-tuning matches the weights of two runs by.
    paths = [weight.path for weight in model.weights]
    assert [weight.path for weight in loaded.weights] == paths
    assert len(set(paths)) == len(paths)


@ALL
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(case, policy):
    exact, data = built(case)
    keras.config.set_dtype_policy(policy)
    try:
        model = case.model()
    finally:
        keras.config.set_dtype_policy("float32")
    answers = model.output if isinstance(model.output, dict) else {"probabilities": model.output}
    assert all(answer.dtype == "float32" for answer in answers.values())
    model.set_weights(exact.get_weights())
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    probabilities = predict(model, data)
    contract.assert_probabilities(probabilities, videos=2)
    np.testing.assert_allclose(probabilities, predict(exact, data), atol=0.05)
    assert (probabilities != predict(exact, data)).any()


@ALL
def test_every_convolution_of_clips_is_safe_in_bfloat16(case):
    """See `Conv3D` of this project; that of Keras answers NaN on some CPUs."""
    model, _ = built(case)
    assert keras.layers.Conv3D not in {type(layer) for layer in model._flatten_layers()}


@ALL
def test_padding_does_not_reach_the_prediction(case):
    model, data = built(case)
    expected = predict(model, data)
    np.testing.assert_allclose(predict(model, garbage_in_padding(data)), expected, atol=1e-6)


@ALL
def test_padding_does_not_reach_training(case):
    """Neither what the model returns nor the moving statistics, with the same random numbers."""
    model, data = built(case)
    results = []
    for given in (data, garbage_in_padding(data)):
        with restored(model):
            result = outputs(model, given, training=True)
            results.append([*result.values(), *(v.numpy() for v in model.variables)])
    for clean, padded in zip(*results, strict=True):
        np.testing.assert_allclose(padded, clean, atol=1e-5)


@ALL
def test_short_and_empty_clips(case):
    model, data = built(case)
    data = case.data(data["mask"].shape[1], (1, 0))
    with restored(model):
        for training in (False, True):
            for answer in outputs(model, data, training).values():
                assert np.isfinite(answer).all()
                assert (answer >= 0).all() and (answer <= 1).all()


@ALL
def test_every_number_of_channels_is_taken(case):
    """Pixels may be flow: only networks of images by others ask for three channels."""
    time = built(case)[0].input["mask"].shape[1]
    with keras.StatelessScope(initialize_variables=False):
        model = case.model(time, {"pixels": 2, "flow": 20})
    keras.utils.clear_session(free_memory=False)  # Forgets that variables wait for a value.
    assert all(model.input[name].shape[-1] in (2, 20) for name in case.clips)


@pytest.mark.parametrize("case", variants(), ids=str)
def test_every_switch(case):
    """Each boolean hyperparameter flipped gives a model that works, and another one."""
    model, data = built(case)
    contract.assert_probabilities(predict(model, data), videos=2)
    default, _ = built(next(c for c in cases() if c.name == case.name))
    assert [w.shape for w in default.weights] != [w.shape for w in model.weights] or (
        np.abs(predict(model, data) - predict(default, data)).max() > 1e-4
    ), "the switch does nothing"
