"""The spec language: `netvlad(clusters=64, head=moe(mixtures=4))` names a model and its settings.

A spec is a name, or a name with keyword arguments whose values are Python literals or specs.
It is parsed, never evaluated, and checked against the signature of what it names.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any


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
        arguments = {str(keyword.arg): _convert(keyword.value, text) for keyword in node.keywords}
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
