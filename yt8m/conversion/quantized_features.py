"""Converts frame-level records: their features from floats to bytes, or back."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.conversion.byte_losses import ByteLosses
from yt8m.data.ids import shown
from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.data.synthetic import dequantize, quantize

UINT8 = "uint8"
FLOAT32 = "float32"
_ID_KEYS = ("id", "video_id")


class FrameConverter:
    """Converts records of one schema, and counts what is lost.

    Args:
        schema: of the records.
        to: `uint8` or `float32`.
        names: the features to convert; empty takes all that are not of that type.
        keys: to write them under; empty takes their names for uint8, and MediaPipe's
            `NAME/feature/floats` for float32.
        max_length_difference: how far the lengths of a record's features may be apart; they are
            cut to the shortest.

    Attributes:
        losses: what became bytes, and what is lost of it.
        num_cut: records that were cut to their shortest feature.

    Raises:
        UserError: there is nothing to convert, or the names and keys do not fit.
    """

    def __init__(
        self,
        schema: Schema,
        to: str,
        names: tuple[str, ...] = (),
        keys: tuple[str, ...] = (),
        max_length_difference: int = 2,
    ):
        self.schema = _to_convert(schema, to, names)
        self.to = to
        self.keys = _keys(schema, self.schema, to, keys)
        self.max_length_difference = max_length_difference
        self.losses = ByteLosses(self.schema.feature_names)
        self.num_cut = 0

    def convert(self, record: bytes, where: str) -> bytes:
        """Converts one record.

        Args:
            record: a serialised tf.SequenceExample.
            where: what to call it in an error.

        Raises:
            UserError: it does not fit the schema, or holds NaN or infinity.
        """
        example = tf.train.SequenceExample()
        try:
            example.ParseFromString(record)
        except Exception as error:  # noqa: BLE001  protobuf's DecodeError lives in no public module
            raise UserError(f"{where} is no tf.SequenceExample: {error}.") from None
        where = f"{where} {self._name_keys(example.context.feature, where)}"
        lists = example.feature_lists.feature_list
        arrays = {f: _read(lists, f, where) for f in self.schema.features}
        shortest = self._shortest(arrays, where)
        for feature in arrays:
            del lists[feature.key]
        for (feature, frames), key in zip(arrays.items(), self.keys, strict=True):
            frames = frames[:shortest]
            if self.to == UINT8:
                self.losses.count(feature.name, frames)
            lists[key].feature.extend(_written(frames, self.to))
        return example.SerializeToString(deterministic=True)

    def warnings(self) -> list[str]:
        """What was lost, a sentence each."""
        found = self.losses.warnings()
        if self.num_cut:
            found.append(f"{self.num_cut} records were cut to the shortest of their features.")
        return found

    def _name_keys(self, context, where: str) -> str:
        """Adds the usual keys of the id and the labels where they have others; returns the id."""
        if self.schema.id_key not in context:
            raise UserError(f"{where} has no {self.schema.id_key}, but the first record has.")
        if self.schema.id_key not in _ID_KEYS:
            context["id"].CopyFrom(context[self.schema.id_key])
        if self.schema.labels_key != "labels" and self.schema.labels_key in context:
            context["labels"].CopyFrom(context[self.schema.labels_key])
        name = b"".join(context[self.schema.id_key].bytes_list.value)
        return f"(id {shown(name)})"

    def _shortest(self, arrays: dict[Feature, np.ndarray], where: str) -> int:
        """The number of frames that every feature of a record has."""
        lengths = [len(frames) for frames in arrays.values()]
        if max(lengths) - min(lengths) > self.max_length_difference:
            received = ", ".join(f"{f.key} {len(frames)}" for f, frames in arrays.items())
            raise UserError(
                f"{where} has features with different numbers of frames: {received}. To cut it to "
                f"the shortest, set --max_length_difference={max(lengths) - min(lengths)}."
            )
        self.num_cut += min(lengths) < max(lengths)
        return min(lengths)


def _to_convert(schema: Schema, to: str, names: tuple[str, ...]) -> Schema:
    """The schema with only the features to convert."""
    if schema.kind != FRAME:
        raise UserError(
            f"The records are {schema}. Only the features of frames become bytes: YouTube-8M keeps "
            "those of videos as floats, and every job reads them as they are."
        )
    chosen = schema.select(names)
    features = tuple(feature for feature in chosen.features if feature.dtype != to)
    if not features or (names and len(features) < len(names)):
        raise UserError(
            f"There is nothing to make {to} of: the records are {chosen}. Correct --to or "
            "--feature_names."
        )
    return dataclasses.replace(schema, features=features)


def _keys(schema: Schema, converted: Schema, to: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The key that each converted feature is written under."""
    names = converted.feature_names
    if keys and len(keys) != len(names):
        raise UserError(
            f"--output_names needs a name a feature. Received: {','.join(keys)} for "
            f"{','.join(names)}."
        )
    if not keys:
        keys = names if to == UINT8 else tuple(f"{n.upper()}/feature/floats" for n in names)
    kept = {f.key for f in schema.features} - {f.key for f in converted.features}
    if len({*keys, *kept}) < len(keys) + len(kept):
        raise UserError(
            "Two features would be written under one key. Received: "
            f"{', '.join([*keys, *sorted(kept)])}. Choose others with --output_names."
        )
    return keys


def _read(lists, feature: Feature, where: str) -> np.ndarray:
    """(frames, size) uint8 or float32, as the record holds them."""
    if feature.key not in lists:
        raise UserError(
            f"{where} has no {feature.key}, but the first record has. Remove it, or convert "
            "without that feature: --feature_names."
        )
    frames = lists[feature.key].feature
    if feature.dtype == UINT8:
        values = [b"".join(frame.bytes_list.value) for frame in frames]
    else:
        values = [frame.float_list.value for frame in frames]
    wrong = next((i for i, value in enumerate(values) if len(value) != feature.size), None)
    if wrong is not None:
        raise UserError(
            f"{where} has {len(values[wrong])} values of {feature.key} in frame {wrong}, but the "
            f"first record has {feature.size} of {feature.dtype}. Convert one kind at a time."
        )
    if feature.dtype == UINT8:
        return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), feature.size)
    array = np.array(values, np.float32).reshape(len(values), feature.size)
    if not np.isfinite(array).all():
        frame = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise UserError(
            f"{where} has NaN or infinity in frame {frame} of {feature.key}. Mend or remove it."
        )
    return array


def _written(frames: np.ndarray, to: str) -> list[tf.train.Feature]:
    """The frames of one feature as a record holds them."""
    if to == UINT8:
        rows = [tf.train.BytesList(value=[row.tobytes()]) for row in quantize(frames)]
        return [tf.train.Feature(bytes_list=row) for row in rows]
    rows = [tf.train.FloatList(value=row) for row in dequantize(frames).tolist()]
    return [tf.train.Feature(float_list=row) for row in rows]
