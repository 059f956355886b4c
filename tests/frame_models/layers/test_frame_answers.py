"""Classifying every frame: the rows, the weights, and what the recurrent models make of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from recurrent_numpy import (
    CLASSES,
    LENGTHS,
    MASK,
    MODELS,
    TIME,
    make_frames,
    make_model,
    read_by_numpy,
    run,
    sigmoid,
)

from frame_models.layers.frame_rows import FramesToRows, RowsToFrames
from frame_models.layers.frame_weights import FrameWeights
from frame_models.layers.weighted_average import WeightedAverage
from video_models import logistic, mlp, moe

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BOTH = pytest.mark.parametrize("cell", MODELS)


def gated(features, num_classes):
    return moe.build(features, num_classes, gating=True)


def perceptron(features, num_classes):
    return mlp.build(features, num_classes, hidden=4, dropout=0.0)


HEADS = pytest.mark.parametrize("head", [logistic.build, moe.build, gated, perceptron])


def expected_prediction(p, kind):
    n = len(p)
    if n == 0:
        return np.zeros(CLASSES)
    ramp = np.arange(1, n + 1) / n
    return {
        "ramp": (ramp[:, None] * p).sum(0) / ramp.sum(),
        "last": p[-1],
        "max": p.max(0),
        "mean": p.mean(0),
    }[kind]


@BOTH
@pytest.mark.parametrize("prediction", ["ramp", "last", "max", "mean"])
def test_every_frame_is_classified(cell, prediction):
    model = make_model(cell, output="frames", prediction=prediction)
    x = make_frames(padding=1e4)
    result = run(model, x)
    kernel, bias = next(la for la in model.layers if "dense" in la.name).get_weights()
    assert result["members"].shape == (4, TIME, CLASSES)
    for i, (h, _, _) in enumerate(read_by_numpy(cell, model, x)[-1]):
        n, p = LENGTHS[i], sigmoid(h @ kernel + bias)
        np.testing.assert_allclose(result["members"][i, :n], p, atol=1e-5)
        np.testing.assert_array_equal(result["members"][i, n:], 0)
        expected = expected_prediction(p, prediction)
        np.testing.assert_allclose(result["probabilities"][i], expected, atol=1e-5)
        weights = np.zeros(TIME)
        weights[:n] = 2 * np.arange(1, n + 1) / max(n * (n + 1), 1)
        np.testing.assert_allclose(result["member_weights"][i], weights, rtol=1e-6)
    assert all(value.dtype == np.float32 for value in result.values())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ramp", [[1, 2, 3, 4, 5, 6], [1, 0, 0, 0, 0, 0], [0] * 6, [1, 2, 3, 4, 0, 0]]),
        ("last", [[0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0], [0] * 6, [0, 0, 0, 1, 0, 0]]),
        ("mean", MASK),
    ],
)
def test_frame_weights_are_exact(kind, expected):
    weights = FrameWeights(kind, dtype="mixed_bfloat16")(MASK)
    assert weights.dtype == "float32"
    np.testing.assert_array_equal(weights, expected)


def test_an_average_of_ones_is_one():
    """Also where rounded weights would sum to more than 1: no probability may exceed it."""
    mask = np.arange(360) < np.arange(1, 361)[:, None]
    average = WeightedAverage()([np.ones((360, 360, 1), "f"), FrameWeights()(mask)])
    np.testing.assert_array_equal(average, 1)


def test_weights_refuse_other_kinds():
    with pytest.raises(ValueError, match="Received: kind='best'."):
        FrameWeights("best")


def test_rows_are_frames_and_zeros():
    x = make_frames(padding=np.inf)
    rows = np.array(FramesToRows()(x, mask=MASK))
    np.testing.assert_array_equal(rows, np.where(MASK[..., None], x, 0).reshape(rows.shape))
    np.testing.assert_array_equal(RowsToFrames()([rows, MASK]), rows.reshape(x.shape))
    again = RowsToFrames()([rows + 1, MASK])
    np.testing.assert_array_equal(again, np.where(MASK[..., None], x + 1, 0))


@pytest.mark.parametrize("lengths", [LENGTHS, (1, 0, 0, 1), (6, 6, 6, 5), (6, 6, 6, 6)], ids=str)
def test_rows_of_padding_repeat_frames_evenly_in_training(lengths):
    mask = np.arange(TIME) < np.array(lengths)[:, None]
    x = np.where(mask, np.arange(4 * TIME).reshape(4, TIME), np.inf).astype("float32")
    rows = np.array(FramesToRows()(x[..., None], mask=mask, training=True))[:, 0]
    np.testing.assert_array_equal(rows[mask.ravel()], x[mask])
    frames, counts = np.unique(rows, return_counts=True)
    np.testing.assert_array_equal(frames, x[mask])
    assert counts.max() - counts.min() <= 1


def test_rows_of_a_batch_without_frames_are_zeros():
    x, mask = np.full((2, 3, 4), np.nan, "float32"), np.zeros((2, 3), bool)
    np.testing.assert_array_equal(FramesToRows()(x, mask=mask, training=True), np.zeros((6, 4)))


@BOTH
@HEADS
@pytest.mark.parametrize("training", [False, True])
def test_padding_reaches_no_head(cell, head, training):
    model = make_model(cell, head, output="frames")
    start = model.get_weights()
    results = []
    for padding in (0.0, 1e4):
        model.set_weights(start)
        result = run(model, make_frames(padding=padding), training=training)
        results.append([*result.values(), *model.get_weights()])
    for clean, padded in zip(*results, strict=True):
        np.testing.assert_allclose(padded, clean, atol=1e-6)


@BOTH
@HEADS
def test_how_far_it_is_padded_does_not_matter(cell, head):
    model = make_model(cell, head, output="frames")
    x = make_frames()
    longer = np.pad(x, [(0, 0), (0, 5), (0, 0)], constant_values=-1e4)
    expected = run(model, x)
    result = run(model, longer, np.pad(MASK, [(0, 0), (0, 5)]))
    np.testing.assert_allclose(result["probabilities"], expected["probabilities"], atol=1e-6)
    for name in ("members", "member_weights"):
        np.testing.assert_allclose(result[name][:, :TIME], expected[name], atol=1e-6)
        np.testing.assert_array_equal(result[name][:, TIME:], 0)


def test_a_batch_norm_sees_every_frame_and_no_padding():
    """With as many rows of padding as frames, each frame counts exactly twice."""
    mask = np.arange(TIME) < np.array([4, 2, 6, 0])[:, None]
    x = make_frames()
    rows = FramesToRows()(x, mask=mask, training=True)
    norm = keras.layers.BatchNormalization(momentum=0.0)
    norm(rows, training=True)
    np.testing.assert_allclose(norm.moving_mean, x[mask].mean(0), atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, x[mask].var(0), atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "head"),
    [("lstm", gated), ("gru", perceptron)],
)
def test_model_that_classifies_frames_is_saved_and_trains_with_xla(cell, head, tmp_path):
    model, x = make_model(cell, head, output="frames", prediction="max"), make_frames()
    expected = run(model, x)
    model.save(tmp_path / "model.keras")
    result = run(keras.saving.load_model(tmp_path / "model.keras"), x)
    for name, value in expected.items():
        np.testing.assert_array_equal(result[name], value)

    @tf.function(jit_compile=True)
    def gradients():
        with tf.GradientTape() as tape:
            answer = model({"x": x, "mask": MASK}, training=True)
            weighted = answer["members"] * answer["member_weights"][..., None]
            loss = tf.reduce_sum(weighted * np.arange(CLASSES, dtype="float32"))
        return tape.gradient(loss, model.trainable_weights)

    for weight, gradient in zip(model.trainable_weights, gradients(), strict=True):
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 1e-5, weight.path


@BOTH
@pytest.mark.parametrize("lengths", [(0, 0), (0, 6), (1, 1)], ids=str)
def test_short_and_empty_videos(cell, lengths):
    model = make_model(cell, gated, output="frames")
    mask = np.arange(TIME) < np.array(lengths)[:, None]
    for training in (False, True):
        result = run(model, make_frames(padding=1e4)[:2], mask, training)
        sums = np.minimum(lengths, 1)
        np.testing.assert_allclose(result["member_weights"].sum(1), sums, rtol=1e-6)
        np.testing.assert_array_equal(result["probabilities"].any(1), sums > 0)
