"""Attention: for each class over the frames, and in a transformer, against loops."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from frame_models import attention, transformer
from frame_models.layers.class_attention import ClassAttention
from frame_models.layers.class_token_encoder import ClassTokenEncoder
from frame_models.layers.dense_stack import frame_stack
from frame_models.layers.sinusoidal_positions import SinusoidalPositions
from frame_models.layers.transformer_block import TransformerBlock
from video_models import moe

RANDOM = np.random.default_rng(12)
LENGTHS = [5, 1, 0, 3]
KINDS = ["softmax", "sigmoid", "class_softmax"]


def videos(size=8, lengths=LENGTHS, time=5, padding=np.inf):
    mask = np.arange(time) < np.array(lengths)[:, None]
    frames = RANDOM.normal(size=(len(lengths), time, size)).astype("float32")
    return np.where(mask[..., None], frames, np.float32(padding)).astype("float32"), mask


def randomise(layer, scale=0.5):
    layer.set_weights([RANDOM.normal(0, scale, size=w.shape) for w in layer.weights])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def attend(kind, frames, weights):
    """Averages the answers of one video's frames, one class after the other."""
    kernel, bias, score_kernel = weights[:3]
    score_bias = 0 if kind == "softmax" else weights[3]
    result = []
    for c in range(len(bias)):
        total, answer = 0, 0
        for frame in frames.astype("float64"):
            z = frame @ score_kernel + score_bias
            share = {"softmax": np.exp(z), "sigmoid": sigmoid(z), "class_softmax": softmax(z)}
            total += share[kind][c]
            answer += share[kind][c] * sigmoid(frame @ kernel + bias)[c]
        result.append(answer / total if len(frames) else sigmoid(bias[c]))
    return np.array(result)


@pytest.mark.parametrize("padding", [np.inf, np.nan, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_class_attention_is_its_formula(kind, padding):
    frames, mask = videos(padding=padding)
    layer = ClassAttention(6, kind)
    layer.build(frames.shape)
    randomise(layer)
    result = np.array(layer(frames, mask=mask))
    expected = [attend(kind, frames[i, :n], layer.get_weights()) for i, n in enumerate(LENGTHS)]
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    np.testing.assert_allclose(layer(frames[:1]), result[:1], rtol=1e-6)
    assert layer.compute_output_shape((None, None, 8)) == (None, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_class_attention_survives_large_scores(kind):
    """Weights whose sum rounds to 0, or overflows, must not give NaN, nor their gradients."""
    frames, mask = videos(padding=1e30)
    layer = ClassAttention(6, kind)
    layer.build(frames.shape)
    randomise(layer, 300.0)
    with tf.GradientTape() as tape:
        probabilities = layer(frames, mask=mask)
        total = tf.reduce_sum(probabilities * RANDOM.normal(size=(4, 6)))
    assert np.isfinite(probabilities).all()
    assert (np.array(probabilities) <= 1).all()
    assert all(np.isfinite(x).all() for x in tape.gradient(total, layer.trainable_weights))


def test_class_attention_starts_at_the_prior_and_in_float32():
    frames, mask = videos()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = ClassAttention(6, prior=0.01)
    finally:
        keras.config.set_dtype_policy("float32")
    result = layer(np.zeros_like(frames), mask=mask)
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, 0.01, rtol=1e-5)


def test_frame_stack_takes_its_statistics_from_the_frames():
    frames, mask = videos(padding=1e4)
    inputs, valid = keras.Input((None, 8)), keras.Input((None,), dtype="bool")
    model = keras.Model([inputs, valid], frame_stack(inputs, valid, (6,), 0.0, momentum=0.5))
    kernel, gamma, beta, *_ = model.get_weights()
    result = np.array(model([frames, mask], training=True))
    real = frames[mask] @ kernel
    expected = (real - real.mean(0)) / np.sqrt(real.var(0) + 0.001) * gamma + beta
    np.testing.assert_allclose(result[mask], np.maximum(expected, 0), rtol=1e-3, atol=1e-4)
    moving_mean = next(w for w in model.weights if w.path.endswith("moving_mean"))
    np.testing.assert_allclose(moving_mean.numpy(), 0.5 * real.mean(0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [8, 7])
def test_positions_are_sines_and_cosines(size):
    expected = np.zeros((400, size))
    half = (size + 1) // 2
    for t in range(400):
        for i in range(half):
            angle = t / 10000 ** (i / half)
            expected[t, i] = math.sin(angle)
            if half + i < size:
                expected[t, half + i] = math.cos(angle)
    result = SinusoidalPositions()(np.ones((2, 400, size), "f"))
    np.testing.assert_allclose(result, np.stack([1 + expected] * 2), atol=1e-4)


def layer_norm(x, gamma, beta):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * gamma + beta


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def transform(x, weights):
    """Runs a block over the real vectors of one video, a head and a vector at a time."""
    gamma, beta, query, key, value, project, gamma2, beta2, wide, wide_b, narrow, narrow_b = weights
    normed = layer_norm(x, gamma, beta)
    heads, size = query.shape[1:]
    seen = np.zeros_like(x)
    for head in range(heads):
        q, k, v = (normed @ kernel[:, head] for kernel in (query, key, value))
        for t in range(len(x)):
            seen[t] += softmax(k @ q[t] / math.sqrt(size)) @ v @ project[head]
    x = x + seen
    return x + gelu(layer_norm(x, gamma2, beta2) @ wide + wide_b) @ narrow + narrow_b


def test_transformer_block_is_its_definition():
    frames, mask = videos(lengths=[5, 1, 3], padding=7)
    block = TransformerBlock(heads=2, mlp_ratio=3)
    block.build(frames.shape)
    randomise(block)
    result = np.array(block(frames, mask=mask))
    for video, length in enumerate([5, 1, 3]):
        expected = transform(frames[video, :length].astype("float64"), block.get_weights())
        np.testing.assert_allclose(result[video, :length], expected, rtol=1e-4, atol=1e-4)
    first = block(frames, mask=mask, num_queries=2)
    np.testing.assert_allclose(first, result[:, :2], rtol=1e-4, atol=1e-5)
    assert block.compute_output_shape((None, 5, 8)) == (None, 5, 8)
    assert block.compute_output_shape((None, 5, 8), num_queries=2) == (None, 2, 8)


@pytest.mark.parametrize("padding", [np.inf, np.nan, 1e4])
def test_class_token_encoder_is_its_definition(padding):
    frames, mask = videos(padding=padding)
    encoder = ClassTokenEncoder(layers=2, heads=2)
    encoder.build(frames.shape)
    randomise(encoder)
    blocks = [block.get_weights() for block in encoder.blocks]
    result = np.array(encoder(frames, mask=mask))
    for video, length in enumerate(LENGTHS):
        x = np.concatenate([encoder.token.numpy()[0], frames[video, :length]]).astype("float64")
        for weights in blocks:
            x = transform(x, weights)
        expected = layer_norm(x[0], *encoder.norm.get_weights())
        np.testing.assert_allclose(result[video], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(encoder(frames[:1]), result[:1], rtol=1e-4, atol=1e-5)
    assert encoder.compute_output_shape((None, None, 8)) == (None, 8)


def model_of(build, **hyperparameters):
    inputs = {"x": keras.Input((None, 8), name="x")}
    mask = keras.Input((None,), dtype="bool", name="mask")
    return keras.Model(inputs | {"mask": mask}, build(inputs, mask, 4, **hyperparameters))


def test_transformer_sees_the_order_of_frames():
    model = model_of(transformer.build, width=8)
    frames, mask = videos(lengths=[5])
    turned = frames[:, ::-1]
    difference = model({"x": frames, "mask": mask}) - model({"x": turned, "mask": mask})
    assert np.abs(difference).max() > 1e-4


def test_transformer_takes_frames_of_any_scale():
    """Values of a normalised frame are 30 times smaller, and must count as much."""
    model = model_of(transformer.build, width=8)
    frames, mask = videos(padding=0)
    expected = model({"x": frames, "mask": mask})
    np.testing.assert_allclose(model({"x": frames / 30, "mask": mask}), expected, atol=0.01)


def test_hyperparameters_shape_the_network():
    kernels = [w.shape for w in model_of(attention.build).weights if w.path.endswith("kernel")]
    assert kernels == [(8, 1024), (1024, 1024), (1024, 1024), (1024, 4), (1024, 4)]
    by_default = len(model_of(attention.build, hidden=(6,)).weights)
    assert len(model_of(attention.build, hidden=(6,), attention="softmax").weights) < by_default
    layers = model_of(transformer.build, width=8, layers=3, heads=2, head=moe.build).layers
    encoder = next(layer for layer in layers if isinstance(layer, ClassTokenEncoder))
    assert [(block.heads, block.mlp_ratio) for block in encoder.blocks] == [(2, 4)] * 3
    assert type(layers[-1]).__name__ == "MixtureOfExperts"


@pytest.mark.parametrize(
    ("build", "hyperparameters", "message"),
    [
        (attention.build, {"attention": "relu"}, "Received: attention='relu'."),
        (attention.build, {"hidden": (0,)}, "Received: hidden=(0,)."),
        (attention.build, {"prior": 0.0}, "Received: prior=0.0."),
        (transformer.build, {"width": 0}, "width must be positive. Received: width=0."),
        (transformer.build, {"width": 6}, "Received: heads=4, size=6."),
        (transformer.build, {"layers": 0}, "layers must be positive. Received: layers=0."),
        (transformer.build, {"heads": 0}, "heads must be positive. Received: heads=0."),
        (transformer.build, {"mlp_ratio": 0}, "Received: mlp_ratio=0."),
        (lambda *_, **kwargs: ClassAttention(0), {}, "Received: num_classes=0."),
    ],
)
def test_errors_say_what_was_received(build, hyperparameters, message):
    with pytest.raises(ValueError) as error:
        model_of(build, **hyperparameters)
    assert message in str(error.value)
