"""Pickles as data: what they say is looked at, and nothing of it is called. Needs no TensorFlow.

A pickle is a program that may call anything. Python's own reader of its instructions, which runs
none, takes them apart here. Of the instructions those are known that make numbers, text, lists and
dicts. A call becomes a `Call`, which says what would be called: other modules make arrays of the
few that they know, and refuse the others by name.
"""

from __future__ import annotations

import dataclasses
import io
import pickletools
from typing import Any

_MOST_OBJECTS = 5_000_000
_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = ("PROTO", "FRAME")
_EMPTY: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_LITERALS = (
    *("INT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT"),
    *("UNICODE", "UNICODE8", "STRING", "BYTES", "BYTES8", "BYTEARRAY8"),
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclasses.dataclass(frozen=True)
class Name:
    """A function or class that a pickle names.

    Attributes:
        text: such as `torch.FloatStorage`.
    """

    text: str


@dataclasses.dataclass(eq=False)
class Call:
    """A call that a pickle asks for.

    Attributes:
        function: what would be called.
        arguments: with what.
        state: what the object that comes of it would be told; None where it is told nothing.
    """

    function: Name
    arguments: tuple[Any, ...]
    state: Any = None


@dataclasses.dataclass(frozen=True)
class Outside:
    """Something that stands outside of the pickle.

    Attributes:
        key: what names it there.
    """

    key: Any


def read(file: io.BytesIO) -> Any:
    """Takes a pickle apart, and leaves the file behind its last instruction.

    Args:
        file: all of it in memory, so that no instruction can claim more than there is.

    Returns:
        Numbers, text, bytes, lists, tuples, dicts, `Name`, `Call` and `Outside`.

    Raises:
        ValueError: it is no pickle, is damaged, or holds an instruction that no file of weights
            needs.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return machine.stack[-1]
            machine.step(opcode.name, argument)
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001  What damaged instructions find on the stack.
        raise ValueError(f"its pickle is damaged ({type(error).__name__})") from None
    raise ValueError("its pickle has no end")


class _Machine:
    """The stack and the memo of the instructions."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._count = 0

    def step(self, name: str, argument: Any) -> None:
        """Does what an instruction says, except to call anything."""
        self._count += 1
        if self._count > _MOST_OBJECTS:
            raise ValueError(f"its pickle has more than {_MOST_OBJECTS:,} instructions")
        if name in _IGNORED:
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self._last(_TUPLES[name])
        elif name.endswith(("PUT", "MEMOIZE")):
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name.endswith("GET"):
            self.stack.append(self._memo[argument])
        elif name.endswith(_LITERALS):
            self.stack.append(argument)
        else:
            getattr(self, f"_{name.lower()}", self._refuse)(name, argument)

    def _refuse(self, name: str, argument: Any) -> None:
        raise ValueError(f"its pickle has the instruction {name}, which weights do not need")

    def _last(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) < count or any(item is _MARK for item in items):
            raise ValueError("its pickle is damaged (too short a stack)")
        self.stack[-count:] = [items]

    def _from_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("its pickle is damaged (no mark)")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _mark(self, name: str, argument: Any) -> None:
        self.stack.append(_MARK)

    def _pop(self, name: str, argument: Any) -> None:
        self.stack.pop()

    def _tuple(self, name: str, argument: Any) -> None:
        self.stack.append(tuple(self._from_mark()))

    def _list(self, name: str, argument: Any) -> None:
        self.stack.append(self._from_mark())

    def _dict(self, name: str, argument: Any) -> None:
        items = self._from_mark()
        self.stack.append({})
        self._set(items)

    def _append(self, name: str, argument: Any) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item)

    def _appends(self, name: str, argument: Any) -> None:
        items = self._from_mark()
        self.stack[-1].extend(items)

    def _setitem(self, name: str, argument: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, name: str, argument: Any) -> None:
        self._set(self._from_mark())

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise ValueError("its pickle is damaged (items of what is no dict)")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][key] = value

    def _global(self, name: str, argument: Any) -> None:
        self.stack.append(Name(argument.replace(" ", ".")))

    def _stack_global(self, name: str, argument: Any) -> None:
        function, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Name(f"{module}.{function}"))

    def _reduce(self, name: str, argument: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise ValueError("its pickle calls what it made itself, which weights do not need")
        if function.text == "collections.OrderedDict" and not arguments:
            self.stack.append({})
        else:
            self.stack.append(Call(function, arguments))

    def _newobj(self, name: str, argument: Any) -> None:
        self._reduce(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Call):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):  # Of a dict: attributes, such as `_metadata`.
            raise ValueError("its pickle is damaged (a state of what is no object)")

    def _binpersid(self, name: str, argument: Any) -> None:
        self.stack.append(Outside(self.stack.pop()))
