"""Projections of activations, against convolutions and pools written out in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops

from frame_models.pixels.layers.each_frame import MergeTime, SplitTime
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.sub_network import add_network
from yt8m import deconvolution
from yt8m.base.errors import UserError
from yt8m.interpretation import backward_rules, unit_responses
from yt8m.interpretation.units import Units, named_layers
from yt8m.modeling.preprocessing import FrameMask, ScaleBytes

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="it goes through TensorFlow's graph"
)

CLIP = (4, 9, 8, 2)


def windows(size, kernel, strides):
    """The place of every window, and its slices."""
    counts = [(n - k) // s + 1 for n, k, s in zip(size, kernel, strides, strict=True)]
    for place in np.ndindex(*counts):
        starts = [p * s for p, s in zip(place, strides, strict=True)]
        yield place, tuple(slice(a, a + k) for a, k in zip(starts, kernel, strict=True))


def convolve(x, kernel, bias):
    """A convolution without padding of (time, height, width, channels)."""
    size = kernel.shape[:3]
    out = np.empty((*(n - k + 1 for n, k in zip(x.shape, size, strict=False)), kernel.shape[-1]))
    for place, part in windows(x.shape[:3], size, (1, 1, 1)):
        out[place] = np.tensordot(x[part], kernel, 4) + bias
    return out


def convolve_back(above, kernel, shape):
    """What each value above gives to the places it was made of."""
    below = np.zeros(shape)
    for place, part in windows(shape[:3], kernel.shape[:3], (1, 1, 1)):
        below[part] += kernel @ above[place]
    return below


def pool(x, size, strides):
    """The maxima of windows, and for each the place of the first one."""
    values, switches = {}, {}
    for place, part in windows(x.shape[:3], size, strides):
        for channel in range(x.shape[-1]):
            window = x[(*part, channel)]
            best = np.unravel_index(window.argmax(), window.shape)
            at = tuple(s.start + b for s, b in zip(part, best, strict=True))
            values[(*place, channel)], switches[(*place, channel)] = window.max(), (*at, channel)
    out = np.empty([max(axis) + 1 for axis in zip(*values, strict=True)])
    for place, value in values.items():
        out[place] = value
    return out, switches


def behind_relu(method, above, activation):
    if method == "deconvnet":
        return np.maximum(above, 0)
    if method == "guided":
        return np.maximum(above, 0) * (activation > 0)
    return above * (activation > 0)


@pytest.fixture(scope="module")
def weights():
    """Those of `network`; behind its first convolution there are many windows of zeros."""
    random = np.random.default_rng(5)
    shapes = ((2, 3, 3, 2, 4), (4,), (1, 2, 2, 4, 3), (3,))
    first, first_bias, *rest = (random.normal(size=shape).astype("f") for shape in shapes)
    return [first, first_bias - 4, rest[0] + 0.3, rest[1] + 1]


def model_of(build, clip=CLIP):
    pixels = keras.Input(clip, dtype="uint8", name="pixels")
    num_frames = keras.Input((), dtype="int32", name="num_frames")
    scaled = ScaleBytes(127.5, 127.5, name="scale_pixels")(pixels)
    mask = FrameMask(name="mask")([pixels, num_frames])
    return keras.Model({"pixels": pixels, "num_frames": num_frames}, build(scaled, mask))


def network(weights, padding):
    """Convolution, ReLU, max pool with windows that overlap, convolution, ReLU."""

    def build(x, mask):
        x = layers.Conv3D(4, (2, 3, 3), activation="relu", name="first")(x)
        x = layers.MaxPooling3D((2, 3, 2), (1, 2, 2), padding=padding)(x)
        return layers.Conv3D(3, (1, 2, 2), activation="relu", name="second")(x)

    model = model_of(build)
    model.set_weights(weights)
    return model


def reference(weights, clip, unit, method, padding):
    """The strongest activation of a unit, its place, and the projection of it."""
    first, first_bias, second, second_bias = weights
    x = clip["pixels"] / 127.5 - 1
    one = np.maximum(convolve(x, first, first_bias), 0)
    ends = [(0, 0)] * 4
    if padding == "same":  # 3 frames, 7 rows and 6 columns; ReLU gives nothing below 0.
        ends = [(0, 1), (1, 1), (0, 0), (0, 0)]
    padded = np.pad(one, ends, constant_values=-1)
    pooled, switches = pool(padded, (2, 3, 2), (1, 2, 2))
    two = np.maximum(convolve(pooled, second, second_bias), 0)
    place = np.unravel_index(two[..., unit].argmax(), two.shape[:3])
    above = np.zeros_like(two)
    above[(*place, unit)] = 1
    above = convolve_back(behind_relu(method, above, two), second, pooled.shape)
    below = np.zeros_like(padded)
    for at, switch in switches.items():
        below[switch] += above[at]
    inner = tuple(slice(a, n - b) for (a, b), n in zip(ends, padded.shape, strict=True))
    found = convolve_back(behind_relu(method, below[inner], one), first, x.shape)
    return two[(*place, unit)], place, found, pooled


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("method", backward_rules.METHODS)
def test_projections_are_transposed_convolutions_with_switches(weights, method, padding):
    units = Units(network(weights, padding), "second", method)
    random = np.random.default_rng(7)
    batch = {
        "pixels": random.integers(0, 256, (2, *CLIP)).astype("uint8"),
        "num_frames": np.array([4, 4], "int32"),
    }
    strengths, places, shape = units.strongest(batch)
    assert units.number == 3
    for row, unit in itertools.product((0, 1), (0, 2)):
        clip = {name: values[row] for name, values in batch.items()}
        strength, place, expected, pooled = reference(weights, clip, unit, method, padding)
        assert strength > 0
        assert (pooled == 0).any()
        assert strengths[row, unit] == pytest.approx(strength, rel=1e-4)
        assert np.unravel_index(places[row, unit], shape) == place
        found = units.project(clip, unit, places[row, unit])
        assert list(found) == ["pixels"]
        np.testing.assert_allclose(found["pixels"], expected, atol=1e-4 * np.abs(expected).max())
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("method", ["deconvnet", "guided"])
def test_without_anything_negative_it_is_the_gradient(weights, method):
    """Neither in the kernels nor, so, in what comes from above; and every ReLU is active."""
    model = network([np.abs(weight) + 0.01 for weight in weights], "valid")
    model.get_layer("first").bias.assign(np.full(4, 9.0))
    clip = {"pixels": np.arange(576).reshape(CLIP).astype("uint8"), "num_frames": np.int32(4)}
    found = Units(model, "second", method).project(clip, 1, 2)["pixels"]
    gradient = Units(model, "second", "gradient").project(clip, 1, 2)["pixels"]
    assert gradient.max() > 0
    np.testing.assert_allclose(found, gradient, rtol=1e-5)


class ReluInside(layers.Layer):
    """A layer that calls ReLU itself."""

    def call(self, inputs):
        """As said."""
        return ops.relu(inputs)


def test_every_relu_is_reached_wherever_it_is():
    """Of `w * relu(x)` a deconvnet sends back the positive part of w, where x is negative too."""
    shape = (1, 2, 3, 2)

    def network_of_relu():
        values = keras.Input(shape)
        return keras.Model(values, layers.Activation("relu")(values))

    kinds = [
        layers.ReLU(),
        layers.Activation("relu6"),
        layers.Activation("relu"),
        ReluInside(),
        lambda x: add_network(x, network_of_relu()),
        layers.Dense(2, activation="relu", kernel_initializer="identity"),
        lambda x: ops.relu(x),
    ]

    def build(x, mask):
        joined = layers.Flatten()(layers.Concatenate()([kind(x) for kind in kinds]))
        return layers.Dense(1, name="sum")(joined)

    model = model_of(build, shape)
    random = np.random.default_rng(3)
    weight = random.normal(size=model.get_layer("sum").kernel.shape).astype("f")
    model.get_layer("sum").kernel.assign(weight)
    clip = {"pixels": random.integers(0, 256, shape).astype("uint8"), "num_frames": np.int32(1)}
    parts = weight.reshape(*shape[:3], len(kinds), 2)
    active = (clip["pixels"] > 127)[..., None, :]
    for method, expected in {
        "deconvnet": np.maximum(parts, 0),
        "guided": np.maximum(parts, 0) * active,
        "gradient": parts * active,
    }.items():
        found = Units(model, "sum", method).project(clip, 0, 0)["pixels"]
        np.testing.assert_allclose(found, expected.sum(-2), atol=1e-6)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("deconvnet", [9, 9, 9, 9]), ("guided", [0, 9, 9, 0]), ("gradient", [0, 9, 9, 0])],
)
def test_relu6_is_active_from_0_to_6(method, expected):
    def build(x, mask):
        return layers.Dense(1, name="sum")(layers.Flatten()(ops.relu6(9 * x)))

    model = model_of(build, (1, 1, 4, 1))
    model.get_layer("sum").kernel.assign(np.ones((4, 1), "f"))
    pixels = np.array([100, 150, 200, 250], "uint8").reshape(1, 1, 4, 1)  # -1.9, 1.6, 5.1, 8.6.
    clip = {"pixels": pixels, "num_frames": np.int32(1)}
    found = Units(model, "sum", method).project(clip, 0, 0)["pixels"]
    np.testing.assert_allclose(found.ravel(), expected)


def test_the_strongest_place_is_of_a_frame_that_is_no_padding():
    """Padding is black, and all that one unit sees of it is that."""

    def build(x, mask):
        images = layers.Conv2D(2, 2, name="of_images")(MergeTime()(x))
        return layers.Dense(2, name="of_clips")(SplitTime()([images, x]))

    model = model_of(build)
    random = np.random.default_rng(0)
    kernel = random.normal(size=(2, 2, 2, 2)).astype("f")
    kernel[..., 0] = -1
    model.get_layer("of_images").kernel.assign(kernel)
    model.get_layer("of_clips").kernel.assign(np.eye(2, dtype="f"))
    lengths = np.array([4, 2, 1], "int32")
    pixels = random.integers(0, 256, (3, *CLIP)).astype("uint8")
    pixels *= (np.arange(4) < lengths[:, None])[..., None, None, None]
    for name in ("of_images", "of_clips"):
        units = Units(model, name)
        strengths, places, shape = units.strongest({"pixels": pixels, "num_frames": lengths})
        assert shape == (4, 8, 7)
        for row, length in enumerate(lengths):
            x = pixels[row, :length] / 127.5 - 1
            values = convolve(x, kernel[None], 0)
            np.testing.assert_allclose(strengths[row], values.max((0, 1, 2)), rtol=1e-5)
            best = values.reshape(-1, 2).argmax(0)
            np.testing.assert_array_equal(places[row], best)


def test_layers_inside_layers_have_names_of_both():
    def build(x, mask):
        values = keras.Input(CLIP)
        inner = keras.Model(values, layers.Conv3D(2, 2, name="inner")(values))
        return layers.Flatten(name="flat")(add_network(FillPadding(name="fill")(x, mask), inner))

    model = model_of(build)
    [outer] = [layer.name for layer in model.layers if layer.name.startswith("sub_network")]
    expected = {"scale_pixels", "mask", "fill", outer, f"{outer}/inner", "flat"}
    assert set(named_layers(model)) == expected
    clip = {"pixels": np.zeros(CLIP, "uint8"), "num_frames": np.int32(4)}
    assert Units(model, f"{outer}/inner").project(clip, 1, 0)["pixels"][:2, :2, :2].any()
    wrong = f"{outer}/innr"
    with pytest.raises(UserError, match=f"'{wrong}'.*mean '{outer}/inner'.* fill, flat, mask, sc"):
        Units(model, wrong)
    with pytest.raises(UserError, match="layer mask gives no numbers"):
        Units(model, "mask")
    with pytest.raises(ValueError, match="deconvnet, guided, gradient.*method=guide"):
        Units(model, "flat", "guide")


def test_what_overflows_is_refused():
    model = model_of(lambda x, mask: layers.Dense(1, name="large")(layers.Dense(1)(x)))
    model.set_weights([np.full(w.shape, 3e30, "f") for w in model.get_weights()])
    clip = {"pixels": np.zeros(CLIP, "uint8"), "num_frames": np.int32(4)}
    with pytest.raises(UserError, match="unit 0 of large is made of is beyond"):
        Units(model, "large").project(clip, 0, 0)


def test_the_strongest_units_and_videos_are_chosen():
    strengths = np.array([[1.0, 0, 3, 0], [2, 0, -1, 0], [2, 0, 4, 0.5]])
    responses = unit_responses.Responses(strengths, np.zeros((3, 4), int), (1,))
    assert responses.top_units(2) == [2, 0]
    assert responses.top_units(9) == [2, 0, 3]
    assert responses.top_videos(0, 2) == [1, 2]
    assert responses.top_videos(2, 9) == [2, 0]
    with pytest.raises(UserError, match="unit 1 is above 0 in none of the 3"):
        responses.top_videos(1, 1)
    silent = unit_responses.Responses(-strengths[:, :2], np.zeros((3, 2), int), (1,))
    with pytest.raises(UserError, match="No unit of --layer"):
        silent.top_units(1)


def test_the_other_backend_is_pointed_to_this_one(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(UserError, match="KERAS_BACKEND=tensorflow, which reads any run.*=jax"):
        deconvolution.check_backend()


def test_the_picture_shows_the_part_and_the_frames_that_count():
    pytest.importorskip("cv2")
    from yt8m.interpretation import unit_picture

    pattern = np.zeros((10, 20, 30, 3), "f")
    pattern[2:9, 4:7, 10:15] = 0.5
    pattern[7, 5, 12] = 2
    assert unit_picture._box(pattern) == (4, 10, 7, 15)
    frames, moment = unit_picture._frames(pattern, 4)
    assert moment == 7
    assert len(frames) == 4 and 7 in frames and set(frames) <= set(range(2, 9))
    frames, _ = unit_picture._frames(pattern, 99)
    assert frames.tolist() == list(range(2, 9))
    model = model_of(lambda x, mask: layers.Flatten()(x), (10, 20, 30, 3))
    clip = {"pixels": np.full((10, 20, 30, 3), 255, "uint8"), "num_frames": np.int32(10)}
    picture = unit_picture.block(model, clip, {"pixels": pattern}, ["one", "two"], 3)
    cell, gap, line = 104, 6, 20
    large = round(30 * (2 * cell + gap) / 20)
    assert picture.shape == (3 * line + 2 * cell + gap, large + 3 * (cell + gap), 3)
    below = picture[-cell // 2, large + gap :]  # The middle of what the activation is made of.
    assert (below[:cell] == 159).any() and not (below[:cell] == 0).any()
    assert len(set(map(tuple, below.tolist()))) > 2
