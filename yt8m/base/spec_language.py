"""The spec language: `netvlad(clusters=64, head=moe(mixtures=4))` names a model and its settings.

A spec is a name, or a name with keyword arguments whose values are Python literals or specs.
`netvlad@gated` is the published size `gated` of netvlad; `netvlad@gated(clusters=64)` changes it.
A spec is parsed, never evaluated, and checked against the signature of what it names.
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

_MOST_SHOWN = 200  # Characters of what was received.
_LARGEST = 2**63
_FORM = "A spec looks like name or name(key=value, ...), a published size like name@size."


@dataclasses.dataclass(frozen=True, repr=False)
class Call:
    """A parsed spec, not yet checked.

    Attributes:
        name: what is called, such as `netvlad`, or `netvlad@gated` for a published size.
        arguments: keyword arguments; one that is a spec is a Call.
    """

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

    Example:
        >>> call = parse("netvlad(clusters=64, head=moe(mixtures=4))")
        >>> call.name, call.arguments["clusters"], call.arguments["head"]
        ('netvlad', 64, moe(mixtures=4))
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        call = _convert(node, text)
    except SyntaxError as error:
        raise ValueError(f"{_FORM} Received: {abridged(text)} ({error.msg}).") from None
    except (RecursionError, MemoryError):  # Of Python's own parser, which nests so deep only.
        raise ValueError(f"A spec nests too deep. Received: {abridged(text)}.") from None
    except UnicodeEncodeError:
        raise ValueError(f"A spec is text in UTF-8. Received: {abridged(text)}.") from None
    if not isinstance(call, Call):
        raise ValueError(f"A spec begins with a name. Received: {abridged(text)}.")
    return call


def abridged(value: Any) -> str:
    """A value as an error shows it: as Python writes it, of the long only the beginning.

    Example:
        >>> abridged("moe"), len(abridged("(" * 5000))
        ("'moe'", 204)
    """
    try:
        text = repr(value)
    except ValueError:  # Python does not write numbers of more than 4,300 digits.
        return "a number of thousands of digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} ..."


def _convert(node: ast.expr, text: str) -> Any:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return Call(_dotted_name(node, text), {})
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return _published(node, text)
    if isinstance(node, ast.Call):
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(
                f"A spec takes its arguments as key=value. Received: {abridged(text)}."
            )
        arguments = {str(keyword.arg): _convert(keyword.value, text) for keyword in node.keywords}
        if len(arguments) < len(node.keywords):
            raise ValueError(f"A spec gives each argument once. Received: {abridged(text)}.")
        return Call(_dotted_name(node.func, text), arguments)
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_convert(element, text) for element in node.elts)
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = ...
    if not isinstance(value, (bool, int, float, str, type(None))):
        raise ValueError(
            f"A spec's values are numbers, strings, tuples, True, False, None or specs. "
            f"Received: {ast.unparse(node)[:_MOST_SHOWN]} in {abridged(text)}."
        )
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ValueError(f"A spec's numbers are at most 2**63. Received: {abridged(value)}.")
    return value


def _published(node: ast.BinOp, text: str) -> Call:
    """`name@size` or `name@size(key=value)`, of which Python reads the call as the right side."""
    size = node.right.func if isinstance(node.right, ast.Call) else node.right
    if not isinstance(size, ast.Name):
        raise ValueError(f"{_FORM} Received: {abridged(text)}.")
    called = _convert(node.right, text)
    return Call(f"{_dotted_name(node.left, text)}@{called.name}", called.arguments)


def _dotted_name(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted_name(node.value, text)}.{node.attr}"
    raise ValueError(f"{_FORM} Received: {abridged(text)}.")


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
        return inputs(self.build)

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
    """The sentence for a wrong name: what was received, the closest valid name, the list.

    Example:
        >>> unknown("model", "mo", ["moe", "mlp"])
        "No model is called 'mo'. Did you mean 'moe'? Valid names: mlp, moe."
    """
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(sorted(shown or valid)) or "there are none"
    return f"No {what} is called {abridged(name)}.{hint} Valid names: {listed}."


def model_type(hint: Any) -> type | None:
    """The type of model that an annotation names, if it names one.

    A type of model is a Protocol, such as `frame_models.FrameModel`, whose call takes the inputs
    that such a model takes. An annotation names it alone, in a union, or as what a tuple holds.
    """
    if isinstance(hint, type) and typing.Protocol in hint.__bases__:
        return hint
    found = (model_type(option) for option in typing.get_args(hint))
    return next((kind for kind in found if kind is not None), None)


def inputs(call: Callable) -> tuple[str, ...]:
    """The inputs of a model's `build`, or of a type of model: its positional parameters."""
    if isinstance(call, type):
        return inputs(call.__call__)[1:]  # Without self.
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(call).parameters.values()
    return tuple(p.name for p in parameters if p.kind in kinds and p.name != "num_classes")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of a spec is of the type that an annotation names.

    Example:
        >>> fits(2, float), fits(True, int), fits((1, 2), tuple[int, ...])
        (True, False, True)
    """
    if hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin is None and model_type(hint):
        return isinstance(value, Spec)
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
    """An annotation in words, for an error.

    Example:
        >>> hint_name(int | tuple[int, ...])
        'int or a tuple of int, such as (a,) or (a, b)'
    """
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and model_type(hint):
        return "a tuple of models"
    if origin is tuple:
        inner = [hint_name(option) for option in options if option is not Ellipsis]
        return f"a tuple of {' or '.join(dict.fromkeys(inner))}, such as (a,) or (a, b)"
    if isinstance(hint, types.UnionType):
        return " or ".join(map(hint_name, options))
    if model_type(hint):
        return "a model"
    return "None" if hint is type(None) else hint.__name__


def _as_function(value: Any) -> Any:
    """Replaces the Specs in a value by functions."""
    if isinstance(value, tuple):
        return tuple(_as_function(element) for element in value)
    return value.partial() if isinstance(value, Spec) else value
