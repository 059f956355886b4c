"""The reader: shards in, batches out. Shuffling, batching and prefetching live here only.

TensorFlow's TFRecordDataset reads; where it stops before the end of a shard, `tfrecord.salvage`
reads on, so that a damaged record costs itself and not the rest of the shard.

No function here has Python control flow over tensors: there is nothing to convert for AutoGraph,
which would write a copy of each to the temporary folder.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import tensorflow as tf
from absl import logging

from yt8m.base.errors import UserError
from yt8m.data import diagnose, records, tfrecord
from yt8m.data.read_log import ReadLog
from yt8m.data.schema import FRAME, Schema

_BLOCK = 64
_READ_BUFFER_BYTES = 1 << 20
_SHUFFLE_BUFFER_BYTES = 512 << 20
_CYCLE_LENGTH = 16
_STAT_FILES = 64
_SAMPLE = 64  # Records that tell the size of the others.
_POSITIVE = (
    "batch_size",
    "frame_multiple",
    "label_multiple",
    "max_frames",
    "shuffle_buffer",
    "num_classes",
)


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads batches from shards.

    A batch is a dict: feature name -> (batch, size) float32 for video-level records, (batch,
    frames, size) uint8 or float32 for frame-level ones; `num_frames` (batch,) int32 for the
    latter; `labels` (batch, most labels) int32 padded with -1; `ids` (batch,) string. Frames are
    padded with zeros to the longest video of the batch.

    Attributes:
        paths: the shards, see `shard_paths.resolve`.
        schema: see `detect.detect`.
        num_classes: the size of the vocabulary.
        batch_size: examples a batch.
        max_frames: frames after these are cut; None keeps all.
        frame_multiple, label_multiple: pad the frames and the labels of a batch to a multiple of
            this, so that a compiler that needs fixed shapes meets few of them.
        drop_remainder: leave out the last batch where it is not full.
        shuffle_buffer: records held to shuffle from; None fits them to 512 MB.
        log: counts what was read and what was lost.
    """

    paths: list[str]
    schema: Schema
    num_classes: int
    batch_size: int
    max_frames: int | None = 300
    frame_multiple: int = 1
    label_multiple: int = 1
    drop_remainder: bool = False
    shuffle_buffer: int | None = None
    log: ReadLog = dataclasses.field(default_factory=ReadLog)
    # The keys of the ratings of a record's segments, for a reader that needs them.
    rating_keys: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be positive. Received: {name}={value}.")

    @tf.autograph.experimental.do_not_convert
    def sequential(self) -> tf.data.Dataset:
        """Every record once, in the order of the shards and of the records in them."""
        shards = tf.data.Dataset.from_tensor_slices(self.paths)
        return self._batches(shards.flat_map(self._read_shard))

    @tf.autograph.experimental.do_not_convert
    def shuffled(
        self, seed: int, epoch: int = 0, num_epochs: int | None = 1, skip_batches: int = 0
    ) -> tf.data.Dataset:
        """Epochs of every record once each, in an order that `seed` and the epoch's number fix.

        Shards are shuffled, several are read in parallel, and their records go through a buffer
        to draw from. Batches end with the epoch they are in.

        Args:
            seed: any int; the same seed gives the same order.
            epoch: the number of the first epoch.
            num_epochs: how many follow each other; None repeats without end.
            skip_batches: leave out the first batches of the first epoch (to resume training);
                their records are read but not parsed.
        """
        buffer = self._shuffle_buffer()
        end = np.iinfo(np.int64).max if num_epochs is None else epoch + num_epochs
        numbers = tf.data.Dataset.range(epoch, end)

        def one_epoch(number: tf.Tensor) -> tf.data.Dataset:
            skip = tf.where(number == epoch, np.int64(skip_batches), np.int64(0))
            return self._epoch(seed, number, skip, buffer)

        return tfrecord.without_autotune(numbers.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE))

    def estimate_num_examples(self) -> int:
        """About how many examples the shards hold, from their sizes and their first records."""
        first = self._first_records
        framed = _mean_bytes(first) + records.FRAMING_BYTES
        step = max(1, len(self.paths) // _STAT_FILES)
        sampled = self.paths[::step]
        total = sum(_file_size(path) for path in sampled) * len(self.paths) / len(sampled)
        return max(1, round(total / framed * self._examples_a_record(first)))

    def anew(self) -> Reader:
        """The same reader for another pass, with a log of its own."""
        return dataclasses.replace(self, log=ReadLog(self.log.on_corrupt_shard))

    def check_fills_a_batch(self) -> None:
        """Fails where there are by far too few examples for one batch.

        Raises:
            UserError: the shards are too small for one batch.
        """
        about = self.estimate_num_examples()
        if self.batch_size > 2 * about:
            raise UserError(
                f"About {about} training examples do not fill one batch of {self.batch_size}. "
                "Lower --batch_size."
            )

    def shortage(self) -> str:
        """The sentence for a pass whose examples did not fill a batch."""
        return (
            f"The {self.log.num_records} training examples do not fill one batch of "
            f"{self.batch_size}. Lower --batch_size."
        )

    @functools.cached_property
    def _first_records(self) -> list[bytes]:
        """The first records of the first shard that can be read; none where none can."""
        for path in self.paths:
            found = list(itertools.islice(tfrecord.undamaged(path), _SAMPLE))
            if found:
                return found
        return []

    def undamaged(self) -> Iterator[tuple[str, bytes]]:
        """Every record that can be read, with where it stands."""
        for path in self.paths:
            for number, record in enumerate(tfrecord.undamaged(path)):
                yield f"Record {number} of {path}", record

    def is_labelled(self, record: bytes) -> bool:
        """Whether a record has a label."""
        return bool(diagnose.labels(record, self.schema))

    def _examples_a_record(self, first: list[bytes]) -> float:
        """How many rows of batches a record makes, on average over the first records."""
        return 1.0

    def explain(self, reason: str) -> str | None:
        """What is wrong with the shards: what the log knows, or the first record that is odd.

        See `diagnose.Explains`.
        """
        if self.log.failure:
            return self.log.failure
        logging.info("Looking for a record that does not fit the others, because of: %s", reason)
        return diagnose.find_problem(self)

    def _epoch(
        self, seed: int, epoch: tf.Tensor, skip_batches: tf.Tensor, buffer: int
    ) -> tf.data.Dataset:
        # Of the function that is being traced: the program's own seed must not change the order.
        tf.random.set_seed(None)
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        seeds = tf.random.split(key, 2)[:, 0]
        shards = tf.data.Dataset.from_tensor_slices(self.paths)
        shards = shards.shuffle(len(self.paths), seed=seeds[0], reshuffle_each_iteration=False)
        serialized = shards.interleave(
            self._read_shard,
            cycle_length=min(_CYCLE_LENGTH, len(self.paths)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        serialized = serialized.shuffle(buffer, seed=seeds[1], reshuffle_each_iteration=False)
        return self._batches(serialized, skip_batches)

    def _shuffle_buffer(self) -> int:
        if self.shuffle_buffer is not None:
            return self.shuffle_buffer
        record = _mean_bytes(self._first_records)
        return int(max(2 * self.batch_size, min(_SHUFFLE_BUFFER_BYTES // record, 100_000)))

    def _read_shard(self, path: tf.Tensor) -> tf.data.Dataset:
        """The serialised records of one shard, the damaged ones left out and logged.

        TensorFlow's reader gives up on a shard at its first damage. It is made silent about that,
        and the bytes it read are compared with the size of the file afterwards.
        """
        shard = tf.numpy_function(_if_readable, [path], tf.string)
        shard.set_shape([None])
        blocks = tf.data.TFRecordDataset(shard, buffer_size=_READ_BUFFER_BYTES)
        blocks = blocks.ignore_errors().batch(_BLOCK)
        blocks = blocks.concatenate(tf.data.Dataset.from_tensors(tf.zeros([0], tf.string)))

        def advance(state: tf.Tensor, block: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            lengths = tf.cast(tf.strings.length(block), tf.int64)
            count = tf.shape(block, tf.int64)[0]
            framed = tf.reduce_sum(lengths) + count * records.FRAMING_BYTES
            is_end = tf.equal(count, 0)
            block = tf.cond(is_end, lambda: self._rest_of_shard(path, state), lambda: block)
            return state + tf.stack([framed, count]), block

        return blocks.scan(np.zeros(2, np.int64), advance).unbatch()

    def _rest_of_shard(self, path: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        rest, go_on = tf.numpy_function(
            self.log.finish_shard, [path, state[0], state[1]], [tf.string, tf.bool]
        )
        with tf.control_dependencies([tf.debugging.Assert(go_on, ["the shard is damaged:", path])]):
            return tf.ensure_shape(rest, [None])

    def _batches(
        self, serialized: tf.data.Dataset, skip_batches: tf.Tensor | None = None
    ) -> tf.data.Dataset:
        skip = 0 if skip_batches is None else skip_batches * self.batch_size
        batches = self._parsed(serialized, skip)
        if self.frame_multiple > 1 or self.label_multiple > 1:
            batches = mapped(batches, self._pad_to_multiples)
        return tfrecord.without_autotune(batches.prefetch(tf.data.AUTOTUNE))

    def _pad_to_multiples(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        def pad(values: tf.Tensor, multiple: int, value: int = 0) -> tf.Tensor:
            paddings = [[0, 0], [0, -tf.shape(values)[1] % multiple]]
            paddings += [[0, 0]] * (len(values.shape) - 2)
            return tf.pad(values, paddings, constant_values=tf.cast(value, values.dtype))

        padded = {"labels": pad(batch["labels"], self.label_multiple, records.PADDING_LABEL)}
        if "label_scores" in batch:
            padded["label_scores"] = pad(batch["label_scores"], self.label_multiple)
        if self.schema.kind == FRAME:
            for name in self.schema.feature_names:
                padded[name] = pad(batch[name], self.frame_multiple)
        return batch | padded

    def _parsed(self, serialized: tf.data.Dataset, skip: tf.Tensor | int) -> tf.data.Dataset:
        """Batches of what the records hold, after the first `skip` examples."""
        serialized = serialized.skip(skip)
        if self.schema.kind == FRAME:
            examples = mapped(
                serialized,
                lambda s: records.parse_frames(s, self.schema, self.num_classes, self.max_frames),
            )
            return mapped(self._pad(examples), self._mind_empty)
        batches = serialized.batch(self.batch_size, drop_remainder=self.drop_remainder)
        parse = lambda s: records.parse_videos(s, self.schema, self.num_classes)  # noqa: E731
        return mapped(batches, parse)

    def _mind_empty(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Logs videos without frames; a batch of nothing else gets one frame of padding."""
        empty = tf.equal(batch["num_frames"], 0)
        names = self.schema.feature_names

        def log_and_pad() -> list[tf.Tensor]:
            ids = tf.boolean_mask(batch["ids"], empty)
            with tf.control_dependencies([tf.numpy_function(self.log.note_empty, [ids], tf.int64)]):
                missing = tf.cast(tf.reduce_all(empty), tf.int32)
                return [tf.pad(batch[name], [[0, 0], [0, missing], [0, 0]]) for name in names]

        frames = tf.cond(
            tf.reduce_any(empty), log_and_pad, lambda: [tf.identity(batch[name]) for name in names]
        )
        return batch | dict(zip(names, frames, strict=True))

    def _pad(self, examples: tf.data.Dataset) -> tf.data.Dataset:
        shapes = {key: spec.shape for key, spec in examples.element_spec.items()}
        return examples.padded_batch(
            self.batch_size,
            padded_shapes=shapes,
            padding_values={"labels": np.int32(records.PADDING_LABEL)}
            | {key: None for key in shapes if key != "labels"},
            drop_remainder=self.drop_remainder,
        )


def mapped(dataset: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    """Maps in parallel, in order."""
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _if_readable(path: bytes) -> np.ndarray:
    """The shard, or none where TensorFlow must not read it, which the end of it reports."""
    return np.array(tfrecord.readable(path.decode()), dtype=object)


def _mean_bytes(found: list[bytes]) -> int:
    return max(1, sum(map(len, found)) // max(1, len(found)))


def _file_size(path: str) -> int:
    """The size of a file; 0 where it cannot be seen, which reading it reports."""
    try:
        return tf.io.gfile.stat(path).length
    except (tf.errors.OpError, OSError):
        return 0
