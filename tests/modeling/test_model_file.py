"""model.keras, damaged and changed: refused with a reason, and without taking the memory."""

import json
import zipfile

import keras
import pytest
from toy_records import FRAMES

from yt8m.base import archives
from yt8m.modeling import keras_model, model_file, specs

CLASSES = 5


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    built = keras_model.build(specs.model("average"), FRAMES, CLASSES)
    keras_model.classifier(built).save(path)
    return path.read_bytes()


@pytest.fixture
def model(saved, tmp_path):
    """The path of a file whose members a function may change."""
    path = tmp_path / "model.keras"

    def write(change=lambda members: None) -> str:
        path.write_bytes(saved)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return str(path)

    return write


def setting(name, value):
    """Sets every field of that name in the description of a model."""

    def walk(node):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            if key == name:
                node[key] = value
            elif isinstance(inner, (dict, list)):
                walk(inner)

    def change(members):
        config = json.loads(members["config.json"])
        walk(config)
        members["config.json"] = json.dumps(config).encode()

    return change


def content(of_config: bytes):
    return lambda members: members.update({"config.json": of_config})


def test_a_model_is_read_and_fits_its_run(model):
    loaded = model_file.read(model())
    model_file.check_fits(loaded, FRAMES, CLASSES)
    with pytest.raises(ValueError, match=r"answers \(None, 5\), but by run.json it has 6 classes"):
        model_file.check_fits(loaded, FRAMES, 6)
    with pytest.raises(ValueError, match=r"it takes rgb uint8\[.*but by run.json it takes rgb"):
        model_file.check_fits(loaded, FRAMES.select(("rgb",)), CLASSES)


@pytest.mark.parametrize("units", [10**6, 10**12, 10**30])
def test_a_model_far_larger_than_its_weights_is_refused_before_it_is_built(model, units):
    with pytest.raises(ValueError, match="describes a model of .* weights or more, but its file"):
        model_file.read(model(setting("units", units)))
    assert keras.layers.Layer.add_weight.__qualname__ == "Layer.add_weight"
    assert not hasattr(keras.layers.Layer.add_weight, "__wrapped__")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda members: members.pop("config.json"), r"it has no config\.json"),
        (content(b"[" * 100_000), "config.json cannot be read: it nests too deep"),
        (content(b"{}"), "Keras cannot make a model of it"),
        (content(b'{"module": "os", "class_name": "system"}'), "Keras cannot make a model"),
        (content(b"\xff\xfe{"), "byte 0 is no UTF-8"),
        (content(b"[1]"), "must hold an object {...}, not a list"),
        (content(b"{" + b" " * (17 << 20)), "config.json takes 17,825,793 bytes"),
        (setting("class_name", "NoSuchLayer"), "Keras cannot make a model of it .*NoSuchLayer"),
        (
            lambda members: members.update(
                {"config.json": members["config.json"].replace(b'"dense', b'"den\xc3\xa9')}
            ),
            "its layer 'dené.* has a name that TensorFlow does not take",
        ),
        (setting("units", "many"), "Keras cannot make a model of it"),
        (lambda members: members.pop("model.weights.h5"), "Keras cannot make a model of it"),
        (
            lambda members: members.update({"model.weights.h5": members["model.weights.h5"][:999]}),
            "Keras cannot make a model of it",
        ),
    ],
    ids=range(12),
)
def test_what_describes_no_model_is_refused(model, change, part):
    with pytest.raises(ValueError, match=part) as refused:
        model_file.read(model(change))
    assert len(str(refused.value)) < 400


def test_a_zip_bomb_is_refused(model, monkeypatch):
    monkeypatch.setattr(archives, "PLAUSIBLE_BYTES", 1 << 20)
    bomb = model(lambda members: members.update({"assets/zeros": bytes(64 << 20)}))
    with pytest.raises(ValueError, match="it claims to hold"):
        model_file.read(bomb)


def test_what_is_no_file_or_no_zip_file_is_refused(tmp_path):
    with pytest.raises(OSError, match="directory"):
        model_file.read(str(tmp_path))
    path = tmp_path / "model.keras"
    for held in (b"", b"text", b"PK\x03\x04" + bytes(99)):
        path.write_bytes(held)
        with pytest.raises(ValueError, match="zip file|magic number"):
            model_file.read(str(path))


def test_another_thing_than_a_model_is_refused(tmp_path):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    loaded = model_file.read(str(tmp_path / "model.keras"))
    with pytest.raises(
        ValueError, match="it takes no inputs by name, but by run.json it takes rgb"
    ):
        model_file.check_fits(loaded, FRAMES, CLASSES)
