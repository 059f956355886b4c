"""Image networks at work on frames: which there are, their weights, colours and names."""

import importlib
import inspect

import keras
import numpy as np
import pytest
from model_contract import randomise

from frame_models.pixels import cnn, inflated, single_frame
from frame_models.pixels.layers import backbones
from frame_models.pixels.layers.image_colors import ImageColors, colors_of
from frame_models.pixels.layers.sub_network import SubNetwork, add_network
from yt8m.modeling import specs

SIDE = 32
NUM_CLASSES = 5
TINY = {"backbone": "mobilenet", "width": 0.05}


def vectors(frames, mask, num_classes):
    """A frame model that answers what it is given."""
    return frames["pixels"]


def model_of(time, side=SIDE, build=cnn.build, channels=3, **settings):
    pixels = keras.Input((time, side, side, channels), name="pixels")
    mask = keras.Input((time,), dtype="bool", name="mask")
    return keras.Model([pixels, mask], build(pixels, mask, NUM_CLASSES, **settings))


def clips(time, batch=2, side=SIDE, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (batch, time, side, side, 3)).astype("float32") / 127.5 - 1


def run(model, pixels, lengths=None, training=False):
    lengths = [pixels.shape[1]] * len(pixels) if lengths is None else lengths
    mask = np.arange(pixels.shape[1]) < np.array(lengths)[:, None]
    return keras.ops.convert_to_numpy(model([pixels, mask], training=training))


def mobilenet(weights=None):
    return keras.applications.MobileNet(
        include_top=False, weights=weights, input_shape=(SIDE, SIDE, 3), alpha=TINY["width"]
    )


def by_hand(network, pixels, preprocess=keras.applications.mobilenet.preprocess_input):
    """The frames' average-pooled features, as keras.applications documents them."""
    images = ((pixels + 1) * 127.5).reshape(-1, SIDE, SIDE, 3)
    maps = network.predict(preprocess(images), verbose=0)
    return maps.mean(axis=(1, 2)).reshape(*pixels.shape[:2], -1)


@pytest.fixture(scope="module")
def network():
    """A network whose batch norms are set so that what it is shown reaches its output."""
    made = mobilenet()
    randomise(made, narrow=True)
    norms = [x for x in made.layers if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    made((clips(16, seed=5) * 0.8).reshape(-1, SIDE, SIDE, 3), training=True)
    for norm in norms:
        norm.momentum = 0.99
    return made


@pytest.fixture(scope="module")
def weights_file(network, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5")
    network.save_weights(path)
    return path


def test_backbones_are_found():
    ours = {"cnn_m_2048", "inception_v1", "karpathy", "karpathy_multiresolution"}
    theirs = {"resnet50v2", "inceptionv3", "mobilenetv2", "vgg16", "efficientnetb0", "xception"}
    assert ours | theirs <= set(backbones.names())
    assert not {"scaled", "inflate", "slow_fusion_network"} & set(backbones.names())


@pytest.mark.parametrize("name", ["cnn_m_2048", "inception_v1", "karpathy_multiresolution"])
def test_own_backbones_make_vectors(name):
    with keras.StatelessScope(initialize_variables=False):
        model = model_of(2, backbone=name, width=1 / 64, temporal=vectors)
    keras.utils.clear_session(free_memory=False)  # Forgets that variables wait for a value.
    sizes = {"cnn_m_2048": 32, "inception_v1": 16, "karpathy_multiresolution": 8}
    assert model.output.shape == (None, 2, sizes[name])


def test_the_default_is_resnet50v2():
    with keras.StatelessScope(initialize_variables=False):
        model = model_of(2)
    keras.utils.clear_session(free_memory=False)
    published = 23_564_800  # Of ResNet50V2 without its classifier.
    assert model.count_params() == published + 2048 * NUM_CLASSES + NUM_CLASSES


def modules_of_applications():
    found = inspect.getmembers(keras.applications, inspect.ismodule)
    return [name for name, module in found if hasattr(module, "decode_predictions")]


@pytest.mark.parametrize("name", [n for n in modules_of_applications() if n != "imagenet_utils"])
def test_colors_are_those_of_the_application(name):
    module = importlib.import_module(f"keras.applications.{name}")
    images = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 3)).astype("float32")
    expected = module.preprocess_input(images.copy())
    layer = colors_of(module.preprocess_input)
    layer = ImageColors.from_config(layer.get_config())
    given = keras.ops.convert_to_numpy(layer(images / 127.5 - 1))
    np.testing.assert_allclose(given, expected, atol=1e-3, rtol=1e-5)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ImageColors(**_settings(layer), dtype="bfloat16")(images)),
        keras.ops.convert_to_numpy(layer(keras.ops.cast(images, "bfloat16"))),
        rtol=0.01,
        atol=0.5,
    )


def _settings(layer):
    return {name: layer.get_config()[name] for name in ("order", "scale", "offset")}


def test_colors_that_are_mixed_are_refused():
    with pytest.raises(ValueError, match="mix channels"):
        colors_of(lambda images: images @ np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1.0]]))


@pytest.mark.parametrize("build", [cnn.build, single_frame.build])
def test_weights_of_a_file(build, network, weights_file):
    extra = {"hidden": (), "pooling": "avg", "head": lambda rows, _: rows}
    settings = {"temporal": vectors} if build is cnn.build else extra
    model = model_of(3, build=build, weights=weights_file, **TINY, **settings)
    pixels = clips(3)
    expected = by_hand(network, pixels)
    if build is single_frame.build:
        expected = expected.mean(axis=1)
    np.testing.assert_allclose(run(model, pixels), expected, rtol=1e-4, atol=1e-5)


def test_a_saved_model_does_not_need_the_file(network, tmp_path):
    file = tmp_path / "mobilenet.weights.h5"
    network.save_weights(file)
    model = model_of(2, weights=str(file), **TINY)
    expected = run(model, clips(2))
    model.save(tmp_path / "model.keras")
    file.unlink()
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, clips(2)), expected)
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights]


def test_imagenet_weights_and_their_colors_are_those_that_keras_has(network, monkeypatch):
    def ResNet50(include_top, weights, input_shape):
        assert (include_top, weights, input_shape) == (False, "imagenet", (SIDE, SIDE, 3))
        return network

    ResNet50.__module__ = keras.applications.ResNet50.__module__
    monkeypatch.setattr(keras.applications, "ResNet50", ResNet50)
    model = model_of(2, backbone="resnet50", weights="imagenet", temporal=vectors)
    pixels = clips(2)
    expected = by_hand(network, pixels, keras.applications.resnet.preprocess_input)
    assert np.abs(expected - by_hand(network, pixels)).max() > 0.1
    # The way from bytes to [-1, 1] and back rounds, which the layers of the network make more of.
    np.testing.assert_allclose(run(model, pixels), expected, rtol=1e-3, atol=2e-3)


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def VGG16(include_top, weights, input_shape):
        raise Exception("URL fetch failure on https://x: None -- offline")  # As Keras does.

    monkeypatch.setattr(keras.applications, "VGG16", VGG16)
    with pytest.raises(ValueError, match="URL fetch failure.*Received: weights='imagenet'"):
        model_of(2, backbone="vgg16", weights="imagenet")


def test_files_that_are_no_weights_of_the_network(tmp_path, network):
    with pytest.raises(ValueError, match="no such file.*nowhere.weights.h5"):
        model_of(2, weights="nowhere.weights.h5", **TINY)
    with pytest.raises(ValueError, match="no such file"):
        model_of(2, weights=str(tmp_path), **TINY)
    garbage = tmp_path / "garbage.weights.h5"
    garbage.write_bytes(b"not a file of weights")
    other = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)]).save_weights(other)
    wider = tmp_path / "wider.weights.h5"
    network.save_weights(wider)
    unknown = tmp_path / "weights.txt"
    unknown.write_text("1 2 3")
    for path, width in ((garbage, 0.05), (other, 0.05), (wider, 0.1), (unknown, 0.05)):
        with pytest.raises(ValueError, match="holds no weights of mobilenet .*Received: weights="):
            model_of(2, backbone="mobilenet", width=width, weights=str(path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet50v3"}, "Did you mean 'resnet50v2'?"),
        ({"backbone": "karpathy", "weights": "imagenet"}, "none for 'karpathy'"),
        ({"backbone": "vgg16", "width": 0.5}, "one width"),
        ({"backbone": "karpathy", "width": 0.0}, "width must be positive"),
        ({"backbone": "vgg16", "channels": 2}, "3 channels.*channels=2"),
        ({"backbone": "inceptionv3"}, "75x75"),
        ({"backbone": "karpathy", "pooling": "mean"}, "pooling must be one of avg, max, none"),
        ({"backbone": "karpathy", "hidden": (0,), "width": 0.1}, "hidden"),
        ({"backbone": "karpathy", "momentum": 0.9}, "karpathy has none.*momentum=0.9"),
        ({**TINY, "momentum": 1.0}, "at least 0 and below 1"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        model_of(2, **settings)


def test_the_pooling_over_space_is_what_its_name_says():
    by_pooling = {
        pooling: model_of(
            2, 64, backbone="karpathy", width=1 / 16, pooling=pooling, temporal=vectors
        )
        for pooling in ("none", "avg", "max")
    }
    answers = {}
    for pooling, model in by_pooling.items():
        model.set_weights(by_pooling["none"].get_weights())
        answers[pooling] = run(model, clips(2, side=64))
    maps = answers["none"].reshape(2, 2, -1, 16)
    assert maps.shape[2] > 1
    np.testing.assert_allclose(answers["avg"], maps.mean(axis=2), atol=1e-6)
    np.testing.assert_allclose(answers["max"], maps.max(axis=2), atol=1e-6)


def test_padding_adds_nothing():
    """However long it is, for a model of clips of any length."""
    model = model_of(None, **TINY)
    randomise(model, narrow=True)
    pixels = clips(3)
    longer = np.concatenate([pixels, clips(4, seed=1)], axis=1)
    np.testing.assert_allclose(run(model, longer, [3, 3]), run(model, pixels), atol=1e-6)


def test_batch_norms_take_their_statistics_of_real_frames():
    model = model_of(None, **TINY)
    start = model.get_weights()
    names = [i for i, weight in enumerate(model.weights) if "moving_" in weight.path]
    assert len(names) > 10
    pixels = clips(2)
    statistics = []
    for given, lengths in (
        (pixels, [2, 2]),
        (np.pad(pixels, [(0, 0), (0, 2)] + [(0, 0)] * 3), [2, 2]),
    ):
        model.set_weights(start)
        run(model, given, lengths, training=True)
        statistics.append([model.get_weights()[i] for i in names])
    for old, clean, padded in zip([start[i] for i in names], *statistics, strict=True):
        np.testing.assert_allclose(padded, clean, atol=1e-5)
        assert np.abs(clean - old).max() > 1e-6


@pytest.mark.parametrize("build", [cnn.build, single_frame.build, inflated.build])
def test_momentum_is_that_of_the_batch_norms(build):
    """A step moves the statistics by what the momentum leaves, MobileNet's own by a hundredth."""
    moves = []
    for settings in ({}, {"momentum": 0.25}):
        keras.utils.set_random_seed(2)
        model = model_of(2, build=build, **TINY, **settings)
        mean = next(weight for weight in model.weights if "moving_mean" in weight.path)
        run(model, clips(2), training=True)
        moves.append(keras.ops.convert_to_numpy(mean))
    assert np.abs(moves[0]).max() > 1e-6
    np.testing.assert_allclose(moves[1], 75 * moves[0], rtol=1e-4)


def small_network(scale):
    inputs = x = keras.Input((4,))
    for _ in range(2):
        x = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(scale))(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="dense_of_its_own")(x))


def test_names_do_not_depend_on_what_was_built_before():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [add_network(inputs, small_network(1.0)) for _ in range(2)])
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths) == 12
    below = [path.partition("/")[2] for path in paths]
    expected = [
        f"{layer}/{weight}"
        for layer in ("dense", "dense_1", "dense_of_its_own")
        for weight in ("kernel", "bias")
    ]
    assert below == expected * 2
    copy = keras.Model.from_config(model.get_config())
    assert [weight.path for weight in copy.weights] == paths


def test_a_sub_network_has_weights_of_its_own():
    inputs = keras.Input((4,))
    network = small_network(0.5)
    copied = keras.Model(inputs, add_network(inputs, network, copy_weights=True))
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(copied(x), network(x))
    copied.weights[0].assign(np.zeros((4, 4)))
    assert (keras.ops.convert_to_numpy(network.weights[0]) == 0.5).all()
    layer = SubNetwork(network)
    assert SubNetwork.from_config(layer.get_config()).get_config() == layer.get_config()


PUBLISHED = {
    "conv pooling": "cnn({small}, pooling='none', temporal=conv_pooling({hidden}head=softmax))",
    "late pooling": "cnn({small}, pooling='none', temporal=late_pooling({hidden}head=softmax))",
    "slow pooling": "cnn({small}, pooling='none', temporal=slow_pooling(window_hidden=(8,), "
    "{hidden}head=softmax))",
    "local pooling": "cnn({small}, pooling='none', temporal=local_pooling({hidden}head=softmax))",
    "time-domain convolution": "cnn({small}, pooling='none', temporal=time_convolution("
    "{hidden}head=softmax))",
    "deep LSTM": "cnn({small}, temporal=lstm(cells=4, layers=5, output='frames', head=softmax))",
    "LRCN": "cnn({small}, pooling='none', hidden=(4096,), temporal=lstm(cells=4, layers=1, "
    "output='frames', prediction='mean', head=softmax))",
    "single frame": "single_frame({small}, pooling='avg', hidden=(), head=softmax)",
    "NetVLAD": "cnn({small}, temporal=netvlad(clusters=4, hidden=8))",
}


@pytest.mark.parametrize("text", PUBLISHED.values(), ids=PUBLISHED)
def test_published_systems_have_specs(text):
    text = text.format(small="backbone='karpathy', width=0.0625", hidden="hidden=(8,), ")
    spec = specs.model(text)
    assert specs.model(str(spec)).settings == spec.settings
    assert spec.inputs == ("pixels", "mask")
    outputs = spec.partial()(
        keras.Input((6, SIDE, SIDE, 3)), keras.Input((6,), dtype="bool"), NUM_CLASSES
    )
    probabilities = outputs["probabilities"] if isinstance(outputs, dict) else outputs
    assert probabilities.shape == (None, NUM_CLASSES)
