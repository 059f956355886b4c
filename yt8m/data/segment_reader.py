"""Reads the rated segments of YouTube-8M 2019: a row of a batch is a segment of five frames."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.data import segments
from yt8m.data.reader import Reader, mapped
from yt8m.data.schema import FRAME


@dataclasses.dataclass(frozen=True)
class SegmentReader(Reader):
    """Reads batches of rated segments from frame-level records.

    A batch is that of a `Reader`, of frame-level records, and `label_scores` (batch, most labels)
    float32, 1 or 0 for each of the `labels`, which are the rated classes; `start_times` (batch,)
    int32 in seconds. See `segments.parse_segments`.

    Attributes:
        segment_classes: the classes whose ratings count; None takes all.
    """

    segment_classes: tuple[int, ...] | None = None
    rating_keys: ClassVar[tuple[str, ...]] = segments.RATING_KEYS

    def __post_init__(self):
        super().__post_init__()
        if not (self.schema.kind == FRAME and self.schema.segments):
            raise UserError(
                "Segments need frame-level records with segment_labels, segment_start_times and "
                f"segment_scores. The records in {self.paths[0]} are {self.schema}."
            )

    def check_fills_a_batch(self) -> None:
        """Does nothing: how many segments can be cut is not known before."""

    def shortage(self) -> str:
        """The sentence for a pass whose segments did not fill a batch."""
        return (
            f"The rated segments of {self.log.num_records} records do not fill one batch of "
            f"{self.batch_size}. Lower --batch_size, raise --max_frames or list more classes."
        )

    def is_labelled(self, record: bytes) -> bool:
        """True: any record may be without ratings, and who measures says where all are."""
        return True

    def _examples_a_record(self, first: list[bytes]) -> float:
        return sum(map(segments.count_segments, first)) / max(1, len(first)) or 1.0

    def _parsed(self, serialized: tf.data.Dataset, skip: tf.Tensor | int) -> tf.data.Dataset:
        def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
            cut = segments.parse_segments(
                record, self.schema, self.num_classes, self.max_frames, self.segment_classes
            )
            skipped = cut.pop("skipped_segments")
            counted = tf.numpy_function(self.log.skip_segments, [skipped], tf.int64)
            with tf.control_dependencies([counted]):
                return cut | {"num_frames": tf.identity(cut["num_frames"])}

        return self._pad(mapped(serialized, parse).unbatch().skip(skip))
