"""The records of a request to a batch of tensors, in one graph: what a served model does first."""

from __future__ import annotations

import tensorflow as tf

from yt8m.data.records import MISMATCH, WRONG_SIZE, lists_spec, vectors_spec, video_vectors
from yt8m.data.schema import FRAME, Schema

# Numbers that an error shows of a tensor.
_SHOWN = 100


def parse(serialized: tf.Tensor, schema: Schema, max_frames: int | None) -> dict[str, tf.Tensor]:
    """Parses a batch of records for their predictions.

    Labels are not looked at, so they may be missing, or of any vocabulary. A record without an id
    has the empty one.

    Args:
        serialized: (batch,) tf.Example or tf.SequenceExample protos, as the schema says.
        schema: of either kind.
        max_frames: frames after these are cut; None keeps all.

    Returns:
        ids (batch,) string. For video-level records feature name -> (batch, size) float32; for
        frame-level ones what `cut_and_pad` returns, padded to the longest video, and name ->
        (batch, size) for vectors beside the frames.

    Raises:
        tf.errors.InvalidArgumentError: when run, on a record that does not fit.
    """
    numbers = tf.strings.as_string(tf.range(tf.size(serialized)))
    names = tf.strings.join(["record ", numbers])
    context = {schema.id_key: tf.io.FixedLenFeature([], tf.string, default_value="")}
    context |= vectors_spec(schema)
    lists = lists_spec(schema) if schema.kind == FRAME else {}
    parsed, sequences, lengths = tf.io.parse_sequence_example(serialized, context, lists, names)
    ids = parsed[schema.id_key]
    if schema.kind == FRAME:
        frames = _batch_of_frames(sequences, lengths, schema, max_frames)
        return frames | video_vectors(parsed, schema) | {"ids": ids}
    spec = {f.key: tf.io.FixedLenFeature([f.size], tf.float32) for f in schema.features}
    # The parser above has refused what is no record by now. This one would quote its bytes, and
    # Python cannot decode such a message.
    with tf.control_dependencies([ids]):
        features = tf.io.parse_example(tf.identity(serialized), spec, names)
    return {f.name: features[f.key] for f in schema.features} | {"ids": ids}


def cut_and_pad(
    frames: dict[str, tf.Tensor], num_frames: tf.Tensor, max_frames: int | None
) -> dict[str, tf.Tensor]:
    """Cuts a batch of videos to `max_frames`, and pads it to one frame where it has none at all.

    Args:
        frames: feature name -> (batch, time, size).
        num_frames: (batch,) int32, the frames that are no padding.
        max_frames: None keeps all.

    Returns:
        The frames by name and `num_frames`.
    """
    if max_frames is not None:
        frames = {name: values[:, :max_frames] for name, values in frames.items()}
        num_frames = tf.minimum(num_frames, max_frames)

    def pad(values: tf.Tensor) -> tf.Tensor:
        missing = tf.cast(tf.equal(tf.shape(values)[1], 0), tf.int32)
        return tf.pad(values, [[0, 0], [0, missing], [0, 0]])

    return {name: pad(values) for name, values in frames.items()} | {"num_frames": num_frames}


def _batch_of_frames(
    sequences: dict, lengths: dict, schema: Schema, max_frames: int | None
) -> dict[str, tf.Tensor]:
    counts = tf.stack([lengths[f.key] for f in schema.features])
    agree = tf.reduce_all(tf.equal(counts, counts[0]))
    with tf.control_dependencies([tf.debugging.Assert(agree, [MISMATCH, counts], _SHOWN)]):
        num_frames = tf.cast(counts[0], tf.int32)
    frames = {}
    for feature in schema.features:
        values = sequences[feature.key]
        if feature.dtype == "uint8":
            values = _decode(values, num_frames, feature.size)
        frames[feature.name] = values
    return cut_and_pad(frames, num_frames, max_frames)


def _decode(values: tf.Tensor, num_frames: tf.Tensor, size: int) -> tf.Tensor:
    """(batch, time) byte strings to (batch, time, size) uint8; the strings of padding are empty."""
    lengths = tf.strings.length(values)
    expected = size * tf.sequence_mask(num_frames, tf.shape(values)[1], tf.int32)
    wrong = tf.boolean_mask(lengths, tf.not_equal(lengths, expected))
    sound = tf.equal(tf.size(wrong), 0)
    with tf.control_dependencies([tf.debugging.Assert(sound, [WRONG_SIZE, wrong, size], _SHOWN)]):
        return tf.io.decode_raw(values, tf.uint8, fixed_length=size)
