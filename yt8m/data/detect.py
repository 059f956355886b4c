"""Detects the schema of shards from their first record."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator

import tensorflow as tf

from yt8m.base.errors import UserError, first_line
from yt8m.data import tfrecord
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema, shown_keys

# Of YouTube-8M and AudioSet; of MediaPipe's MediaSequence, whose first two are often missing.
ID_KEYS = ("id", "video_id", "example/id", "clip/media_id", "clip/data_path")
LABELS_KEYS = ("labels", "clip/label/index")
SEGMENT_LABELS_KEY = "segment_labels"
_RATINGS = (SEGMENT_LABELS_KEY, "segment_start_times", "segment_end_times", "segment_scores")
# The order in which the published models join features; others follow by name.
_ORDER = ("mean_rgb", "mean_audio", "rgb", "audio", "audio_embedding")
_MAX_RECORDS = 100


def detect(paths: list[str]) -> Schema:
    """The schema of the shards, from the first record of the first readable one.

    A frame-level record without frames shows no sizes, so the records after it are asked too.

    Raises:
        UserError: where no shard can be read, or the record is of no known kind.
    """
    problems, damaged = [], []
    for path in paths:
        try:
            if not tfrecord.lengths_fit(path):
                raise tf.errors.DataLossError(None, None, "a record is longer than the file")
            records = tfrecord.without_autotune(tf.data.TFRecordDataset(path)).as_numpy_iterator()
            schema = _first_schema(records, path)
        except tf.errors.OpError as error:
            problems.append(_explain(path, error))
            damaged += [path] * isinstance(error, tf.errors.DataLossError)
            continue
        if schema is not None:
            return schema
        problems.append(_explain(path))
    # Every shard is damaged, and before its first feature: the records behind that will do.
    for path in damaged:
        schema = _first_schema(tfrecord.undamaged(path), path)
        if schema is not None:
            return schema
    rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise UserError(f"No shard can be read: {problems[0]}{rest}. Check the pattern and the files.")


def with_video_features(paths: list[str], schema: Schema, names: tuple[str, ...]) -> Schema:
    """A schema with vectors of the whole video beside its frames.

    They stand in the context of frame-level records: floats, or one string of bytes. The first
    record tells their sizes.

    Args:
        paths: the shards.
        schema: of their records.
        names: of the vectors; none leaves the schema as it is.

    Raises:
        UserError: the records are video-level, or the first one holds no such vector.
    """
    if not names:
        return schema
    if schema.kind != FRAME:
        raise UserError(
            "--video_feature_names is for vectors beside frames, and the records are "
            f"{schema}. Their vectors are features: name them with --feature_names."
        )
    record = next((record for path in paths for record in tfrecord.undamaged(path)), b"")
    context = _parsed(record, paths[0]).context.feature
    known = (schema.id_key, schema.labels_key, *_RATINGS)
    found = {_name(key): key for key in sorted(context) if key not in known}
    vectors = {name: _vector(name, key, context[key]) for name, key in found.items()}
    vectors = {name: feature for name, feature in vectors.items() if feature is not None}
    missing = next((name for name in names if name not in vectors), None)
    if missing is not None:
        there = ", ".join(map(str, list(vectors.values())[:20])) or "none"
        raise UserError(
            f"--video_feature_names asks for {missing}, and the context of the first record of "
            f"{paths[0]} and the shards with it holds no such vector. The vectors there: {there}."
        )
    every = (*names, *schema.feature_names)
    twice = next((name for name in every if every.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"--video_feature_names and the features of frames name {twice} twice. Leave one out."
        )
    return dataclasses.replace(schema, video_features=tuple(vectors[name] for name in names))


def _vector(name: str, key: str, value: tf.train.Feature) -> Feature | None:
    """The vector that a value of a context is; None where it is none."""
    if len(value.float_list.value):
        return Feature(name, len(value.float_list.value), "float32", key)
    strings = value.bytes_list.value
    if len(strings) == 1 and strings[0]:
        return Feature(name, len(strings[0]), "uint8", key)
    return None


def bare_record(path: str) -> bytes | None:
    """The content of a file that is one tf.SequenceExample; None of any other file."""
    if not tfrecord.can_be_opened(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file:
        head = file.read(tfrecord.HEADER)
        if not head or tfrecord.has_valid_header(head):
            return None
        content = head + file.read()
    example = tf.train.SequenceExample()
    try:
        example.ParseFromString(content)
    except Exception:  # noqa: BLE001  protobuf's DecodeError lives in no public module
        return None
    return content if example.feature_lists.feature_list else None


def _first_schema(records: Iterator[bytes], path: str) -> Schema | None:
    first = itertools.islice(records, _MAX_RECORDS)
    schemas = (schema_of_record(record, path) for record in first)
    return next((schema for schema in schemas if schema is not None), None)


def schema_of_record(record: bytes, path: str) -> Schema | None:
    """The schema of one serialised record; None where it has no frame to take a size from.

    Args:
        record: a serialised tf.Example or tf.SequenceExample.
        path: where it is from, for the error.

    Raises:
        UserError: it is neither, or of no known kind.
    """
    example = _parsed(record, path)
    context = example.context.feature
    lists = example.feature_lists.feature_list
    features = _frame_features(lists) if lists else _video_features(context)
    if not features and lists:
        return None
    id_key = next((key for key in ID_KEYS if key in context), None)
    if not features or id_key is None:
        keys = shown_keys([*context, *lists])
        raise UserError(
            f"The first record of {path} is of no known kind: it needs an id "
            f"({' or '.join(ID_KEYS)}) and features. Received the keys: {keys}."
        )
    return Schema(
        kind=FRAME if lists else VIDEO,
        features=tuple(sorted(features, key=_rank)),
        id_key=id_key,
        labels_key=next((key for key in LABELS_KEYS if key in context), LABELS_KEYS[0]),
        segments=SEGMENT_LABELS_KEY in context,
    )


def _parsed(record: bytes, path: str) -> tf.train.SequenceExample:
    example = tf.train.SequenceExample()
    try:
        example.ParseFromString(record)
    except Exception as error:  # noqa: BLE001  protobuf's DecodeError lives in no public module
        raise UserError(
            f"The first record of {path} is no tf.Example or tf.SequenceExample: {error}."
        ) from None
    return example


def _frame_features(lists) -> list[Feature]:
    """The features of a frame-level record: lists of byte strings or of float vectors."""
    features = []
    for key, values in lists.items():
        if not values.feature:
            continue
        first = values.feature[0]
        if len(first.bytes_list.value) == 1:
            features.append(Feature(_name(key), len(first.bytes_list.value[0]), "uint8", key))
        elif len(first.float_list.value) > 1:
            features.append(Feature(_name(key), len(first.float_list.value), "float32", key))
    return features


def _video_features(context) -> list[Feature]:
    """The features of a video-level record: its vectors of floats."""
    return [
        Feature(_name(key), len(value.float_list.value), "float32", key)
        for key, value in context.items()
        if len(value.float_list.value) > 1
    ]


def _name(key: str) -> str:
    """A name that a model input may have: MediaPipe's `RGB/feature/floats` becomes `rgb`."""
    mediapipe = re.fullmatch(r"(\w+)/feature/floats", key)
    return mediapipe[1].lower() if mediapipe else re.sub(r"\W", "_", key)


def _rank(feature: Feature) -> tuple[int, str]:
    known = feature.name in _ORDER
    return (_ORDER.index(feature.name) if known else len(_ORDER), feature.name)


def _explain(path: str, error: tf.errors.OpError | None = None) -> str:
    """Why a shard shows no schema, in a few words."""
    if error is not None and not isinstance(error, tf.errors.DataLossError):
        return f"{path}: {first_line(error)}"
    with tf.io.gfile.GFile(path, "rb") as file:
        head = file.read(tfrecord.HEADER)
    if not head or (error is None and tfrecord.has_valid_header(head)):
        return f"{path} holds no record with a feature"
    if tfrecord.has_valid_header(head):
        return f"{path} is cut or corrupt at byte 0"
    known = tfrecord.other_format(head)
    if known:
        return f"{path} is {known}"
    if bare_record(path) is not None:
        return (
            f"{path} is a tf.SequenceExample by itself, as MediaPipe writes it: `yt8m "
            "quantize_features` makes shards of such files"
        )
    return f"{path} is no TFRecord file (corrupt at byte 0)"
