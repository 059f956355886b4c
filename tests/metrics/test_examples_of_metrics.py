"""Metrics, losses and optimizers have examples in their docstrings."""

import importlib
import inspect

import pytest

from yt8m import metrics

# Of these modules, every public class and function has an example.
PUBLIC = (
    "yt8m.metrics.topk",
    "yt8m.modeling.losses",
    "yt8m.modeling.score_losses",
    "yt8m.training.optimizers",
)


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
