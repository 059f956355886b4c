"""Image networks inflated to clips: what holds for a repeated image, and for any clip."""

import importlib

import keras
import numpy as np
import pytest
from keras import layers

from frame_models.pixels.layers.depthwise_conv3d import DepthwiseConv3D
from frame_models.pixels.layers.inception_v1 import inception_v1
from frame_models.pixels.layers.inflated_layers import inflater
from frame_models.pixels.layers.inflation import inflate, operations_of
from frame_models.pixels.layers.pad_clip import PadClip

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FRAMES = 8


def residual():
    """A network with every kind of padding, and with branches that are added and multiplied."""
    inputs = keras.Input((18, 21, 3))
    x = layers.Rescaling(0.5, 0.1)(inputs)
    x = layers.ZeroPadding2D(((2, 1), (0, 3)))(x)
    x = layers.Conv2D(8, 5, strides=2, activation="relu")(x)
    x = layers.Cropping2D(((0, 1), (1, 0)))(x)
    x = layers.MaxPooling2D(3, 2)(x)
    short = layers.Conv2D(8, 1, strides=2)(x)
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=2)(x)
    x = layers.BatchNormalization(axis=3)(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, groups=2)(x)
    x = layers.Add()([x, short])
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(8, "sigmoid")(layers.Reshape((1, 1, 8))(gate))
    x = layers.Multiply()([x, gate])
    x = layers.DepthwiseConv2D((3, 1), padding="same", activation="relu", depth_multiplier=2)(x)
    x = layers.AveragePooling2D(2, 1, padding="same")(x)
    x = layers.Concatenate(axis=3)([x, layers.Dropout(0.5)(x)])
    x = layers.LayerNormalization(axis=3)(x)
    x = layers.Dense(5, activation="softmax")(layers.Flatten()(x))
    return keras.Model(inputs, x, name="residual")


def of_parts():
    """A network with models in it, separable convolutions, and what only applications have."""
    inputs = keras.Input((18, 21, 3))
    stem = keras.Sequential([layers.Conv2D(4, 4, strides=2), layers.LayerNormalization()])
    x = stem(inputs)
    x = layers.SeparableConv2D(6, 3, 2, "same", depth_multiplier=2, activation="relu")(x)
    inner = keras.Input((4, 5, 6))
    block = keras.Model(inner, layers.Conv2D(6, 3, padding="same")(inner) * 0.5)
    scale = importlib.import_module("keras.src.applications.convnext").LayerScale(0.7, 6)
    x = x + scale(block(block(x)))
    add = importlib.import_module("keras.src.applications.inception_resnet_v2").CustomScaleLayer
    x = add(0.3)([x, keras.activations.relu(x + 3.0)])
    x = layers.Multiply()([x, layers.GlobalAveragePooling2D()(x)])
    x = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(layers.SpatialDropout2D(0.2)(x))
    return keras.Model(inputs, x, name="of_parts")


def mobilenet():
    return keras.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)


def inception():
    return inception_v1((32, 32, 3), 1 / 16)


def randomised(model):
    random = np.random.default_rng(1)
    for weight in model.weights:
        value = weight.numpy() + random.normal(0, 0.05, weight.shape)
        weight.assign(np.abs(value) + 0.3 if "variance" in weight.path else value)
    return model


def image_and_clip(model):
    image = np.random.default_rng(2).uniform(-1, 1, (1, *model.input.shape[1:])).astype("f")
    return image, np.repeat(image[:, None], FRAMES, axis=1)


STILL = {}
STRIDING = {"time_kernel": 4, "num_frames": FRAMES, "time_strides": True}


@pytest.mark.parametrize(
    ("make", "settings", "steps"),
    [
        (residual, STILL, FRAMES),
        (residual, STRIDING, 1),
        (of_parts, STILL, FRAMES),
        (of_parts, STRIDING, 2),
        (mobilenet, STRIDING, 1),
        (inception, STILL, FRAMES),
    ],
)
def test_a_repeated_image_gives_what_the_image_gives(make, settings, steps):
    model = randomised(make())
    image, clip = image_and_clip(model)
    expected = np.asarray(model(image))
    scale = np.abs(expected).max()
    assert scale > 1e-2
    result = np.asarray(inflate(model, **settings)(clip))
    assert result.shape == (1, steps, *expected.shape[1:])
    expanded = np.broadcast_to(expected[:, None], result.shape)
    np.testing.assert_allclose(result / scale, expanded / scale, atol=1e-5)


@pytest.mark.parametrize("make", [residual, of_parts])
def test_an_inflated_network_is_saved(make, tmp_path):
    inflated = inflate(make(), num_frames=FRAMES)
    clip = np.random.default_rng(2).uniform(-1, 1, inflated.input.shape[1:])[None].astype("f")
    inflated.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(clip), inflated(clip))


def test_a_model_in_it_that_is_called_twice_is_so_for_clips():
    inflated = inflate(of_parts(), 1)
    assert inflated.count_params() == of_parts().count_params()


def shared():
    """A network whose convolutions, and a model in it, are called at two sizes."""
    inputs = keras.Input((16, 16, 3))
    whole, half = inputs, layers.AveragePooling2D(2)(inputs)
    inner = keras.Input((None, None, 4))
    for layer in (
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.DepthwiseConv2D(3, padding="same"),
        keras.Model(inner, layers.Conv2D(4, 1, activation="relu")(inner)),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.Reshape((4,)),
    ):
        whole, half = layer(whole), layer(half)
    return keras.Model(inputs, layers.Concatenate()([whole, half]))


@pytest.mark.parametrize("make", [shared, of_parts])
def test_kernels_of_one_step_see_each_frame_by_itself(make):
    model = randomised(make())
    clip = np.random.default_rng(4).uniform(-1, 1, (2, 5, *model.input.shape[1:])).astype("f")
    inflated = inflate(model, 1)
    expected = np.stack([model(clip[:, step]) for step in range(5)], axis=1)
    np.testing.assert_allclose(inflated(clip), expected, rtol=1e-4, atol=1e-5)
    assert inflated.count_params() == model.count_params()


def test_a_convolution_that_is_called_twice_is_inflated():
    model = randomised(shared())
    image, clip = image_and_clip(model)
    expected = np.repeat(np.asarray(model(image))[:, None], FRAMES, axis=1)
    np.testing.assert_allclose(inflate(model, 3)(clip), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [2, 4])
def test_what_a_dropout_draws_for_an_image_is_drawn_for_a_clip(batch):
    inputs = keras.Input((6, 6, 3))
    dropped = layers.Dropout(0.5, noise_shape=(None, 1, 1, 1), seed=3)(inputs)
    model = inflate(keras.Model(inputs, layers.SpatialDropout2D(0.2, seed=4)(dropped)))
    seen = [np.asarray(model(np.ones((batch, 4, 6, 6, 3), "f"), training=True)) for _ in range(9)]
    for clip in np.concatenate(seen):
        assert (clip == clip[:1, :1, :1]).all()
    assert len({clip.sum() for clip in np.concatenate(seen)}) > 1


@pytest.mark.parametrize(
    "name", ["ConvNeXtTiny", "InceptionResNetV2", "MobileNetV3Small", "NASNetMobile", "Xception"]
)
def test_networks_of_applications_are_of_layers_that_can_be_inflated(name):
    """Those that have more than public layers. Variables here have no value."""
    make = getattr(keras.applications, name)
    with keras.StatelessScope(initialize_variables=False):
        model = make(include_top=False, weights=None, input_shape=(96, 96, 3))
    keras.utils.clear_session(free_memory=False)
    assert not [op.name for op in operations_of(model) if inflater(op) is None]


def two_convolutions(first, second):
    inputs = x = keras.Input((6, 5, 3))
    for layer in (first, second):
        x = layer(x)
    return randomised(keras.Model(inputs, x))


def test_zeros_beyond_the_ends_leave_the_interior():
    model = two_convolutions(layers.Conv2D(4, 3, padding="same"), layers.DepthwiseConv2D(3))
    image, clip = image_and_clip(model)
    result = np.asarray(inflate(model, 3, edges="zeros")(clip))
    expected = np.broadcast_to(np.asarray(model(image))[:, None], result.shape)
    np.testing.assert_allclose(result[:, 2:-2], expected[:, 2:-2], atol=1e-5)
    for end in (0, 1, -2, -1):
        assert np.abs(result[:, end] - expected[:, end]).max() > 1e-3


CONVOLUTIONS = [
    lambda **kwargs: layers.Conv2D(4, 3, **kwargs),
    lambda **kwargs: layers.DepthwiseConv2D(3, depth_multiplier=2, **kwargs),
]


@pytest.mark.parametrize("make", CONVOLUTIONS, ids=["plain", "depthwise"])
@pytest.mark.parametrize(("stride", "before"), [(1, 1), (2, 0)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_an_inflated_convolution_averages_those_of_the_images(make, stride, before, padding):
    """A convolution is linear: of any clip it gives the mean of what three images give.

    Keras pads as TensorFlow does: at a stride of 2 and an even length, nothing before.
    """
    model = two_convolutions(layers.Activation("linear"), make(strides=stride, padding=padding))
    clip = np.random.default_rng(3).normal(size=(2, FRAMES, 6, 5, 3)).astype("f")
    each = np.stack([np.asarray(model(clip[:, t])) for t in range(FRAMES)], 1)
    inflated = inflate(model, 3, num_frames=FRAMES, time_strides=True)
    last = FRAMES - 1
    expected = np.stack(
        [
            np.mean([each[:, min(max(t - before + d, 0), last)] for d in range(3)], axis=0)
            for t in range(0, FRAMES, stride)
        ],
        axis=1,
    )
    np.testing.assert_allclose(inflated(clip), expected, atol=1e-5)


def test_pools_reach_into_time_where_it_strides():
    inputs = keras.Input((4, 4, 2))
    model = keras.Model(inputs, layers.MaxPooling2D(2, name="pool")(inputs))
    clip = np.random.default_rng(4).normal(size=(1, 4, 4, 4, 2)).astype("f")
    in_space = clip.reshape(1, 4, 2, 2, 2, 2, 2).max((3, 5))
    np.testing.assert_array_equal(inflate(model)(clip), in_space)
    strides = {"num_frames": 4, "time_strides": True}
    both = in_space.reshape(1, 2, 2, 2, 2, 2).max(2)
    np.testing.assert_array_equal(inflate(model, **strides)(clip), both)
    alone = inflate(model, space_only=("pool",), **strides)
    np.testing.assert_array_equal(alone(clip), in_space)


def test_inflated_inception_is_inception_in_three_dimensions():
    """The layers of I3D, which Keras pads itself, and the inflated ones give the same."""
    image_model = inception()
    pools = [layer.name for layer in image_model.layers if isinstance(layer, layers.MaxPooling2D)]
    inflated = inflate(
        image_model, num_frames=16, time_strides=True, space_only=tuple(pools[:2]), edges="zeros"
    )
    whole = randomised(inception_v1((16, 32, 32, 3), 1 / 16, dimensions=3))
    assert [w.shape for w in inflated.weights] == [w.shape for w in whole.weights]
    inflated.set_weights(whole.get_weights())
    clip = np.random.default_rng(5).normal(size=(1, 16, 32, 32, 3)).astype("f")
    expected = np.asarray(whole(clip))
    assert expected.shape == (1, 2, 1, 1, 64) and expected.std() > 1e-3
    np.testing.assert_allclose(inflated(clip), expected, atol=1e-5)


def test_layers_keep_their_names_and_small_kernels_their_size():
    model = two_convolutions(layers.Conv2D(4, 1, name="one"), layers.Conv2D(4, 3, name="three"))
    inflated = inflate(model, 5)
    assert inflated.get_layer("one").kernel_size == (1, 1, 1)
    assert inflated.get_layer("three").kernel_size == (5, 3, 3)
    alone = inflate(model, 5, space_only=("three",))
    assert alone.get_layer("three").kernel_size == (1, 3, 3)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.Conv2DTranspose(4, 3, name="up"), "up .*Conv2DTranspose"),
        (layers.Conv2D(4, 3, name="first", data_format="channels_first"), "first .*channels_first"),
    ],
)
def test_a_layer_that_cannot_be_inflated_is_named(layer, named):
    inputs = keras.Input((6, 6, 3))
    with pytest.raises(ValueError, match=f"(?s){named}"):
        inflate(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize(
    "settings",
    [{"time_kernel": 0}, {"edges": "wrap"}, {"time_strides": True}, {"space_only": ("nothing",)}],
    ids=str,
)
def test_settings_of_an_inflation_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="Received: "):
        inflate(two_convolutions(layers.Conv2D(4, 3), layers.ReLU()), **settings)


def test_two_inputs_are_refused():
    inputs = [keras.Input((6, 6, 3)), keras.Input((6, 6, 3))]
    with pytest.raises(ValueError, match="one input"):
        inflate(keras.Model(inputs, layers.Add()(inputs)))


def test_depthwise_convolution_is_its_formula():
    random = np.random.default_rng(6)
    layer = DepthwiseConv3D((2, 3, 3), (2, 1, 1), padding="valid", depth_multiplier=2)
    x = random.normal(size=(2, 5, 4, 5, 3)).astype("f")
    layer.build(x.shape)
    kernel, bias = random.normal(size=(2, 3, 3, 3, 2)), random.normal(size=6)
    layer.set_weights([kernel, bias])
    expected = np.zeros((2, 2, 2, 3, 3, 2))
    for t, i, j in np.ndindex(2, 2, 3):
        part = x[:, 2 * t : 2 * t + 2, i : i + 3, j : j + 3]
        expected[:, t, i, j] = np.einsum("bthwc,thwcm->bcm", part, kernel)
    result = layer(x)
    np.testing.assert_allclose(result, expected.reshape(2, 2, 2, 3, 6) + bias, atol=1e-4)
    assert layer.compute_output_shape(x.shape) == result.shape
    assert layer.compute_output_shape((None, None, 4, 5, 3)) == (None, None, 2, 3, 6)


@pytest.mark.parametrize(("edges", "mode"), [("replicate", "edge"), ("zeros", "constant")])
def test_pad_clip(edges, mode):
    x = np.random.default_rng(7).normal(size=(2, 3, 4, 5, 1)).astype("f")
    layer = PadClip((2, 1), (0, 1), (3, 0), edges)
    in_time = np.pad(x, [(0, 0), (2, 1)] + [(0, 0)] * 3, mode=mode)
    expected = np.pad(in_time, [(0, 0), (0, 0), (0, 1), (3, 0), (0, 0)])
    np.testing.assert_array_equal(layer(x), expected)
    assert layer.compute_output_shape((None, None, 4, 5, 1)) == (None, None, 5, 8, 1)
    assert layer.compute_output_shape(x.shape) == expected.shape
    with pytest.raises(ValueError, match="edges"):
        PadClip(edges="wrap")
