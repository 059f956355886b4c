"""Weights of a model, and what of a file fills each: all of it, or nothing. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np

_MOST_NAMED = 12


@dataclasses.dataclass(frozen=True)
class Place:
    """A weight and what fills it.

    Attributes:
        weight: the Keras weight.
        names: the variables it is made of.
        convert: makes the weight's value of theirs.
    """

    weight: keras.Variable
    names: tuple[str, ...]
    convert: Callable[..., np.ndarray] = lambda value: value

    def value(self, given: list[np.ndarray]) -> tuple[np.ndarray | None, str]:
        """The weight's value of the variables, and what is wrong with it, or nothing."""
        shape = tuple(self.weight.shape)
        shapes = [f"{n} {list(np.shape(v))}" for n, v in zip(self.names, given, strict=True)]
        try:
            value = self.convert(*given)
        except (ValueError, IndexError, TypeError):
            value = None
        if value is None or value.shape != shape:
            made = "" if value is None else f"; it makes {list(value.shape)}"
            variables = " and ".join(shapes)
            return value, f"{variables} cannot make {self.weight.path} {list(shape)}{made}"
        if not np.isfinite(value).all():
            return value, f"{' and '.join(shapes)} is not finite"
        return value, ""


def fill(
    model: keras.Model,
    places: Sequence[Place],
    variables: dict[str, np.ndarray],
    problems: Sequence[str] = (),
) -> None:
    """Sets every weight of a model.

    Args:
        model: whose weights they are.
        places: of its weights.
        variables: name -> value, all that the file holds of the network.
        problems: what is known to be wrong already.

    Raises:
        ValueError: a variable has no place, a weight no variable, or a shape does not fit. It
            names the first of each kind and counts the others, and nothing is set.
    """
    placed = {name for place in places for name in place.names}
    known = {id(place.weight) for place in places}
    found = [
        f"no weight for the variable {name} {list(np.shape(value))}"
        for name, value in variables.items()
        if name not in placed
    ]
    found += [
        f"no rule for the weight {weight.path} {list(weight.shape)}"
        for weight in _learnt(model)
        if id(weight) not in known
    ]
    values = []
    for place in places:
        missing = [name for name in place.names if name not in variables]
        if missing:
            found.append(f"no variable {' and '.join(missing)} for {place.weight.path}")
            continue
        value, problem = place.value([variables[name] for name in place.names])
        values.append(value)
        found += [problem] if problem else []
    found += problems
    if found:
        raise ValueError("; ".join(_abridged(found)))
    for place, value in zip(places, values, strict=True):
        place.weight.assign(value)


def _abridged(found: list[str]) -> list[str]:
    """What is wrong, without the end of a long list of one kind."""
    shown: list[str] = []
    kinds: dict[str, int] = {}
    for problem in found:
        kind = problem.split(" ")[1] if problem.startswith("no ") else ""
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] <= _MOST_NAMED:
            shown.append(problem)
    left_out = len(found) - len(shown)
    return [*shown, f"and {left_out} more"] if left_out else shown


def _learnt(model: keras.Model) -> list[keras.Variable]:
    """The weights, without the states of random number generators."""
    return [weight for weight in model.weights if "seed_generator" not in weight.path]
