"""Models of clips as volumes: their sizes as published, and what they see of a clip."""

import json
import runpy

import keras
import numpy as np
import pytest
from npz import arrays
from paths import find_golden

from frame_models.pixels import c3d, i3d, inflated, slow_fusion, two_stream_3d
from frame_models.pixels.layers.each_frame import each_frame
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.inception_v1 import inception_v1
from frame_models.pixels.layers.karpathy import karpathy
from frame_models.pixels.layers.width import scaled
from yt8m.conversion import c3d_weights, weight_places
from yt8m.conversion.networks import networks
from yt8m.modeling import specs

RANDOM = np.random.default_rng(11)
CLASSES = 5


def make(build, *shapes, num_classes=CLASSES, **settings):
    """A model of clips of these shapes, and of their mask."""
    clips = [keras.Input(shape) for shape in shapes]
    mask = keras.Input(shapes[0][:1], dtype="bool")
    return keras.Model([*clips, mask], build(*clips, mask, num_classes, **settings))


@pytest.mark.parametrize(
    ("build", "shapes", "num_classes", "expected"),
    [
        (c3d.build, [(16, 112, 112, 3)], 400, 79_634_576),
        (two_stream_3d.build, [(5, 224, 224, 3), (5, 224, 224, 20)], 400, 39_784_944),
    ],
)
def test_number_of_parameters(build, shapes, num_classes, expected):
    """Of what the table of `test_pixel_recipes` lacks. Variables of a stateless scope are empty."""
    with keras.StatelessScope(initialize_variables=False):
        model = make(build, *shapes, num_classes=num_classes)
        assert model.count_params() == expected
    keras.utils.clear_session()


@pytest.mark.parametrize(
    ("build", "shapes"),
    [
        (c3d.build, [(4, 32, 32, 3)]),
        (i3d.build, [(16, 32, 32, 3)]),
        (slow_fusion.build, [(10, 40, 40, 3)]),
        (two_stream_3d.build, [(5, 32, 32, 3), (5, 32, 32, 2)]),
    ],
    ids=["c3d", "i3d", "slow_fusion", "two_stream_3d"],
)
def test_float16_works_where_the_processor_has_no_such_pools(build, shapes):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make(build, *shapes, width=0.03)
    finally:
        keras.config.set_dtype_policy("float32")
    for weight in model.weights:  # Untrained batch norms would divide by next to nothing.
        if "moving_variance" in weight.path:
            weight.assign(np.ones(weight.shape))
    clips = [RANDOM.uniform(-1, 1, (2, *shape)).astype("f") for shape in shapes]
    answer = predict(model, *clips)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-3)


def some_clips(frames, side=32, channels=3, videos=2):
    return RANDOM.uniform(-1, 1, (videos, frames, side, side, channels)).astype("f")


def predict(model, *clips, lengths=None):
    frames = clips[0].shape[1]
    lengths = [frames] * len(clips[0]) if lengths is None else lengths
    mask = np.arange(frames) < np.array(lengths)[:, None]
    return np.asarray(model([*clips, mask]))


def features_alone(features, num_classes):
    """A head that hides nothing."""
    return features


def varied(model):
    """Lets the kernels differ over time, and batch norms neither blow up nor hide a term."""
    for weight in model.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(np.ones(weight.shape))
        else:
            weight.assign(weight.numpy() + RANDOM.normal(0, 0.02, weight.shape))
    return model


@pytest.mark.parametrize(
    ("build", "settings"),
    [(c3d.build, {}), (i3d.build, {}), (inflated.build, {"backbone": "karpathy"})],
    ids=["c3d", "i3d", "inflated"],
)
def test_padding_is_the_last_frame(build, settings):
    settings = {"width": 1 / 16, "head": features_alone} | settings
    model = varied(make(build, (8, 32, 32, 3), **settings))
    clips = some_clips(8, videos=3)
    still = clips.copy()
    still[0, 3:] = still[0, 2]
    still[1, 6:] = still[1, 5]
    still[2] = 0
    clips[0, 3:], clips[1, 6:], clips[2] = np.inf, np.nan, np.nan
    result, expected = predict(model, clips, lengths=[3, 6, 0]), predict(model, still)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    backward = predict(model, still[:, ::-1].copy())
    assert np.abs(backward - expected).max() > 0.01 * np.abs(expected).max(), "no order is seen"


def test_c3d_takes_one_frame():
    model = make(c3d.build, (1, 32, 32, 3), width=1 / 16)
    result = predict(model, some_clips(1), lengths=[1, 0])
    np.testing.assert_allclose(result.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("pad_last_pool", [False, True])
def test_c3d_halves_time_four_times(pad_last_pool):
    with keras.StatelessScope(initialize_variables=False):
        shape = (16, 112, 112, 3)
        model = make(c3d.build, shape, width=1 / 64, pad_last_pool=pad_last_pool)
    is_pool = keras.layers.MaxPooling3D
    maps = [layer.output.shape[1:4] for layer in model.layers if isinstance(layer, is_pool)]
    assert maps == [(16, 56, 56), (8, 28, 28), (4, 14, 14), (2, 7, 7), (1, 4, 4)]
    keras.utils.clear_session()


@pytest.mark.parametrize(("pad_last_pool", "ends"), [(False, ""), (True, "_padded")])
def test_c3d_answers_what_the_authors_caffe_and_the_ports_do(pad_last_pool, ends):
    paths = [find_golden(f"published/{name}") for name in ("c3d_caffe.npz", "c3d_variables.json")]
    if None in paths:
        pytest.skip("the numbers of Caffe are not beside the repository")
    golden, shapes = arrays(paths[0]), json.loads(paths[1].read_text())
    seeded = runpy.run_path(str(paths[0].parent / "seeded_weights.py"))
    clip = seeded["clip"](golden["small"]).astype("float32") / 127.5 - 1
    model = make(c3d.build, clip.shape[1:], num_classes=487, pad_last_pool=pad_last_pool)
    blobs = {
        f"{name[:-1]}{'wb'.index(name[-1])}": seeded["draw"](name, shape, np.prod(shape[1:]))
        for name, shape in shapes.items()
    }
    (variables,) = c3d_weights.streams(blobs).values()
    (network,) = networks(specs.model("c3d"), model)
    weight_places.fill(model, list(c3d_weights.places(network)), variables)
    received = np.log(predict(model, clip))
    logits = golden[f"logits{ends}"].astype("float64")
    expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(received, expected, atol=1e-4)


def test_c3d_needs_known_sizes():
    with pytest.raises(ValueError, match="Received: pixels"):
        make(c3d.build, (None, 32, 32, 3))


def test_i3d_averages_the_logits_of_steps_of_time():
    """The published order: pool, classify each step, average the logits, softmax."""
    model = varied(make(i3d.build, (24, 32, 32, 3), width=1 / 16))
    network = next(layer for layer in model.layers if "sub_network" in layer.name).network
    clips = some_clips(24)
    maps = np.asarray(network(clips))
    assert maps.shape == (2, 3, 1, 1, 64)
    pooled = (maps[:, :-1] + maps[:, 1:]).mean((2, 3)) / 2
    kernel, bias = (w.numpy() for w in model.weights[-2:])
    logits = (pooled @ kernel + bias).mean(1)
    logits -= logits.max(1, keepdims=True)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(predict(model, clips), expected, atol=1e-5)


def test_i3d_has_offsets_and_no_scales():
    names = [w.name for w in inception_v1((32, 32, 3), 1 / 16).weights]
    assert "beta" in names and "gamma" not in names and "bias" not in names


def test_inception_checks_its_arguments():
    with pytest.raises(ValueError, match="dimensions=4"):
        inception_v1((32, 32, 3), dimensions=4)
    with pytest.raises(ValueError, match="shape="):
        inception_v1((32, 32, 3), dimensions=3)


def test_inflated_begins_with_what_the_image_network_gives(tmp_path):
    """Of a still clip, with the weights of a file: the average of the image network's map."""
    image_network = karpathy((32, 32, 3), 1 / 16)
    path = str(tmp_path / "image.weights.h5")
    image_network.save_weights(path)
    settings = {"backbone": "karpathy", "weights": path, "width": 1 / 16, "time_kernel": 5}
    model = make(inflated.build, (4, 32, 32, 3), head=features_alone, **settings)
    assert model.weights[0].shape == (5, *image_network.weights[0].shape)
    clips = np.repeat(some_clips(1), 4, axis=1)
    expected = np.asarray(image_network(clips[:, 0])).mean((1, 2))
    np.testing.assert_allclose(predict(model, clips), expected, rtol=1e-4, atol=1e-5)


def test_two_stream_3d_sees_pixels_flow_and_order():
    settings = {"backbone": "karpathy", "width": 1 / 16, "head": features_alone}
    model = varied(make(two_stream_3d.build, (5, 32, 32, 3), (5, 32, 32, 4), **settings))
    pixels, flow = some_clips(5), some_clips(5, channels=4)
    pixels[:, 3:], flow[:, 3:] = pixels[:, 2:3], flow[:, 2:3]
    start = predict(model, pixels, flow)
    others = [(some_clips(5), flow), (pixels, some_clips(5, channels=4))]
    others.append((pixels[:, ::-1].copy(), flow[:, ::-1].copy()))
    for given in others:
        assert np.abs(predict(model, *given) - start).max() > 1e-3 * np.abs(start).max()
    pixels[:, 3:], flow[:, 3:] = np.nan, np.nan
    np.testing.assert_allclose(predict(model, pixels, flow, lengths=[3, 3]), start, atol=1e-6)


def test_two_stream_3d_needs_maps_and_channels():
    for settings in ({"backbone": "cnn_m_2048"}, {"backbone": "karpathy", "channels": 0}):
        with pytest.raises(ValueError, match="Received: "):
            make(two_stream_3d.build, *[(2, 32, 32, 3)] * 2, width=1 / 64, **settings)


def test_fill_padding():
    x = RANDOM.normal(size=(4, 3, 2, 2)).astype("f")
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    expected = np.stack([x[0], x[1, [0, 1, 1]], x[2, [0, 0, 0]], np.zeros((3, 2, 2))])
    x[~mask] = np.inf
    np.testing.assert_array_equal(FillPadding()(x, mask=mask), expected)
    np.testing.assert_array_equal(FillPadding()(x), x)


def test_each_frame_is_an_image():
    clips = keras.Input((None, 4, 3))
    model = keras.Model(clips, each_frame(clips, keras.layers.Flatten()))
    x = RANDOM.normal(size=(2, 5, 4, 3)).astype("f")
    np.testing.assert_array_equal(model(x), x.reshape(2, 5, 12))


def test_width_is_rounded_and_at_least_one():
    assert [scaled(64, 0.3), scaled(3, 0.1), scaled(5, 2.0)] == [19, 1, 10]
    with pytest.raises(ValueError, match="width=0"):
        scaled(64, 0)
