"""The examples in the docstrings of metrics, losses and optimizers are there, and are right."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from yt8m import metrics

# Of these modules, every public class and function has an example.
PUBLIC = (
    "yt8m.metrics.topk",
    "yt8m.modeling.losses",
    "yt8m.modeling.score_losses",
    "yt8m.training.optimizers",
)
MODULES = sorted(
    {f"yt8m.metrics.{module.name}" for module in pkgutil.iter_modules(metrics.__path__)} | {*PUBLIC}
)


def run_examples(module) -> doctest.TestResults:
    runner = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test)
    return runner.summarize(verbose=False)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_give_what_they_show(name, capsys):
    failed, _ = run_examples(importlib.import_module(name))
    assert not failed, capsys.readouterr().out


def public_things() -> dict:
    """What of these modules is for others, by its full name."""
    things = {f"yt8m.metrics.{name}": getattr(metrics, name) for name in metrics.__all__}
    for name in (*PUBLIC, "yt8m.metrics.views"):
        module = importlib.import_module(name)
        things |= {
            f"{name}.{key}": value
            for key, value in vars(module).items()
            if (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == name
            and not key.startswith("_")
        }
    return things


@pytest.mark.parametrize("name", public_things())
def test_what_is_public_has_an_example(name):
    assert ">>> " in public_things()[name].__doc__
