"""Damage to what is read of JSON: values of other kinds, missing keys, deep nesting."""

from __future__ import annotations

import copy
import json
from typing import Any

from tools.fuzzing.case import Dice, chance, pick
from tools.fuzzing.damaged_texts import damaged_text

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**64), 0.5, 1e308, float("nan")),
    *(float("inf"), "", " ", "x", "1", "../..", "\x00", "\ud800", "é" * 50, "x" * 5000),
    *([], {}, [[]], {"": {}}, [None], {"kind": "x"}, ["a", 1, None], [1] * 100),
)


def damaged_json(dice: Dice, data: bytes) -> bytes:
    """A JSON text with a value or a key changed, or with its text damaged."""
    if dice.is_sound:
        return data
    if chance(dice, 0.25):
        return damaged_text(dice, data)
    value = json.loads(data)
    for _ in range(int(dice.integers(1, 3))):
        value = damaged_value(dice, value)
    return json.dumps(value).encode()


def damaged_value(dice: Dice, value: Any) -> Any:
    """A value of JSON in which a place at random is changed."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return pick(dice, _ODD)
    holder, key = pick(dice, places)
    action = pick(dice, ("replace", "replace", "replace", "remove", "rename", "nest", "similar"))
    if action == "remove":
        del holder[key]
    elif action == "rename" and isinstance(holder, dict):
        holder[pick(dice, [f"{key}s", "", key.upper(), "x" * 100])] = holder.pop(key)
    elif action == "nest":
        for _ in range(pick(dice, [1, 3, 200])):
            holder[key] = pick(dice, ([holder[key]], {"a": holder[key]}))
    elif action == "similar":
        holder[key] = _similar(dice, holder[key])
    else:
        holder[key] = copy.deepcopy(pick(dice, _ODD))
    return value


def _similar(dice: Dice, value: Any) -> Any:
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return pick(dice, [value + 1, value - 1, -value, value * 1000, 0])
    if isinstance(value, str):
        text = damaged_text(dice, value.encode("utf-8", "replace")).decode("utf-8", "replace")
        return pick(dice, [text, value * 2, value[:-1], value.upper()])
    if isinstance(value, list):
        return pick(dice, [value * 2, value[:-1], value[::-1], [value]])
    return {}


def _places(value: Any):
    """Every place that holds a value: what it is in, and its key or index."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, (dict, list)):
        for key, held in list(items):
            yield value, key
            if isinstance(held, (dict, list)):
                yield from _places(held)
