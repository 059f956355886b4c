"""Rated 5-second segments of YouTube-8M 2019, cut out of frame-level records."""

from __future__ import annotations

import tensorflow as tf

from yt8m.data.records import OUTSIDE, PADDING_LABEL, finite, parse_sequence, video_vectors
from yt8m.data.schema import Schema

SEGMENT_FRAMES = 5
# The ratings of a record: classes, start times and scores, as many of each.
RATING_KEYS = ("segment_labels", "segment_start_times", "segment_scores")


def parse_segments(
    serialized: tf.Tensor,
    schema: Schema,
    num_classes: int,
    max_frames: int | None = None,
    only: tuple[int, ...] | None = None,
) -> dict[str, tf.Tensor]:
    """Cuts the rated segments out of one frame-level record.

    A segment is 5 frames, one a second, from its start time on; several ratings of one start time
    are one segment with several rated classes. Segments are in the order in which their start
    times first appear. One that begins or ends past the video's frames cannot be cut and is left
    out; `skipped_segments` counts them.

    Args:
        serialized: scalar, a tf.SequenceExample proto with the `segment_*` context features.
        schema: of kind `frame`.
        num_classes: the size of the vocabulary; a rated class outside is an error.
        max_frames: unused frames after these are not decoded; None keeps all.
        only: the classes whose ratings count; None takes all.

    Returns:
        feature name -> (segments, 5, size), and (segments, size) of a vector beside the frames,
        which all segments of a video have in common; num_frames (segments,), 5 each; labels
        (segments, most ratings), the rated class ids padded with -1; label_scores, float32 of the
        same shape, 1 or 0 for each rating; start_times (segments,) in seconds; ids (segments,);
        skipped_segments (), the number of segments left out.
    """
    context, frames = parse_sequence(serialized, schema, max_frames, _SEGMENT_SPEC)
    starts = tf.sparse.to_dense(context["segment_start_times"])
    classes = tf.sparse.to_dense(context["segment_labels"])
    scores = finite(tf.sparse.to_dense(context["segment_scores"]))
    agree = tf.reduce_all(tf.equal(tf.stack([tf.size(starts), tf.size(scores)]), tf.size(classes)))
    with tf.control_dependencies([tf.debugging.Assert(agree, ["ratings must agree", classes])]):
        classes = tf.identity(classes)
    if only is not None:
        wanted = tf.reduce_any(tf.equal(classes[:, None], tf.constant(only, tf.int64)), axis=1)
        starts, classes, scores = (tf.boolean_mask(x, wanted) for x in (starts, classes, scores))
    num_frames = frames.pop("num_frames")
    last_start = tf.cast(num_frames - SEGMENT_FRAMES, tf.int64)
    readable = tf.logical_and(starts >= 0, starts <= last_start)
    all_segments = tf.size(tf.unique(starts)[0])
    starts, segment_of = tf.unique(tf.boolean_mask(starts, readable))
    classes, scores = tf.boolean_mask(classes, readable), tf.boolean_mask(scores, readable)
    count = tf.size(starts)
    starts = tf.cast(starts, tf.int32)
    index = starts[:, None] + tf.range(SEGMENT_FRAMES)
    sound = tf.reduce_all(tf.logical_and(classes >= 0, classes < num_classes))
    with tf.control_dependencies([tf.debugging.Assert(sound, [OUTSIDE, classes])]):
        classes = tf.cast(classes, tf.int32)
        labels = _group(classes, segment_of, count).to_tensor(PADDING_LABEL)
    beside = {
        name: tf.repeat(values[None], count, axis=0)
        for name, values in video_vectors(context, schema).items()
    }
    return (
        {name: tf.gather(values, index) for name, values in frames.items()}
        | beside
        | {
            "num_frames": tf.fill([count], SEGMENT_FRAMES),
            "labels": labels,
            "label_scores": _group(scores, segment_of, count).to_tensor(0.0),
            "start_times": starts,
            "ids": tf.fill([count], context[schema.id_key]),
            "skipped_segments": all_segments - count,
        }
    )


def count_segments(record: bytes) -> int:
    """How many segments of a serialised record are rated, also past its end."""
    example = tf.train.SequenceExample()
    try:
        example.ParseFromString(record)
    except Exception:  # noqa: BLE001  protobuf's DecodeError lives in no public module
        return 0  # Reading it says what is wrong with it.
    return len(set(example.context.feature["segment_start_times"].int64_list.value))


_SEGMENT_SPEC = {
    "segment_labels": tf.io.VarLenFeature(tf.int64),
    "segment_start_times": tf.io.VarLenFeature(tf.int64),
    "segment_scores": tf.io.VarLenFeature(tf.float32),
}


def _group(values: tf.Tensor, row_ids: tf.Tensor, rows: tf.Tensor) -> tf.RaggedTensor:
    """Gathers `values` by row, in a stable order."""
    order = tf.argsort(row_ids, stable=True)
    return tf.RaggedTensor.from_value_rowids(
        tf.gather(values, order),
        tf.cast(tf.gather(row_ids, order), tf.int64),
        tf.cast(rows, tf.int64),
    )
