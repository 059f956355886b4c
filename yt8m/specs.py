"""The spec language: `netvlad(clusters=64, head=moe(mixtures=4))` names a model and its settings.

A spec is a name, or a name with keyword arguments whose values are Python literals or specs.
It is parsed, never evaluated, and checked against the signature of what it names.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import importlib
import inspect
import math
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

MODEL_PACKAGES = ("video_models", "frame_models", "frame_models.pixels")


@dataclasses.dataclass(frozen=True, repr=False)
class Call:
    """A parsed spec, not yet checked: a name and its keyword arguments."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        if not self.arguments:
            return self.name
        values = (f"{key}={value!r}" for key, value in self.arguments.items())
        return f"{self.name}({', '.join(values)})"

    __repr__ = __str__


def parse(text: str) -> Call:
    """Parses a spec.

    Raises:
        ValueError: where the text is no name or call of a name with keyword arguments.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(
            f"A spec looks like name or name(key=value, ...). Received: {text!r} ({error.msg})."
        ) from None
    call = _convert(node, text)
    if not isinstance(call, Call):
        raise ValueError(f"A spec begins with a name. Received: {text!r}.")
    return call


def _convert(node: ast.expr, text: str) -> Any:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return Call(_dotted_name(node, text), {})
    if isinstance(node, ast.Call):
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f"A spec takes its arguments as key=value. Received: {text!r}.")
        arguments = {keyword.arg: _convert(keyword.value, text) for keyword in node.keywords}
        if len(arguments) < len(node.keywords):
            raise ValueError(f"A spec gives each argument once. Received: {text!r}.")
        return Call(_dotted_name(node.func, text), arguments)
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_convert(element, text) for element in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(
            f"A spec's values are numbers, strings, tuples, True, False, None or specs. "
            f"Received: {ast.unparse(node)} in {text!r}."
        ) from None


def _dotted_name(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted_name(node.value, text)}.{node.attr}"
    raise ValueError(f"A spec looks like name or name(key=value, ...). Received: {text!r}.")


@dataclasses.dataclass(frozen=True, repr=False)
class Spec:
    """A model with its settings, checked, every default filled in.

    Attributes:
        name: the model's short name.
        build: the model's function, see `frame_models` and `video_models`.
        settings: every hyperparameter; one that is a model is a Spec.
    """

    name: str
    build: Callable
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        return str(Call(self.name, self.settings))

    __repr__ = __str__

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the model's positional parameters, such as `frames` and `mask`."""
        return _inputs(self.build)

    def partial(self) -> Callable:
        """The model's `build` with its settings: call it with the inputs and `num_classes`."""
        settings = {key: _as_function(value) for key, value in self.settings.items()}
        return functools.partial(self.build, **settings)


def complete(call: Call, cls: type, hidden: set[str]) -> Call:
    """The call of a class under its own name, its defaults filled in where they are not None.

    Args:
        call: names the class in some spelling.
        cls: the class.
        hidden: parameters that a spec does not set.
    """
    parameters = inspect.signature(cls).parameters.values()
    shown = [p for p in parameters if p.name not in hidden and p.default is not p.empty]
    values = {p.name: call.arguments.get(p.name, p.default) for p in shown}
    return Call(cls.__name__, {k: v for k, v in values.items() if v is not None})


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


def check_names(what: str, received: Mapping[str, Any], valid: Mapping[str, Any]) -> None:
    """Raises ValueError for the first name received that is not among the valid ones."""
    for name in received:
        if name not in valid:
            raise ValueError(unknown(what, name, list(valid)))


def unknown(what: str, name: str, valid: list[str], shown: list[str] | None = None) -> str:
    """The sentence for a wrong name: what was received, the closest valid name, the list."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(sorted(shown or valid)) or "there are none"
    return f"No {what} is called {name!r}.{hint} Valid names: {listed}."


def _accepts_model(hint: Any) -> bool:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return any((typing.get_origin(option) or option) in (Callable, Any) for option in options)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of a spec is of the type that an annotation names."""
    if hint is Any:
        return True
    if isinstance(value, Spec):
        return _accepts_model(hint)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, option) for option in typing.get_args(hint))
    if origin is tuple:
        options = [option for option in typing.get_args(hint) if option is not Ellipsis]
        return isinstance(value, tuple) and all(any(fits(v, o) for o in options) for v in value)
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return origin is None and isinstance(hint, type) and isinstance(value, hint)


def hint_name(hint: Any) -> str:
    """An annotation in words, for an error."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if typing.get_origin(hint) is tuple and not _accepts_model(typing.get_args(hint)[0]):
        inner = [hint_name(option) for option in typing.get_args(hint) if option is not Ellipsis]
        return f"a tuple of {' or '.join(dict.fromkeys(inner))}, such as (a,) or (a, b)"
    if typing.get_origin(hint) is tuple and _accepts_model(typing.get_args(hint)[0]):
        return "a tuple of models"
    names = ["a model" if _accepts_model(option) else _type_name(option) for option in options]
    return " or ".join(names)


def _type_name(hint: Any) -> str:
    return (
        hint_name(hint) if typing.get_origin(hint) is tuple else getattr(hint, "__name__", "None")
    )


def _inputs(build: Callable) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(build).parameters.values()
    return tuple(p.name for p in parameters if p.kind in kinds and p.name != "num_classes")


def _as_function(value: Any) -> Any:
    """Replaces the Specs in a value by functions."""
    if isinstance(value, tuple):
        return tuple(_as_function(element) for element in value)
    return value.partial() if isinstance(value, Spec) else value
