"""Image networks in `.keras` files, as backbones; and backbones by the names people write."""

import keras
import numpy as np
import pytest

from frame_models.pixels import cnn, inflated
from frame_models.pixels.layers import backbones
from frame_models.pixels.layers.backbones import add_backbone

SIDE = 16


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of networks by what they are."""
    folder = tmp_path_factory.mktemp("networks")
    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="c")(image)
    maps = keras.layers.BatchNormalization()(maps)
    either = keras.Input((None, None, 3))
    vector = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(either))
    bytes_ = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(image))
    two = keras.Model(image, [maps, maps])
    models = {
        "maps": keras.Model(image, maps),
        "vector": keras.Model(either, vector),
        "bytes": keras.Model(image, bytes_),
        "two": two,
        "sequential": keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(4, 3)]),
        "numbers": keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)]),
    }
    paths = {}
    for name, model in models.items():
        paths[name] = str(folder / f"{name}.keras")
        model.save(paths[name])
    (folder / "damaged.keras").write_bytes(b"PK\3\4 no more")
    paths["damaged"] = str(folder / "damaged.keras")
    paths["gone"] = str(folder / "gone.keras")
    return paths


def frames(*shape) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (*shape, SIDE, SIDE, 3)).astype("float32")


def answer(images: np.ndarray, *arguments, **settings) -> np.ndarray:
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, add_backbone(inputs, *arguments, **settings))
    return keras.ops.convert_to_numpy(model(images))


@pytest.mark.parametrize("name", ["maps", "vector", "sequential"])
def test_a_backbone_in_a_file_answers_as_the_file_does(name, files):
    images = frames(3)
    original = keras.saving.load_model(files[name])
    expected = keras.ops.convert_to_numpy(original(images))
    np.testing.assert_allclose(answer(images, files[name]), expected, atol=1e-6)
    ranged = keras.ops.convert_to_numpy(original((images + 1) * 0.5))
    found = answer(images, files[name], pixel_range=(0.0, 1.0))
    np.testing.assert_allclose(found, ranged, atol=1e-5)


def test_cnn_and_inflated_take_a_file(files):
    pixels = keras.Input((4, SIDE, SIDE, 3))
    mask = keras.Input((4,), dtype="bool")
    seen = cnn.build(pixels, mask, 5, backbone=files["maps"], temporal=lambda f, m, n: f["pixels"])
    clips = frames(2, 4)
    clips[:] = clips[:, :1]
    given = [clips, np.ones((2, 4), bool)]
    vectors = keras.ops.convert_to_numpy(keras.Model([pixels, mask], seen)(given))
    original = keras.saving.load_model(files["maps"])
    expected = keras.ops.convert_to_numpy(original(clips[:, 0])).mean(axis=(1, 2))
    np.testing.assert_allclose(vectors, np.repeat(expected[:, None], 4, axis=1), atol=1e-6)
    pooled = inflated.build(
        pixels, mask, 5, backbone=files["maps"], dropout=0.0, head=lambda x, n: x
    )
    found = keras.ops.convert_to_numpy(keras.Model([pixels, mask], pooled)(given))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gone", {}, "a file that is not there"),
        ("damaged", {}, "Keras cannot read a network"),
        ("two", {}, "must hold a network from one image"),
        ("numbers", {}, "must hold a network from one image"),
        ("maps", {"width": 0.5}, "comes in one width"),
        ("maps", {"weights": "imagenet"}, "weights must be None for a backbone in a file"),
        ("maps", {"pixel_range": (1.0, 0.0)}, "pixel_range must be two numbers"),
        ("maps", {"pixel_range": (1.0,)}, "pixel_range must be two numbers"),
        ("bytes", {}, r"give pixel_range=\(0\.0, 255\.0\)"),
        ("sequential", {"momentum": 0.9}, "has none"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(name, settings, message, files):
    with pytest.raises(ValueError, match=message):
        add_backbone(keras.Input((SIDE, SIDE, 3)), files[name], **settings)


def test_frames_of_another_size_are_refused(files):
    with pytest.raises(ValueError, match="takes frames of 16 x 16 x 3, and these are of 8 x 8 x 3"):
        add_backbone(keras.Input((8, 8, 3)), files["maps"])
    with pytest.raises(ValueError, match="pixel_range is for a backbone in a file; karpathy"):
        add_backbone(keras.Input((64, 64, 3)), "karpathy", pixel_range=(0.0, 1.0))


def test_bytes_reach_a_network_that_rescales_them(files):
    images = frames(2)
    original = keras.saving.load_model(files["bytes"])
    expected = keras.ops.convert_to_numpy(original((images + 1) * 127.5))
    found = answer(images, files["bytes"], pixel_range=(0.0, 255.0))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_every_backbone_has_a_name_of_its_own_however_it_is_written():
    for name in backbones.names():
        for written in (name, name.upper(), name.replace("_", "-"), name.title()):
            assert backbones.canonical(written) == name
    assert backbones.canonical("InceptionV9") == "InceptionV9"
    with pytest.raises(ValueError, match="Did you mean 'inception_v1'"):
        add_backbone(keras.Input((64, 64, 3)), "inception_v2")
