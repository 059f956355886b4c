"""The spec language: `netvlad(clusters=64, head=moe(mixtures=4))` names a model and its settings.

A spec is a name, or a name with keyword arguments whose values are Python literals or specs.
It is parsed, never evaluated, and checked against the signature of what it names.
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
    _inputs,
    check_names,
    fits,
    hint_name,
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
    """
    return _resolve(parse(text))


def completed(text: str) -> str:
    """A spec of a model with every setting that there is today; as it is where that is no spec."""
    try:
        return str(model(text))
    except ValueError:  # Of another version, with settings that are gone.
        return text


def model_names() -> dict[str, str]:
    """Short name -> dotted name of every model, found among the modules of the packages."""
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


def _resolve(call: Call) -> Spec:
    name, build = _find(call.name)
    parameters = {
        parameter.name: parameter
        for parameter in inspect.signature(build).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    check_names(f"hyperparameter of {name}", call.arguments, parameters)
    hints = typing.get_type_hints(build)
    settings = {
        key: _setting(name, parameter, call.arguments.get(key, parameter.default), hints.get(key))
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


def _setting(name: str, parameter: inspect.Parameter, value: Any, hint: Any) -> Any:
    """Turns models into Specs, and checks a value against its parameter's annotation."""
    if value is inspect.Parameter.empty:
        raise ValueError(f"{name} needs the hyperparameter {parameter.name}.")
    value = _with_specs(value)
    if hint is not None and not fits(value, hint):
        raise ValueError(
            f"{parameter.name} of {name} must be {hint_name(hint)}. "
            f"Received: {parameter.name}={value!r}."
        )
    default = parameter.default
    example = default[0] if isinstance(default, tuple) and default else default
    if inspect.isfunction(example):
        for given in value if isinstance(value, tuple) else (value,):
            _check_inputs(given, _inputs(example), f"{parameter.name} of {name}")
    return float(value) if hint is float else value


def _check_inputs(given: Spec, inputs: tuple[str, ...], where: str) -> None:
    if given.inputs != inputs:
        raise ValueError(
            f"{where} must be a model of {' and '.join(inputs)}. "
            f"Received: {given.name}, a model of {' and '.join(given.inputs)}."
        )


def _with_specs(value: Any) -> Any:
    """Replaces the calls and the models in a value by their Specs."""
    if isinstance(value, Call):
        return _resolve(value)
    if isinstance(value, tuple):
        return tuple(_with_specs(element) for element in value)
    return _resolve(Call(value.__module__, {})) if inspect.isfunction(value) else value
