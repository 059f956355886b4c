"""Every example in a docstring of the packages runs, and prints what it says."""

import doctest
import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from paths import ROOT

from yt8m.data.schema import Feature, Schema
from yt8m.modeling import specs

PACKAGES = ("frame_models", "video_models", "yt8m")
# What every example may use besides what its own module knows.
NAMES = {"keras": keras, "np": np, "specs": specs, "Schema": Schema, "Feature": Feature}


def count(path: Path) -> int:
    """How many statements the examples of a file have."""
    return len(re.findall(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {
    module_name(path): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if count(path)
}


def examples_of(name: str) -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = finder.find(importlib.import_module(name), extraglobs=NAMES)
    return sorted((test for test in found if test.examples), key=lambda test: test.name)


@pytest.mark.parametrize(
    "example",
    [example for name in PATHS for example in examples_of(name)],
    ids=lambda example: example.name,
)
def test_an_example_prints_what_it_says(example):
    printed: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(printed)


@pytest.mark.parametrize("name", PATHS)
def test_every_example_of_a_module_is_found(name):
    """An example in a place that doctest does not look at would never run."""
    found = sum(len(example.examples) for example in examples_of(name))
    assert found == count(PATHS[name])
