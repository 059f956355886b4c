"""The examples in docstrings run and say what they print; layers say what their call takes."""

import doctest
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

import frame_models.layers
import video_models.layers
from yt8m.base import spec_language
from yt8m.data.schema import Feature, Schema
from yt8m.modeling import intermediates, keras_model, layer_graph, preprocessing, specs

MODULES = [
    importlib.import_module(info.name)
    for package in (frame_models.layers, video_models.layers)
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
]
LAYER_MODULES = [*MODULES, preprocessing]
MODULES = [*LAYER_MODULES, specs, keras_model, layer_graph, intermediates, spec_language]
# What every example may use besides what its own module knows.
NAMES = {"keras": keras, "np": np, "specs": specs, "Schema": Schema, "Feature": Feature}
# What is public only for the models that share it.
WITHOUT_EXAMPLE = {"recurrent_network"}


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for module in MODULES
        for test in finder.find(module, extraglobs=NAMES)
        if test.examples
    ]
    return sorted(found, key=lambda test: test.name)


def public(modules) -> dict[str, object]:
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    }


LAYERS = {
    name: cls
    for name, cls in public(LAYER_MODULES).items()
    if inspect.isclass(cls) and issubclass(cls, keras.layers.Layer)
}


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_an_example_prints_what_it_says(example):
    printed: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(printed)


@pytest.mark.parametrize("name", public(LAYER_MODULES))
def test_what_is_public_has_an_example(name):
    if name.rpartition(".")[2] not in WITHOUT_EXAMPLE:
        assert ">>> " in inspect.getdoc(public(LAYER_MODULES)[name])


@pytest.mark.parametrize("name", LAYERS)
def test_call_arguments_are_documented(name):
    parameters = inspect.signature(LAYERS[name].call).parameters.values()
    taken = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][2:]
    _, _, section = inspect.getdoc(LAYERS[name]).partition("\nCall arguments:\n")
    section = section.partition("\n\n")[0]
    assert [line.split(":")[0].strip() for line in section.splitlines()] == taken
