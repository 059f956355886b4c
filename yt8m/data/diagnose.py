"""What is wrong with the data: said after the pipeline, which only knows that something is.

The pipeline detects it: TensorFlow's parsers, the checks in `records` and `segments`
(`tf.debugging.Assert`), and what a reader does in Python while it reads. All end as an error of
TensorFlow, which tells little of its cause; so Python that knows the cause notes it as the
`failure` of the reader's log. The reader explains it, in its `explain`: by that failure, or where
it reads shards by looking for the record, see `find_problem`. Whoever goes through batches does so
inside `clear_errors`, which asks the reader.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError, first_line
from yt8m.data.ids import shown
from yt8m.data.schema import FRAME, Feature, Schema, shown_keys

if TYPE_CHECKING:
    from yt8m.data.reader import Reader

_DATA_ERRORS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnknownError,
    UnicodeDecodeError,  # TensorFlow's own message quotes the bytes of a record that is no proto.
)

_NAMES = (
    ": class ids, and no names. Number the names, as `yt8m import_features` does and "
    "docs/features.md shows"
)


class Explains(Protocol):
    """A reader that can say what is wrong with its data."""

    def explain(self, reason: str) -> str | None:
        """One sentence on what is wrong; None where the data is not to blame.

        Args:
            reason: what TensorFlow said.
        """


@contextlib.contextmanager
def clear_errors(reader: Explains) -> Iterator[None]:
    """Turns an error of TensorFlow over bad data into the reader's explanation.

    Raises:
        UserError: the reader can explain the error. Errors of another origin pass unchanged.
    """
    try:
        yield
    except _DATA_ERRORS as error:
        problem = reader.explain(first_line(error))
        if problem is None:
            raise
        raise UserError(problem) from None


def find_problem(reader: Reader) -> str | None:
    """The first record, in the order of the shards, that the reader's schema does not fit."""
    for where, record in reader.undamaged():
        found = problem(record, reader)
        if found:
            return f"{where} {found}"
    return None


def labels(record: bytes, schema: Schema) -> Sequence[int]:
    """The labels of a record; none of what is no record, of which reading says what is wrong."""
    example = tf.train.SequenceExample()  # The context of one reads as a tf.Example, too.
    try:
        example.ParseFromString(record)
    except Exception:  # noqa: BLE001  protobuf's DecodeError lives in no public module
        return ()
    return example.context.feature[schema.labels_key].int64_list.value


def problem(record: bytes, reader: Reader) -> str | None:
    """What of a record does not fit the reader's schema or vocabulary; None where all does."""
    schema = reader.schema
    example = tf.train.SequenceExample()
    try:
        example.ParseFromString(record)
    except Exception as error:  # noqa: BLE001  protobuf's DecodeError lives in no public module
        return f"is no tf.Example or tf.SequenceExample: {error}."
    context = example.context.feature
    held = example.feature_lists.feature_list if schema.kind == FRAME else context
    keys = shown_keys([*context, *example.feature_lists.feature_list])
    if schema.id_key not in context:
        return f"has no {schema.id_key}. Its keys: {keys}."
    name = shown(b"".join(context[schema.id_key].bytes_list.value))
    kind = context[schema.id_key].WhichOneof("kind")
    number = len(context[schema.id_key].bytes_list.value)
    if kind in (None, "bytes_list") and number != 1:
        return f"has {number} values of {schema.id_key}. It must have one: the id of the video."
    for feature in schema.features:
        if feature.key not in held:
            level = f"{schema.kind}-level {feature.key}"
            return f"(id {name}) has no {level}, but the first record has. Its keys: {keys}."
    for feature in schema.video_features:
        if feature.key not in context:
            return (
                f"(id {name}) has no {feature.key} in its context, which --video_feature_names "
                f"asks for. Give each video one, or train without it. Its keys: {keys}."
            )
    check = _frame_problem if schema.kind == FRAME else _video_problem
    found = _wrong_kind(context, reader) or _label_problem(context, reader)
    found = found or check(example, schema)
    return f"(id {name}) {found}" if found else None


def _wrong_kind(context, reader: Reader) -> str | None:
    kinds = {reader.schema.id_key: "bytes_list", reader.schema.labels_key: "int64_list"}
    kinds |= dict(zip(reader.rating_keys, ("int64_list", "int64_list", "float_list"), strict=False))
    for key, kind in kinds.items():
        received = context[key].WhichOneof("kind")
        if received not in (None, kind):
            advice = _NAMES if key == reader.schema.labels_key else ""
            return f"has {key} as a {received}. It must be a {kind}{advice}."
    return None


def _label_problem(context, reader: Reader) -> str | None:
    labels = context[reader.schema.labels_key].int64_list.value
    if reader.rating_keys:
        labels = context["segment_labels"].int64_list.value
        starts = context["segment_start_times"].int64_list.value
        scores = context["segment_scores"].float_list.value
        if not len(labels) == len(starts) == len(scores):
            return (
                f"has {len(labels)} segment_labels, {len(starts)} segment_start_times and "
                f"{len(scores)} segment_scores. They must agree."
            )
        if not np.isfinite(scores).all():
            return "has NaN or infinity in segment_scores. Mend or remove the record."
    outside = [label for label in labels if not 0 <= label < reader.num_classes]
    if outside:
        return (
            f"has the label {outside[0]}, outside the vocabulary of {reader.num_classes} classes "
            f"(0 to {reader.num_classes - 1}). A training takes the size by --num_classes."
        )
    return None


def _video_problem(example: tf.train.SequenceExample, schema: Schema) -> str | None:
    for feature in schema.features:
        values = example.context.feature[feature.key].float_list.value
        if len(values) != feature.size:
            return _wrong_size(feature, len(values), "")
        if not np.isfinite(values).all():
            return _not_finite(feature, "")
    return None


def _frame_problem(example: tf.train.SequenceExample, schema: Schema) -> str | None:
    lists = example.feature_lists.feature_list
    lengths = {f.key: len(lists[f.key].feature) for f in schema.features}
    if len(set(lengths.values())) > 1:
        received = ", ".join(f"{key} {length}" for key, length in lengths.items())
        return f"has features with different numbers of frames: {received}. They must agree."
    for feature in schema.features:
        for number, frame in enumerate(lists[feature.key].feature):
            values = frame.bytes_list.value
            received = len(frame.float_list.value)
            if feature.dtype == "uint8":
                received = len(values[0]) if len(values) == 1 else 0
            if received != feature.size:
                return _wrong_size(feature, received, f" in frame {number}")
            if not np.isfinite(frame.float_list.value).all():
                return _not_finite(feature, f" in frame {number}")
    return _vector_problem(example, schema)


def _vector_problem(example: tf.train.SequenceExample, schema: Schema) -> str | None:
    for feature in schema.video_features:
        held = example.context.feature[feature.key]
        received = len(held.float_list.value)
        if feature.dtype == "uint8":
            values = held.bytes_list.value
            received = len(values[0]) if len(values) == 1 else 0
        if received != feature.size:
            return (
                f"has {received} values of {feature.key} in its context. It must have "
                f"{feature.size} of {feature.dtype}."
            )
        if not np.isfinite(held.float_list.value).all():
            return _not_finite(feature, "")
    return None


def _not_finite(feature: Feature, where: str) -> str:
    return f"has NaN or infinity in {feature.key}{where}. Mend or remove the record."


def _wrong_size(feature: Feature, received: int, where: str) -> str:
    return (
        f"has {received} values of {feature.key}{where}, but the first record has {feature.size}. "
        "Read one kind of record at a time."
    )
