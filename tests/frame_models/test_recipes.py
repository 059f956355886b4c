"""The recipes page: its specs build, with the parameters it says; its code runs."""

import re

import keras
import numpy as np
import pytest
from paths import ROOT

from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.modeling import keras_model, specs

PAGE = (ROOT / "frame_models" / "README.md").read_text()
SCHEMA = Schema(
    FRAME, (Feature("rgb", 1024, "uint8", "rgb"), Feature("audio", 128, "uint8", "audio"))
)
# The name of a published size, the spec it stands for, and the number of parameters.
ROWS = re.findall(r"^\| .* \| `(\w+@\w+)` \| `(.+)` \| ([\d,]+) \|", PAGE, re.MULTILINE)


def test_the_page_has_a_row_for_each_published_result():
    assert len(ROWS) == 15 + 2 + 4


@pytest.mark.parametrize(("name", "spec"), dict.fromkeys(row[:2] for row in ROWS))
def test_a_name_stands_for_the_spec_beside_it(name, spec):
    assert str(specs.model(name)) == str(specs.model(spec))


@pytest.mark.parametrize(("name", "parameters"), dict.fromkeys((n, p) for n, _, p in ROWS))
def test_a_recipe_has_its_parameters(name, parameters):
    of_2018 = "nextvlad" in name
    # Nothing of it is in memory: a variable of this scope has a shape and no value.
    with keras.StatelessScope(initialize_variables=False):
        model = keras_model.build(specs.model(name), SCHEMA, 3862 if of_2018 else 4716)
        learnt = [w for w in model.weights if "seed_generator" not in w.path]
        assert f"{sum(int(np.prod(w.shape)) for w in learnt):,}" == parameters
    keras.utils.clear_session(
        free_memory=False
    )  # Keras would give values later to all that have none.


def run_example(number: int) -> keras.Model:
    """Runs one of the page's Python examples, each in a program of its own."""
    names: dict = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number], names)
    return names["model"]


def test_the_sequential_example_respects_padding():
    model = run_example(1)
    frames = np.random.default_rng(0).normal(size=(2, 5, 512)).astype("float32")
    frames[0, 3:] = 0
    together = model.predict_on_batch(frames)
    assert together.shape == (2, 10)
    np.testing.assert_allclose(model.predict_on_batch(frames[:1, :3]), together[:1], atol=1e-5)


def test_the_functional_example_runs():
    model = run_example(2)
    inputs = [np.ones((2, 4, 1024)), np.ones((2, 4, 128)), np.ones((2, 4), dtype="bool")]
    assert model.predict_on_batch(inputs).shape == (2, 10)
