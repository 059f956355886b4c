"""Classes found by name: loosely spelled, with their hyperparameters checked."""

import pytest

from yt8m.base.catalogue import Catalogue


class BlueShape:
    """Made with a width of at least 1."""

    def __init__(self, width: int = 2, depth: int | None = None, colour: str = "blue"):
        if width < 1:
            raise ValueError(f"width must be positive. Received: width={width}.")
        self.width = width


class Dot:
    """Has a size without a default."""

    def __init__(self, size: float, **kwargs):
        self.size = size


SHAPES = Catalogue("shape", (Dot, BlueShape), hidden=frozenset({"colour", "kwargs"}))


def make(name, **settings):
    return SHAPES.find(name)(**settings)


@pytest.mark.parametrize("name", ["BlueShape", "blue_shape", "blue", "BLUE", "blueshape"])
def test_names_are_matched_loosely(name):
    assert SHAPES.find(name) is BlueShape
    assert SHAPES.names() == ["BlueShape", "Dot"]


def test_a_spec_gets_the_defaults_that_are_something():
    call = SHAPES.from_spec("blue", make)
    assert (call.name, call.arguments) == ("BlueShape", {"width": 2})
    assert str(SHAPES.from_spec("blue(depth=3)", make)) == "BlueShape(width=2, depth=3)"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("blu", "No shape is called 'blu'. Did you mean 'blue'? Valid names: BlueShape, Dot."),
        ("blue(widht=1)", "No hyperparameter of shape BlueShape is called 'widht'. Did you mean"),
        ("blue(colour='red')", "is called 'colour'. Valid names: depth, width."),
        ("dot(kwargs=1)", "is called 'kwargs'. Valid names: size."),
        ("blue(width=0)", "width must be positive. Received: width=0."),
        ("blue(width='a')", "The shape \"blue(width='a')\" has a value of a wrong type: "),
        ("blue(", "A spec looks like name"),
    ],
)
def test_a_class_that_cannot_be_made_is_refused(spec, message):
    with pytest.raises(ValueError) as error:
        SHAPES.from_spec(spec, make)
    assert message in str(error.value)


def test_a_caller_may_set_what_a_spec_may_not():
    SHAPES.check(BlueShape, {"colour": "red"}, besides={"colour"})
    with pytest.raises(ValueError, match="is called 'colour'"):
        SHAPES.check(BlueShape, {"colour": "red"})
