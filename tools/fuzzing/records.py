"""Records of every kind, valid and damaged: protos of which the checksum is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tools.fuzzing import damaged_bytes
from tools.fuzzing.case import Dice, chance, pick

VIDEO, BYTES, FLOATS, SEGMENTS = KINDS = ("video", "bytes", "floats", "segments")
NUM_CLASSES = 5
SIZES = {"rgb": 4, "audio": 2}
_IDS = (
    *(b"", b"\xff\xfe", b"a,b", b'"', b"a\nb", b"\r\n", b"\x00", b" ", b"v0000", b"x" * 5000),
    *(b"\xe2\x80\xa8", b"\xed\xa0\x80", b"=1", b"a b:5", b"\x1b[31m", "é".encode()),
)
_NUMBERS = (0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e38, 1e-45)
_CLASSES = (-1, NUM_CLASSES, 2**31, 2**63 - 1, -(2**63), 0, 1)

Record = tf.train.SequenceExample  # The context of one reads as a tf.Example, too.


def valid(dice: Dice, kind: str, number: int) -> bytes:
    """A record of a kind, of the video `v0012` where 12 is its number."""
    record = Record()
    context = record.context.feature
    context["id"].bytes_list.value.append(b"v%04d" % number)
    labels = np.unique(dice.integers(NUM_CLASSES, size=2))
    context["labels"].int64_list.value.extend(labels.tolist())
    if kind == VIDEO:
        for name, size in SIZES.items():
            context[f"mean_{name}"].float_list.value.extend(dice.normal(size=size))
        example = tf.train.Example(features=record.context)
        return example.SerializeToString(deterministic=True)
    num_frames = int(dice.integers(5, 8))
    for name, size in SIZES.items():
        for _ in range(num_frames):
            frame = record.feature_lists.feature_list[name].feature.add()
            if kind == FLOATS:
                frame.float_list.value.extend(dice.normal(size=size))
            else:
                frame.bytes_list.value.append(dice.bytes(size))
    if kind == SEGMENTS:
        context["segment_labels"].int64_list.value.extend(dice.integers(NUM_CLASSES, size=3))
        context["segment_start_times"].int64_list.value.extend([0, 0, int(dice.integers(3))])
        context["segment_scores"].float_list.value.extend(dice.integers(2, size=3))
    return record.SerializeToString(deterministic=True)


def some(dice: Dice, kind: str, count: int, first: int = 0) -> list[bytes]:
    """Records of a kind, numbered from `first` on."""
    return [valid(dice, kind, first + number) for number in range(count)]


def damaged(dice: Dice, record: bytes, kind: str) -> bytes:
    """The record with something in its proto, or of its bytes, changed."""
    if dice.is_sound:
        return record
    if chance(dice, 0.3):
        return damaged_bytes.damaged(dice, record)
    proto = Record.FromString(record)
    for _ in range(int(dice.integers(1, 3))):
        pick(dice, _DAMAGE if kind != VIDEO else _DAMAGE_OF_CONTEXT)(dice, proto)
    if kind == VIDEO and chance(dice, 0.9):
        return tf.train.Example(features=proto.context).SerializeToString()
    return proto.SerializeToString()


def _key(dice: Dice, features) -> str:
    return pick(dice, sorted(features)) if features else "id"


def _remove_key(dice: Dice, proto: Record) -> None:
    proto.context.feature.pop(_key(dice, proto.context.feature), None)


def _rename_key(dice: Dice, proto: Record) -> None:
    features = proto.context.feature
    key = _key(dice, features)
    new = pick(dice, [key.upper(), "", "x" * 3000, "a/b", "é", "video_id", "labels"])
    features[new].CopyFrom(features.pop(key, tf.train.Feature()))


def _other_kind(dice: Dice, proto: Record) -> None:
    _set(dice, proto.context.feature[_key(dice, proto.context.feature)])


def _set(dice: Dice, feature: tf.train.Feature) -> None:
    """Makes a feature one of another kind, of another length, or of none."""
    count = int(pick(dice, [0, 1, 2, 4, 5, 100, 100_000]))
    feature.Clear()
    kind = pick(dice, ("bytes", "int64", "float", "nothing"))
    if kind == "bytes":
        feature.bytes_list.value.extend([pick(dice, _IDS)] * min(count, 1000))
    elif kind == "int64":
        feature.int64_list.value.extend([pick(dice, _CLASSES)] * count)
    elif kind == "float":
        feature.float_list.value.extend([pick(dice, _NUMBERS)] * count)


def _odd_number(dice: Dice, proto: Record) -> None:
    """Puts an odd number among those of a feature."""
    feature = proto.context.feature[_key(dice, proto.context.feature)]
    numbers = feature.float_list.value or feature.int64_list.value
    if numbers:
        odd = _NUMBERS if feature.float_list.value else _CLASSES
        numbers[int(dice.integers(len(numbers)))] = pick(dice, odd)


def _odd_id(dice: Dice, proto: Record) -> None:
    values = proto.context.feature["id"].bytes_list.value
    values[:] = [pick(dice, _IDS)] * int(pick(dice, [0, 1, 1, 1, 1, 2]))


def _other_length(dice: Dice, proto: Record) -> None:
    feature = proto.context.feature[_key(dice, proto.context.feature)]
    for values in (feature.float_list.value, feature.int64_list.value):
        if len(values):
            values[:] = pick(dice, [[], values[:1], values[:-1], [*values, *values]])


def _frames(dice: Dice, proto: Record) -> None:
    """Removes, repeats or changes frames of a feature, or all of it."""
    lists = proto.feature_lists.feature_list
    if not lists:
        return
    frames = lists[_key(dice, lists)].feature
    action = pick(dice, ("none", "fewer", "more", "odd", "odd", "gone"))
    if action == "none":
        del frames[:]
    elif action == "gone":
        lists.pop(_key(dice, lists))
    elif action == "fewer":
        del frames[int(dice.integers(len(frames) + 1)) :]
    elif frames and action == "more":
        frames.extend(list(frames) * int(pick(dice, [1, 100])))
    elif frames:
        frame = pick(dice, frames)
        if chance(dice, 0.5):
            _set(dice, frame)
        elif frame.bytes_list.value:
            frame.bytes_list.value[0] = dice.bytes(int(dice.integers(7)))
        elif frame.float_list.value:
            frame.float_list.value[0] = pick(dice, _NUMBERS)


_DAMAGE_OF_CONTEXT: tuple[Callable[[Dice, Record], None], ...] = (
    *(_remove_key, _rename_key, _other_kind, _odd_number, _odd_number, _odd_id, _other_length),
)
_DAMAGE = (*_DAMAGE_OF_CONTEXT, _frames, _frames, _frames)
