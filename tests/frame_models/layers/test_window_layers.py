"""Maxima over frames, windows and parts, and the five poolings made of them, against loops."""

import math

import keras
import numpy as np
import pytest

from frame_models import conv_pooling, late_pooling, local_pooling, slow_pooling, time_convolution
from frame_models.layers.clear_padding import ClearPadding
from frame_models.layers.dense_stack import dense_stack
from frame_models.layers.masked_max import MaskedMax
from frame_models.layers.part_max import PartMax
from frame_models.layers.windows import WindowMask, WindowMax

RANDOM = np.random.default_rng(11)
LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
WINDOWS = [(4, 2), (4, 3), (4, 4), (3, 5), (1, 1), (5, 1), (20, 7)]
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]


def videos(lengths=LENGTHS, time=12, size=3, padding=np.inf):
    """Makes frames that are negative as often as not, and puts `padding` behind them."""
    mask = np.arange(time) < np.array(lengths)[:, None]
    frames = RANDOM.normal(size=(len(lengths), time, size)).astype("float32") - 1
    return np.where(mask[..., None], frames, np.float32(padding)).astype("float32"), mask


def windows_of(length, window, stride):
    """Lists first and last + 1 frame of a video's windows, until one reaches its end."""
    found, start = [], 0
    while start < length:
        found.append((start, min(start + window, length)))
        if start + window >= length:
            break
        start += stride
    return found


def parts_of(length, parts):
    return [(length * i // parts, math.ceil(length * (i + 1) / parts)) for i in range(parts)]


def relu(x):
    return np.maximum(x, 0)


def test_clear_padding_keeps_only_the_video():
    frames, mask = videos()
    cleared = np.array(ClearPadding()(frames, mask=mask))
    np.testing.assert_array_equal(cleared[mask], frames[mask])
    assert (cleared[~mask] == 0).all()
    np.testing.assert_array_equal(ClearPadding()(frames[-1:]), frames[-1:])


@pytest.mark.parametrize("padding", [np.inf, np.nan, 1e4])
def test_masked_max_is_the_maximum_of_valid_frames(padding):
    frames, mask = videos(padding=padding)
    expected = [x[m].max(0) if m.any() else np.zeros(3) for x, m in zip(frames, mask, strict=True)]
    np.testing.assert_array_equal(MaskedMax()(frames, mask=mask), expected)
    np.testing.assert_array_equal(MaskedMax()(frames[-1:]), frames[-1:].max(1))
    assert MaskedMax().compute_output_shape((None, 5, 3)) == (None, 3)


@pytest.mark.parametrize("layer", [MaskedMax(), WindowMax(), PartMax(), ClearPadding()], ids=repr)
def test_the_mask_of_the_frames_ends(layer):
    masked = keras.layers.Masking()(keras.Input((None, 3)))
    assert getattr(layer(masked), "_keras_mask", None) is None


@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_window_max_is_the_maximum_of_each_window(window, stride):
    frames, mask = videos()
    expected = np.zeros((len(LENGTHS), math.ceil(12 / stride), 3))
    for video, length in enumerate(LENGTHS):
        for i, (start, end) in enumerate(windows_of(length, window, stride)):
            expected[video, i] = frames[video, start:end].max(0)
    layer = WindowMax(window, stride)
    result = layer(frames, mask=mask)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert layer.compute_output_shape(frames.shape) == tuple(result.shape)
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 3)
    np.testing.assert_allclose(layer(frames[-1:]), expected[-1:], rtol=1e-6)


@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_window_mask_counts_windows_until_one_reaches_the_end(window, stride):
    _, mask = videos()
    layer = WindowMask(window, stride)
    result = np.array(layer(mask))
    assert result.dtype == bool
    assert layer.compute_output_shape(mask.shape) == result.shape
    count = [len(windows_of(length, window, stride)) for length in LENGTHS]
    np.testing.assert_array_equal(result, np.arange(result.shape[1]) < np.array(count)[:, None])
    symbolic = layer(keras.Input((None,), dtype="bool"))
    assert (symbolic.shape, symbolic.dtype) == ((None, None), "bool")


def test_windows_are_those_of_the_paper():
    """Where the last window fits exactly, they are those of a pooling without padding."""
    frames, mask = videos([30, 10, 7], time=30)
    valid = keras.layers.MaxPooling1D(10, 5, data_format="channels_last")(frames[:1])
    assert valid.shape[1] == 5
    np.testing.assert_array_equal(WindowMax()(frames, mask=mask)[:1, :5], valid)
    assert np.array(WindowMask()(mask)).sum(1).tolist() == [5, 1, 1]


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 12, 20])
def test_part_max_is_the_maximum_of_each_part(parts):
    frames, mask = videos()
    expected = np.zeros((len(LENGTHS), parts, 3))
    for video, length in enumerate(LENGTHS):
        for i, (start, end) in enumerate(parts_of(length, parts)):
            if length:
                expected[video, i] = frames[video, start:end].max(0)
    layer = PartMax(parts)
    np.testing.assert_allclose(layer(frames, mask=mask), expected, rtol=1e-6)
    np.testing.assert_allclose(layer(frames[-1:]), expected[-1:], rtol=1e-6)
    assert layer.compute_output_shape((None, None, 3)) == (None, parts, 3)


def test_parts_cover_the_video():
    assert parts_of(10, 5) == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
    assert parts_of(7, 3) == [(0, 3), (2, 5), (4, 7)]
    assert parts_of(2, 3) == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("make", [MaskedMax, WindowMax, PartMax, ClearPadding])
def test_every_dtype_is_finite_and_exact(make, policy):
    """A maximum rounds nothing, and what fills the padding never comes through."""
    frames, mask = videos(padding=1e4)
    layer = make(dtype=policy)
    rounded = keras.ops.cast(frames, layer.compute_dtype)
    result = layer(frames, mask=mask)
    assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
    exact = make()(keras.ops.cast(rounded, "float32"), mask=mask)
    np.testing.assert_array_equal(keras.ops.cast(result, "float32"), exact)


@pytest.mark.parametrize("make", [MaskedMax, WindowMax, PartMax])
def test_gradient_goes_to_the_largest_frame(make):
    import tensorflow as tf

    frames, mask = videos([7, 0], time=9, padding=1e30)
    tensor = tf.constant(frames)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(make()(tensor, mask=mask))
    gradient = tape.gradient(total, tensor).numpy()
    assert (gradient[~mask] == 0).all()
    highest = frames[0, :7].argmax(0)
    assert (gradient[0, highest, np.arange(3)] >= 1).all()


def model_of(build, time=None, **hyperparameters):
    """Makes a model of one feature of size 3, its weights far from where they start."""
    inputs = {"x": keras.Input((time, 3), name="x")}
    mask = keras.Input((time,), dtype="bool", name="mask")
    outputs = build(inputs, mask, 4, **hyperparameters)
    model = keras.Model(inputs | {"mask": mask}, outputs)
    model.set_weights([RANDOM.normal(size=w.shape) for w in model.weights])
    return model


def check(model, expected):
    """Compares the model with `expected(frames)`, a function of one video, also when padded."""
    frames, mask = videos(padding=1e4)
    probabilities = np.array(model({"x": frames, "mask": mask}))
    longer = np.pad(frames, ((0, 0), (0, 9), (0, 0)), constant_values=-1e4)
    padded = {"x": longer, "mask": np.pad(mask, ((0, 0), (0, 9)))}
    np.testing.assert_allclose(model(padded), probabilities, atol=1e-6)
    for video, length in enumerate(LENGTHS):
        logits = expected(frames[video, :length].astype("float64"))
        np.testing.assert_allclose(probabilities[video], 1 / (1 + np.exp(-logits)), atol=1e-5)


def highest(frames, size):
    return frames.max(0) if len(frames) else np.zeros(size)


def test_conv_pooling_is_its_definition():
    model = model_of(conv_pooling.build, hidden=(6, 5))
    k1, b1, k2, b2, k3, b3 = model.get_weights()
    check(model, lambda x: relu(relu(highest(x, 3) @ k1 + b1) @ k2 + b2) @ k3 + b3)


def test_late_pooling_is_its_definition():
    model = model_of(late_pooling.build, hidden=(6, 5))
    k1, b1, k2, b2, k3, b3 = model.get_weights()
    check(model, lambda x: highest(relu(relu(x @ k1 + b1) @ k2 + b2), 5) @ k3 + b3)


def test_slow_pooling_is_its_definition():
    model = model_of(slow_pooling.build, window=4, stride=2, window_hidden=(6,), hidden=(5,))
    k1, b1, k2, b2, k3, b3 = model.get_weights()

    def expected(x):
        windows = [x[a:b].max(0) for a, b in windows_of(len(x), 4, 2)]
        windows = [relu(w @ k1 + b1) for w in windows]
        return relu(highest(np.array(windows), 6) @ k2 + b2) @ k3 + b3

    check(model, expected)


def test_local_pooling_is_its_definition():
    model = model_of(local_pooling.build, windows=3, hidden=(6, 5))
    k1, b1, k2, b2, k3, b3 = model.get_weights()

    def expected(x):
        parts = [highest(x[a:b], 3) for a, b in parts_of(len(x), 3)]
        towers = [relu(relu(part @ k1 + b1) @ k2 + b2) for part in parts]
        return np.concatenate(towers) @ k3 + b3

    check(model, expected)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (3, 5), (20, 7)])
def test_time_convolution_is_its_definition(window, stride):
    model = model_of(
        time_convolution.build, filters=6, window=window, stride=stride, hidden=(5,), dropout=0.0
    )
    kernel, bias, k1, b1, k2, b2 = model.get_weights()

    def expected(x):
        found = []
        for start, end in windows_of(len(x), window, stride):
            convolved = sum(x[t] @ kernel[t - start] for t in range(start, end))
            found.append(relu(convolved + bias))
        return relu(highest(np.array(found), 6) @ k1 + b1) @ k2 + b2

    check(model, expected)


def test_published_widths():
    def widths(build):
        inputs, mask = {"x": keras.Input((None, 3))}, keras.Input((None,), dtype="bool")
        model = keras.Model([inputs["x"], mask], build(inputs, mask, 4))
        return [w.shape for w in model.weights if w.path.endswith("kernel")]

    assert widths(conv_pooling.build) == [(3, 4096), (4096, 4096), (4096, 4)]
    assert widths(late_pooling.build) == widths(conv_pooling.build)
    assert widths(slow_pooling.build) == widths(conv_pooling.build)
    assert widths(local_pooling.build) == [(3, 4096), (4096, 4096), (5 * 4096, 4)]
    convolution, *dense = widths(time_convolution.build)
    assert convolution == (10, 3, 256)
    assert dense == [(256, 4096), (4096, 4096), (4096, 4)]


def test_dense_stack_drops_behind_each_layer():
    features = keras.Input((3,))
    kinds = [
        type(x).__name__ for x in keras.Model(features, dense_stack(features, (6, 5), 0.5)).layers
    ]
    assert kinds == ["InputLayer", "Dense", "Dropout", "Dense", "Dropout"]
    assert dense_stack(features, (), 0.5) is features


@pytest.mark.parametrize(
    ("build", "hyperparameters", "message"),
    [
        (conv_pooling.build, {"hidden": (4, 0)}, "Received: hidden=(4, 0)."),
        (slow_pooling.build, {"window": 0}, "window must be positive. Received: window=0."),
        (slow_pooling.build, {"stride": 0}, "stride must be positive. Received: stride=0."),
        (local_pooling.build, {"windows": 0}, "windows must be positive. Received: windows=0."),
        (time_convolution.build, {"filters": 0}, "filters must be positive. Received: filters=0."),
        (time_convolution.build, {"window": -1}, "Received: window=-1."),
        (lambda *_, **kwargs: PartMax(**kwargs), {"parts": 0}, "Received: parts=0."),
    ],
)
def test_errors_say_what_was_received(build, hyperparameters, message):
    with pytest.raises(ValueError) as error:
        model_of(build, **hyperparameters)
    assert message in str(error.value)
