"""Reads the ratings of segments, without their frames."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import tensorflow as tf

from yt8m.data.reader import Reader
from yt8m.data.records import OUTSIDE
from yt8m.data.segments import RATING_KEYS

_UNEQUAL = "the ratings of a record have different numbers of classes, starts and scores:"


@dataclasses.dataclass(frozen=True)
class RatingReader(Reader):
    """Reads the ratings of YouTube-8M 2019 as they stand in the records.

    Nothing is known of the frames, so ratings of segments past the end of their video are among
    them. A batch is a dict of `batch_size` records: `ids` (batch,) string, and of each rating
    `rows` (ratings,), the record in the batch that it is in; `start_times` (ratings,) int64 in
    seconds; `labels` (ratings,) int64, a class; `label_scores` (ratings,) float32. It takes a
    schema with segments, best one without features.

    Attributes:
        segment_classes: the classes whose ratings count; None takes all.
    """

    segment_classes: tuple[int, ...] | None = None
    rating_keys: ClassVar[tuple[str, ...]] = RATING_KEYS

    def _parsed(self, serialized: tf.data.Dataset, skip: tf.Tensor | int) -> tf.data.Dataset:
        batches = serialized.skip(skip).batch(self.batch_size, drop_remainder=self.drop_remainder)
        return batches.map(self._parse_ratings, num_parallel_calls=tf.data.AUTOTUNE)

    def _parse_ratings(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        # The context of a tf.SequenceExample reads as a tf.Example.
        spec = {
            self.schema.id_key: tf.io.FixedLenFeature([], tf.string),
            "segment_labels": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
            "segment_start_times": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
            "segment_scores": tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64),
        }
        parsed = tf.io.parse_example(serialized, spec)
        classes, starts = parsed["segment_labels"], parsed["segment_start_times"]
        scores = parsed["segment_scores"]
        splits = [values.row_splits for values in (classes, starts, scores)]
        agree = tf.logical_and(
            tf.reduce_all(splits[0] == splits[1]), tf.reduce_all(splits[0] == splits[2])
        )
        ids = classes.values
        sound = tf.reduce_all(tf.logical_and(ids >= 0, ids < self.num_classes))
        checks = [
            tf.debugging.Assert(agree, [_UNEQUAL, *splits]),
            tf.debugging.Assert(sound, [OUTSIDE, ids]),
        ]
        with tf.control_dependencies(checks):
            ratings = {"rows": classes.value_rowids(), "labels": tf.identity(ids)}
        ratings |= {"start_times": starts.values, "label_scores": scores.values}
        if self.segment_classes is not None:
            only = tf.constant(self.segment_classes, tf.int64)
            wanted = tf.reduce_any(ratings["labels"][:, None] == only, axis=1)
            ratings = {key: tf.boolean_mask(values, wanted) for key, values in ratings.items()}
        return ratings | {"ids": parsed[self.schema.id_key]}
