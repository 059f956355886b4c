"""What layers share has an example in its docstring; layers say what their call takes."""

import importlib
import inspect
import pkgutil

import keras
import pytest

import frame_models.layers
import frame_models.pixels.layers
import video_models.layers
from yt8m.modeling import preprocessing

PACKAGES = (frame_models.layers, frame_models.pixels.layers, video_models.layers)
MODULES = [
    importlib.import_module(info.name)
    for package in PACKAGES
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
]
MODULES.append(preprocessing)
# What is public only for the models that share it, and for `inflate`, which has an example.
WITHOUT_EXAMPLE = (
    "frame_models.layers.recurrent_network.",
    "frame_models.pixels.layers.inflated_layers.",
)


def public() -> dict[str, object]:
    return {
        f"{module.__name__}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    }


PUBLIC = public()
LAYERS = {
    name: cls
    for name, cls in PUBLIC.items()
    if inspect.isclass(cls) and issubclass(cls, keras.layers.Layer)
}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_has_an_example(name):
    if not name.startswith(WITHOUT_EXAMPLE):
        assert ">>> " in inspect.getdoc(PUBLIC[name])


@pytest.mark.parametrize("name", LAYERS)
def test_call_arguments_are_documented(name):
    parameters = inspect.signature(LAYERS[name].call).parameters.values()
    taken = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][2:]
    _, _, section = inspect.getdoc(LAYERS[name]).partition("\nCall arguments:\n")
    section = section.partition("\n\n")[0]
    assert [line.split(":")[0].strip() for line in section.splitlines()] == taken
