"""Specs of models: the names and hyperparameters of a spec are those of a model's `build`.

A hyperparameter is a model where its annotation is a type of model, such as
`frame_models.FrameModel`, and that type says which inputs the model must take.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable
from typing import Any

from yt8m.base.spec_language import (
    Call,
    Spec,
    abridged,
    check_names,
    fits,
    hint_name,
    inputs,
    model_type,
    parse,
    unknown,
)

MODEL_PACKAGES = ("video_models", "frame_models", "frame_models.pixels")


def model(text: str) -> Spec:
    """Parses and checks the spec of a model.

    Args:
        text: such as `average(head=moe(mixtures=4))`.

    Raises:
        ValueError: names what was received, the closest valid name, and the valid names.

    Example:
        >>> spec = model("average(head=moe(mixtures=4))")
        >>> spec.name, spec.inputs
        ('average', ('frames', 'mask'))
        >>> model("netvlad@gated(clusters=64)").settings["clusters"]
        64
    """
    return _resolve(parse(text))


def completed(text: str) -> str:
    """A spec of a model with every setting that there is today; as it is where that is no spec.

    Example:
        >>> completed("softmax")
        'softmax(l2=1e-08, kernel_scale=1.0)'
    """
    try:
        return str(model(text))
    except ValueError:  # Of another version, with settings that are gone.
        return text


def model_names() -> dict[str, str]:
    """Short name -> dotted name of every model, found among the modules of the packages.

    Example:
        >>> model_names()["netvlad"]
        'frame_models.netvlad'
    """
    names: dict[str, str] = {}
    for package in MODEL_PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(path):
            if module.ispkg or module.name.startswith("_"):
                continue
            if module.name in names:
                raise ValueError(
                    f"Two models have the short name {module.name!r}: {names[module.name]} and "
                    f"{package}.{module.name}. Rename one."
                )
            names[module.name] = f"{package}.{module.name}"
    return names


def published(name: str) -> dict[str, str]:
    """The published sizes of a model: what stands behind the @ -> the spec that it is short for.

    They are the dict PUBLISHED of the model's module.

    Args:
        name: of a model, short.

    Example:
        >>> published("netvlad")["plain"]
        'netvlad(clusters=256, head=moe(l2=1e-6))'
    """
    return getattr(importlib.import_module(model_names()[name]), "PUBLISHED", {})


def published_names() -> list[str]:
    """The published sizes of all models, such as `netvlad@gated`, sorted.

    Example:
        >>> "netvlad@gated" in published_names()
        True
    """
    return sorted(f"{name}@{size}" for name in model_names() for size in published(name))


def _resolve(call: Call) -> Spec:
    name, _, size = call.name.partition("@")
    name, build = _find(name)
    given = dict(call.arguments)
    if size:
        given = _published_arguments(name, size) | given
    parameters = {
        parameter.name: parameter
        for parameter in inspect.signature(build).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    check_names(f"hyperparameter of {name}", given, parameters)
    hints = typing.get_type_hints(build)
    settings = {
        key: _setting(name, parameter, given.get(key, parameter.default), hints[key])
        for key, parameter in parameters.items()
    }
    return Spec(name, build, settings)


def _find(name: str) -> tuple[str, Callable]:
    known = model_names()
    short = name.rpartition(".")[2]
    if known.get(short) not in (name, *(f"{package}.{name}" for package in MODEL_PACKAGES)):
        valid = [*known, *known.values()] if "." in name else list(known)
        raise ValueError(unknown("model", name, valid, shown=list(known)))
    return short, importlib.import_module(known[short]).build


def _published_arguments(name: str, size: str) -> dict[str, Any]:
    """The arguments that a published size gives its model."""
    sizes = published(name)
    if size not in sizes:
        raise ValueError(unknown(f"published size of {name}", size, list(sizes)))
    return dict(parse(sizes[size]).arguments)


def _setting(name: str, parameter: inspect.Parameter, value: Any, hint: Any) -> Any:
    """Turns models into Specs, and checks a value against its parameter's annotation."""
    if value is inspect.Parameter.empty:
        raise ValueError(f"{name} needs the hyperparameter {parameter.name}.")
    kind = model_type(hint)
    value = _with_specs(value, functions=kind is not None)
    if not fits(value, hint):
        raise ValueError(
            f"{parameter.name} of {name} must be {hint_name(hint)}. "
            f"Received: {parameter.name}={abridged(value)}."
        )
    if kind is not None:
        for given in value if isinstance(value, tuple) else (value,):
            _check_inputs(given, inputs(kind), f"{parameter.name} of {name}")
    return float(value) if hint is float else value


def _check_inputs(given: Any, expected: tuple[str, ...], where: str) -> None:
    if isinstance(given, Spec) and given.inputs != expected:
        raise ValueError(
            f"{where} must be a model of {' and '.join(expected)}. "
            f"Received: {given.name}, a model of {' and '.join(given.inputs)}."
        )


def _with_specs(value: Any, functions: bool) -> Any:
    """Replaces the calls in a value by their Specs and, where asked to, models' `build`s, too."""
    if isinstance(value, Call):
        return _resolve(value)
    if isinstance(value, tuple):
        return tuple(_with_specs(element, functions) for element in value)
    return _resolve(Call(value.__module__, {})) if functions and callable(value) else value
