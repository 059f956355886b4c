"""LSTM and GRU: the layers and what the models make of them, against NumPy ."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from recurrent_numpy import (
    CELLS,
    LENGTHS,
    MASK,
    MODELS,
    SIZE,
    TIME,
    make_frames,
    make_model,
    numpy_layer,
    randomise,
    read_by_numpy,
    run,
    sigmoid,
)

from frame_models.layers.gate_bias import GateBias
from frame_models.layers.recurrent_layer import RecurrentLayer
from frame_models.layers.reverse_frames import ReverseFrames
from video_models import ensemble

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BOTH = pytest.mark.parametrize("cell", MODELS)


@BOTH
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layer_is_its_formula(cell, bidirectional):
    layer = RecurrentLayer(CELLS, cell, bidirectional)
    x = make_frames()
    layer.build(x.shape)
    randomise(layer)
    expected = numpy_layer(cell, x, layer.get_weights())
    for result in (layer(x), layer(x, mask=np.ones_like(MASK))):
        np.testing.assert_allclose(result["frames"], [e[0] for e in expected], atol=1e-5)
        np.testing.assert_allclose(result["states"], [e[1] for e in expected], atol=1e-5)
        np.testing.assert_allclose(result["last"], [e[2] for e in expected], atol=1e-5)
    shapes = layer.compute_output_shape((4, TIME, SIZE))
    assert shapes == {name: tuple(value.shape) for name, value in result.items()}


@BOTH
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layer_stops_at_the_end_of_a_video(cell, bidirectional):
    layer = RecurrentLayer(CELLS, cell, bidirectional)
    x = make_frames(padding=np.inf)
    layer.build(x.shape)
    randomise(layer)
    videos = [v[:n] for v, n in zip(x, LENGTHS, strict=True)]
    expected = numpy_layer(cell, videos, layer.get_weights())
    with tf.GradientTape() as tape:
        result = layer(x, mask=MASK)
        loss = sum(tf.reduce_sum(value**2) for value in result.values())
    for i, length in enumerate(LENGTHS):
        np.testing.assert_allclose(result["frames"][i, :length], expected[i][0], atol=1e-5)
        np.testing.assert_array_equal(result["frames"][i, length:], 0)
        np.testing.assert_allclose(result["states"][i], expected[i][1], atol=1e-5)
        np.testing.assert_allclose(result["last"][i], expected[i][2], atol=1e-5)
    assert all(np.isfinite(g).all() for g in tape.gradient(loss, layer.trainable_weights))


@BOTH
def test_a_video_without_frames_is_zero(cell):
    layer = RecurrentLayer(CELLS, cell, bidirectional=True)
    x = make_frames(padding=1e4)
    layer.build(x.shape)
    randomise(layer)
    for value in layer(x, mask=MASK).values():
        assert np.abs(value[1]).max() > 0
        np.testing.assert_array_equal(value[2], 0)


@BOTH
def test_layer_drops_the_same_inputs_of_all_frames(cell):
    keras.utils.set_random_seed(3)
    layer = RecurrentLayer(CELLS, cell, dropout=0.5)
    plain = RecurrentLayer(CELLS, cell)
    x = np.ones((1, TIME, SIZE), "float32")
    layer.build(x.shape), plain.build(x.shape)
    randomise(layer), randomise(plain)
    np.testing.assert_array_equal(layer(x)["frames"], plain(x)["frames"])
    kept = [2.0 * np.array(list(np.binary_repr(i, SIZE)), "float32") for i in range(2**SIZE)]
    every = [plain(x * k)["frames"] for k in kept]
    dropped = layer(x, training=True)["frames"]
    assert min(np.abs(e - dropped).max() for e in every) < 1e-5
    assert np.abs(plain(x)["frames"] - dropped).max() > 1e-3


def test_gates_of_a_gru_start_open():
    layer = RecurrentLayer(2, "gru")
    layer.build((None, None, SIZE))
    np.testing.assert_array_equal(layer.forward_rnn.cell.bias, [1, 1, 1, 1, 0, 0])
    config = keras.saving.serialize_keras_object(GateBias())
    assert isinstance(keras.saving.deserialize_keras_object(config), GateBias)


def test_reversed_frames_keep_their_padding_behind():
    x = make_frames(padding=9.0)
    result = np.array(ReverseFrames()(x, mask=MASK))
    for video, out, n in zip(x, result, LENGTHS, strict=True):
        np.testing.assert_array_equal(out, np.concatenate([video[:n][::-1], video[n:]]))
    np.testing.assert_array_equal(ReverseFrames()(x), x[:, ::-1])


@BOTH
@pytest.mark.parametrize("output", ["states", "frames"])
def test_backward_is_forward_over_reversed_frames(cell, output):
    x = make_frames(padding=1e4)
    turned = x.copy()
    for video, n in zip(turned, LENGTHS, strict=True):
        video[:n] = video[:n][::-1].copy()
    backward, forward = (make_model(cell, output=output, backward=b) for b in (True, False))
    expected, result = run(forward, turned), run(backward, x)
    assert np.abs(expected["probabilities"] - run(forward, x)["probabilities"]).max() > 1e-3
    for name, value in result.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6)


def features_by_numpy(read, output):
    """What the head has to see, of what the layers read."""
    if output == "states":
        videos = range(len(LENGTHS))
        return [np.concatenate([layer[video][1] for layer in read]) for video in videos]
    if output == "last":
        return [last for _, _, last in read[-1]]
    over = {"average": np.mean, "max": np.max}[output]
    return [over(h, axis=0) if len(h) else np.zeros(h.shape[-1]) for h, _, _ in read[-1]]


@BOTH
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("output", ["states", "last", "average", "max"])
def test_output_is_what_the_head_sees(cell, output, bidirectional):
    model = make_model(cell, output=output, bidirectional=bidirectional, layers=3)
    x = make_frames(padding=1e4)
    features = np.array(features_by_numpy(read_by_numpy(cell, model, x), output))
    memory = (2 if cell == "lstm" else 1) * 3 if output == "states" else 1
    assert features.shape == (4, CELLS * (1 + bidirectional) * memory)
    kernel, bias = model.layers[-1].get_weights()
    expected = sigmoid(features @ kernel + bias)
    np.testing.assert_allclose(run(model, x)["probabilities"], expected, atol=1e-5)


@BOTH
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cells": 0}, "cells must be positive. Received: cells=0."),
        ({"layers": 0}, "layers must be positive. Received: layers=0."),
        ({"dropout": 1.0}, "Received: dropout=1.0."),
        ({"output": "mean"}, "Received: output='mean'."),
        ({"output": "frames", "prediction": "best"}, "Received: prediction='best'."),
        ({"prediction": "max"}, "Received: prediction='max', output='states'."),
        ({"backward": True, "bidirectional": True}, "backward=True, bidirectional=True."),
        ({"output": "frames", "head": ensemble.build}, "The head must answer once"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_say_what_was_received(cell, arguments, message):
    frames, mask = keras.Input((None, SIZE)), keras.Input((None,), dtype="bool")
    with pytest.raises(ValueError) as error:
        MODELS[cell].build({"x": frames}, mask, 3, **{"cells": 2} | arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("arguments", [{"units": 0}, {"units": 1, "cell": "rnn"}], ids=str)
def test_arguments_of_the_layer_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError, match="Received: "):
        RecurrentLayer(**arguments)
