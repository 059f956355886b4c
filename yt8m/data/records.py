"""Serialised records to dictionaries of tensors. Pure functions; see `reader` for the pipeline.

The keys of the dictionaries are the feature names and:
    num_frames: int32, frame-level records only.
    labels: int32 class ids, padded with -1 in a batch. Sparse on purpose: a batch of 1024 videos
        of 3862 classes is 40 kB so, and 16 MB as a matrix. `yt8m.data.labels.multi_hot` makes the
        matrix on the device.
    ids: string.
"""

from __future__ import annotations

import tensorflow as tf

from yt8m.data.schema import Schema

PADDING_LABEL = -1
FRAMING_BYTES = 16


def parse_videos(serialized: tf.Tensor, schema: Schema, num_classes: int) -> dict[str, tf.Tensor]:
    """Parses a batch of video-level records.

    Args:
        serialized: (batch,) tf.Example protos.
        schema: of kind `video`.
        num_classes: the size of the vocabulary; a label outside is an error.

    Returns:
        feature name -> (batch, size) float32; labels (batch, most labels), ids (batch,).
    """
    spec = {f.key: tf.io.FixedLenFeature([f.size], tf.float32) for f in schema.features}
    spec |= _context_spec(schema)
    parsed = tf.io.parse_example(serialized, spec)
    batch = {f.name: finite(parsed[f.key]) for f in schema.features}
    labels = tf.sparse.to_dense(parsed[schema.labels_key], default_value=PADDING_LABEL)
    sound = tf.reduce_all(parsed[schema.labels_key].values >= 0)
    return batch | {
        "labels": _checked_labels(labels, num_classes, sound),
        "ids": parsed[schema.id_key],
    }


def parse_frames(
    serialized: tf.Tensor, schema: Schema, num_classes: int, max_frames: int | None
) -> dict[str, tf.Tensor]:
    """Parses one frame-level record.

    Args:
        serialized: scalar, a tf.SequenceExample proto.
        schema: of kind `frame`.
        num_classes: the size of the vocabulary; a label outside is an error.
        max_frames: frames after these are cut; None keeps all.

    Returns:
        feature name -> (num_frames, size) of the schema's dtype, and (size,) of a vector beside
        the frames; num_frames (), labels (number of labels,), ids ().
    """
    context, frames = parse_sequence(serialized, schema, max_frames)
    labels = tf.sparse.to_dense(context[schema.labels_key])
    return (
        frames
        | video_vectors(context, schema)
        | {
            "labels": _checked_labels(labels, num_classes, tf.reduce_all(labels >= 0)),
            "ids": context[schema.id_key],
        }
    )


def parse_sequence(
    serialized: tf.Tensor,
    schema: Schema,
    max_frames: int | None,
    context_spec: dict | None = None,
) -> tuple[dict, dict[str, tf.Tensor]]:
    """Parses one tf.SequenceExample to its context and its frames (with `num_frames`)."""
    context, sequences = tf.io.parse_single_sequence_example(
        serialized,
        _context_spec(schema) | vectors_spec(schema) | (context_spec or {}),
        lists_spec(schema),
    )
    lengths = [tf.shape(sequences[f.key])[0] for f in schema.features]
    same = tf.reduce_all(tf.equal(tf.stack(lengths), lengths[0]))
    frames = {}
    with tf.control_dependencies([tf.debugging.Assert(same, [MISMATCH, lengths])]):
        num_frames = tf.identity(lengths[0])
    if max_frames is not None:
        num_frames = tf.minimum(num_frames, max_frames)
    for feature in schema.features:
        values = sequences[feature.key]
        if feature.dtype == "uint8":
            values = _decode(values, feature.size)
        # Cut after decoding: slicing bytes shares them, slicing strings copies each.
        values = values[:num_frames]
        frames[feature.name] = values if feature.dtype == "uint8" else finite(values)
    return context, frames | {"num_frames": num_frames}


def video_vectors(context: dict, schema: Schema) -> dict[str, tf.Tensor]:
    """The vectors beside the frames of one record, or of a batch of them.

    Args:
        context: what `vectors_spec` parses.
        schema: of the records.

    Returns:
        name -> (size,) of the schema's dtype, or (batch, size).
    """
    found = {}
    for feature in schema.video_features:
        values = context[feature.key]
        if feature.dtype == "uint8":
            lengths = tf.strings.length(values)
            sound = tf.reduce_all(tf.equal(lengths, feature.size))
            check = tf.debugging.Assert(sound, [WRONG_SIZE, lengths])
            with tf.control_dependencies([check]):
                values = tf.io.decode_raw(values, tf.uint8, fixed_length=feature.size)
            found[feature.name] = tf.ensure_shape(values, [*values.shape[:-1], feature.size])
        else:
            found[feature.name] = finite(values)
    return found


MISMATCH = "the features of a record have different numbers of frames:"
OUTSIDE = "a label is outside the vocabulary:"
WRONG_SIZE = "a frame has the wrong number of bytes:"
NOT_FINITE = "a feature is no finite number:"


def lists_spec(schema: Schema) -> dict:
    """What to parse of the lists of a frame-level record: byte strings, or vectors of floats."""
    return {
        f.key: tf.io.FixedLenSequenceFeature([], tf.string)
        if f.dtype == "uint8"
        else tf.io.FixedLenSequenceFeature([f.size], tf.float32)
        for f in schema.features
    }


def vectors_spec(schema: Schema) -> dict:
    """What to parse of the context for the vectors beside the frames; none may be missing."""
    return {
        f.key: tf.io.FixedLenFeature([], tf.string)
        if f.dtype == "uint8"
        else tf.io.FixedLenFeature([f.size], tf.float32)
        for f in schema.video_features
    }


def _context_spec(schema: Schema) -> dict:
    return {
        schema.id_key: tf.io.FixedLenFeature([], tf.string),
        schema.labels_key: tf.io.VarLenFeature(tf.int64),
    }


def finite(values: tf.Tensor) -> tf.Tensor:
    """The values; an error where one is NaN or infinite: it would spoil a whole training."""
    return tf.debugging.check_numerics(values, NOT_FINITE)


def _decode(values: tf.Tensor, size: int) -> tf.Tensor:
    """(num_frames,) byte strings to (num_frames, size) uint8."""
    num_frames = tf.shape(values)[0]
    decoded = tf.io.decode_raw(values, tf.uint8)
    sound = tf.equal(tf.size(decoded), num_frames * size)
    with tf.control_dependencies([tf.debugging.Assert(sound, [WRONG_SIZE, tf.shape(decoded)])]):
        return tf.reshape(decoded, tf.stack([num_frames, size]))


def _checked_labels(labels: tf.Tensor, num_classes: int, sound: tf.Tensor) -> tf.Tensor:
    sound = tf.logical_and(sound, tf.reduce_all(labels < num_classes))
    with tf.control_dependencies([tf.debugging.Assert(sound, [OUTSIDE, labels])]):
        return tf.cast(labels, tf.int32)
