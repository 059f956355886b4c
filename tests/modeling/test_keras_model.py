"""From a spec and a schema to a model that takes stored features."""

import keras
import numpy as np
import pytest
from toy_records import FRAMES, VIDEOS, frame_batch, predict

from yt8m.base.errors import UserError
from yt8m.data.schema import Feature, Schema
from yt8m.modeling import keras_model, specs


def test_the_model_takes_what_the_file_holds():
    model = keras_model.build(specs.model("average"), FRAMES, 5)
    described = {t.name: (t.dtype, t.shape) for t in model.inputs}
    assert described == {
        "rgb": ("uint8", (None, None, 6)),
        "audio": ("uint8", (None, None, 3)),
        "num_frames": ("int32", (None,)),
    }
    assert model.output["probabilities"].dtype == "float32"


def test_preprocessing_is_inside_the_model():
    """Dequantised, normalised over both features together, averaged: in NumPy."""
    model = keras_model.classifier(keras_model.build(specs.model("average"), FRAMES, 5))
    batch = frame_batch()
    kernel, bias = (v.numpy() for v in model.trainable_variables)
    joined = np.concatenate([batch["rgb"], batch["audio"]], axis=-1).astype(np.float64)
    joined = joined * 4 / 255 + 4 / 512 - 2
    joined /= np.linalg.norm(joined, axis=-1, keepdims=True)
    means = np.stack([x[:n].mean(axis=0) for x, n in zip(joined, batch["num_frames"], strict=True)])
    expected = 1 / (1 + np.exp(-(means @ kernel + bias)))
    np.testing.assert_allclose(predict(model, batch), expected, atol=1e-6)


def test_normalisation_can_be_left_out():
    model = keras_model.build(specs.model("logistic"), VIDEOS, 5, normalize="none")
    assert not [layer for layer in model.layers if "normalize" in layer.name]


@pytest.mark.parametrize(
    ("spec", "schema", "part"),
    [
        ("moe", FRAMES, "average(head=moe)"),
        ("average", VIDEOS, "average takes frames and mask, but the records are video-level"),
    ],
)
def test_a_model_for_other_records_is_refused(spec, schema, part):
    with pytest.raises(UserError) as error:
        keras_model.build(specs.model(spec), schema, 5)
    assert part in str(error.value)


def test_a_setting_out_of_range_is_one_sentence():
    with pytest.raises(UserError, match="mixtures must be positive. Received: mixtures=0"):
        keras_model.build(specs.model("average(head=moe(mixtures=0))"), FRAMES, 5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("average(head=mlp(input_dropout=1.0))", "input_dropout of mlp must.*: input_dropout=1.0"),
        ("mixture(branches=(average, lstm(dropout=-0.5)))", "dropout of lstm must be .*=-0.5"),
        (
            "gru(layers=1000000000)",
            "layers of gru must be at most 200. Received: lay",
        ),
        ("average(head=mlp(blocks=201))", "blocks of mlp must be at most 200"),
        ("average(head=ensemble(members=1000))", "members of ensemble must be at most 200"),
        ("sample(num_frames=1000000000000)", "num_frames of sample must be at most 100000"),
        ("slow_pooling(stride=100001)", "stride of slow_pooling must be at most 100000"),
        ("transformer(layers=201)", "layers of transformer must be at most 200"),
    ],
)
def test_a_setting_out_of_range_is_refused(spec, message):
    with pytest.raises(UserError, match=message):
        keras_model.build(specs.model(spec), FRAMES, 5)


def test_each_feature_can_be_normalised_by_itself():
    schema = Schema("video", (*VIDEOS.features, Feature("mean_audio", 3, "float32", "mean_audio")))
    inputs = keras_model.make_inputs(schema)
    scaled = keras.Model(inputs, keras_model.preprocess(inputs, schema, "rms"))
    batch = {"mean_rgb": np.arange(12.0).reshape(2, 6), "mean_audio": np.zeros((2, 3))}
    received = scaled(batch)
    expected = batch["mean_rgb"] / np.sqrt((batch["mean_rgb"] ** 2).mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(np.asarray(received["mean_rgb"]), expected, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(received["mean_audio"]), 0)


def test_an_ensemble_of_ensembles_is_refused():
    with pytest.raises(UserError, match="cannot be an ensemble"):
        keras_model.build(specs.model("ensemble(member=ensemble)"), VIDEOS, 5)
