"""The reader of raw video: videos in, batches of clips out. It stands where a `Reader` does."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.data import tfrecord
from yt8m.data.ids import as_bytes
from yt8m.data.records import PADDING_LABEL
from yt8m.data.video import clips as clips_lib
from yt8m.data.video import workers
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clips import Item
from yt8m.data.video.frames.decoding import VideoError
from yt8m.data.video.video_log import VideoLog

# What the tasks of an evaluation that are under way may return; longer videos are several tasks.
_TASKS_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class ClipReader:
    """Reads batches of clips from videos.

    A video of which a frame turns out to be damaged only now is left out or ends the job, as the
    log was told. Of one that is made in several parts some views may come all the same: `left_out`
    tells of which.

    A batch is a dict: `pixels` and `flow`, those that the model takes, (batch, frames, height,
    width, channels) uint8; `num_frames` (batch,) int32, the frames that are no padding; `labels`
    (batch, most labels) int32 padded with -1; `ids` (batch,) string; `task` (batch,) int32.

    Attributes:
        items: the videos.
        schema: what a clip is.
        batch_size: clips a batch.
        num_clips, num_crops: views of a video in `sequential`, see `clips.evaluation_clips`; the
            views of a video follow each other.
        cache_dir: where flow is kept.
        num_workers: processes that decode; 0 decodes in this one.
        drop_remainder: leave out the last batch where it is not full.
        log: counts what was read and what was lost.
    """

    items: list[Item]
    schema: ClipSchema
    batch_size: int
    num_clips: int = 1
    num_crops: int = 1
    cache_dir: str = ""
    num_workers: int = 0
    drop_remainder: bool = False
    log: VideoLog = dataclasses.field(default_factory=VideoLog)

    def __post_init__(self):
        for name in ("batch_size", "num_clips", "num_crops"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be positive. Received: {name}={getattr(self, name)}.")

    @property
    def num_classes(self) -> int:
        """The size of the vocabulary."""
        return len(self.schema.classes)

    @property
    def num_views(self) -> int:
        """How many rows a video has in `sequential`."""
        return self.num_clips * self.num_crops

    def estimate_num_examples(self) -> int:
        """How many videos there are: training sees one clip of each an epoch."""
        return len(self.items)

    def anew(self) -> ClipReader:
        """The same reader for another pass; its log also knows what listing the videos lost."""
        return self

    def check_fills_a_batch(self) -> None:
        """Fails where there are too few videos for one batch of training.

        Raises:
            UserError: a batch is larger than the number of videos.
        """
        if self.batch_size > len(self.items):
            raise UserError(
                f"{len(self.items)} training videos do not fill one batch of {self.batch_size}. "
                "Lower --batch_size."
            )

    def shortage(self) -> str:
        """The sentence for a pass whose clips did not fill a batch."""
        return (
            f"The {self.log.num_records} training clips do not fill one batch of "
            f"{self.batch_size}. Lower --batch_size."
        )

    def sequential(self) -> tf.data.Dataset:
        """Every view of every video once, in order."""
        return self._dataset(lambda: self._batches(self._all_views()))

    def shuffled(
        self, seed: int, epoch: int = 0, num_epochs: int | None = 1, skip_batches: int = 0
    ) -> tf.data.Dataset:
        """Epochs of a clip of every video each, in an order and with draws that `seed` fixes.

        Batches are filled up behind a clip that cannot be read. Of such clips among the skipped
        ones nothing is known, so as many clips behind them are read a second time.

        Args:
            seed: any int of 0 or more; the same seed gives the same clips.
            epoch: the number of the first epoch.
            num_epochs: how many follow each other; None repeats without end.
            skip_batches: leave out the first batches of the first epoch (to resume training).
        """

        def generate() -> Iterator[dict[str, np.ndarray]]:
            number = epoch
            while num_epochs is None or number < epoch + num_epochs:
                skipped = skip_batches * self.batch_size if number == epoch else 0
                yield from self._batches(self._drawn(seed, number, skipped))
                number += 1

        return self._dataset(generate)

    def left_out(self, video_id: str) -> bool:
        """Whether views of a video of this id are missing, as one of its frames is damaged."""
        return any(item.id == video_id and self._name(item) in self.log.lost for item in self.items)

    def without_left_out(self) -> ClipReader:
        """A reader of the videos of which nothing was missing so far."""
        kept = [item for item in self.items if self._name(item) not in self.log.lost]
        return dataclasses.replace(self, items=kept)

    def explain(self, reason: str) -> str | None:
        """What is wrong with a video that cannot be used any more, see `diagnose.Explains`."""
        return self.log.failure

    def _drawn(self, seed: int, epoch: int, skipped: int) -> Iterator[tuple[Item, dict]]:
        """A clip of each video, in the order of an epoch, after the first `skipped`."""
        order = np.random.default_rng((seed, epoch)).permutation(len(self.items))[skipped:]
        tasks = (
            (item.frames, item.about, self._recipe(), (seed, epoch, int(number)))
            for number in order
            for item in [self.items[number]]
        )
        return self._made(clips_lib.training_clip, [self.items[n] for n in order], tasks)

    def _all_views(self) -> Iterator[tuple[Item, dict]]:
        parts = [(item, numbers) for item in self.items for numbers in self._parts()]
        tasks = (
            (item.frames, item.about, self._recipe(), numbers, self.num_clips, self.num_crops)
            for item, numbers in parts
        )
        return self._made(clips_lib.evaluation_clips, [item for item, _ in parts], tasks)

    def _parts(self) -> list[range]:
        """The clips of a video, in parts that are small enough for one task."""
        clips = self.schema.clips
        pixels = clips.frames * clips.crop_size[0] * clips.crop_size[1] * self.num_crops
        each = pixels * sum(map(self.schema.channels, self.schema.inputs))
        step = max(1, _TASKS_BYTES // (2 * self.num_workers + 1) // each)
        return [
            range(start, min(start + step, self.num_clips))
            for start in range(0, self.num_clips, step)
        ]

    def _recipe(self) -> clips_lib.Recipe:
        schema = self.schema
        return clips_lib.Recipe(schema.inputs, schema.clips, schema.flow, self.cache_dir)

    def _made(self, function, items: list[Item], tasks: Iterable[tuple]) -> Iterator[tuple]:
        """Each video with the clips that are made of it, without those that cannot be read."""
        tasks = ((function, *task) for task in tasks)
        results = workers.ordered(clips_lib.made_or_error, tasks, self.num_workers)
        for item in items:
            try:
                made = next(results)
            except (UserError, OSError) as error:
                self.log.failure = f"{item.id} cannot be used: {error}"
                raise
            if isinstance(made, VideoError):
                self._leave_out(item, made)
            else:
                yield item, made

    def _leave_out(self, item: Item, error: VideoError) -> None:
        try:
            self.log.leave_out(self._name(item), str(error))
        except UserError as refusal:
            self.log.failure = str(refusal)
            raise

    def _name(self, item: Item) -> str:
        """What a video is called in the log: videos of two tasks may have one id."""
        tasks = self.schema.tasks
        return f"{tasks[item.task]}={item.id}" if tasks else item.id

    def _batches(self, made: Iterator[tuple[Item, dict]]) -> Iterator[dict[str, np.ndarray]]:
        rows: list[dict[str, np.ndarray]] = []
        for item, views in made:
            for number in range(len(views["num_frames"])):
                rows.append(
                    {name: values[number] for name, values in views.items()}
                    | {
                        "labels": self._labels(item),
                        "ids": np.bytes_(as_bytes(item.id)),
                        "task": np.int32(item.task),
                    }
                )
                if len(rows) == self.batch_size:
                    yield self._stacked(rows)
                    rows = []
        if rows and not self.drop_remainder:
            yield self._stacked(rows)

    def _stacked(self, rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        self.log.add(len(rows))
        batch = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "ids"}
        return batch | {"ids": np.array([row["ids"] for row in rows], object)}

    def _labels(self, item: Item) -> np.ndarray:
        labels = np.full(self._most_labels, PADDING_LABEL, np.int32)
        labels[: len(item.labels)] = item.labels
        return labels

    @functools.cached_property
    def _most_labels(self) -> int:
        return max([1, *(len(item.labels) for item in self.items)])

    def _dataset(self, generate) -> tf.data.Dataset:
        clips = self.schema.clips
        signature = {
            name: tf.TensorSpec(
                (None, clips.frames, *clips.crop_size, self.schema.channels(name)), tf.uint8
            )
            for name in self.schema.inputs
        } | {
            "num_frames": tf.TensorSpec((None,), tf.int32),
            "labels": tf.TensorSpec((None, self._most_labels), tf.int32),
            "ids": tf.TensorSpec((None,), tf.string),
            "task": tf.TensorSpec((None,), tf.int32),
        }

        def until_failure() -> Iterator[dict[str, np.ndarray]]:
            try:
                yield from generate()
            except (UserError, OSError):
                if self.log.failure is None:
                    raise

        dataset = tf.data.Dataset.from_generator(until_failure, output_signature=signature)
        dataset = dataset.concatenate(self._end(signature))
        return tfrecord.without_autotune(dataset.prefetch(2))

    def _end(self, signature: dict[str, tf.TensorSpec]) -> tf.data.Dataset:
        """No batch; the error where reading failed, of which TensorFlow prints no traceback."""

        def nothing(_) -> dict[str, tf.Tensor]:
            go_on = tf.numpy_function(lambda: np.bool_(self.log.failure is None), [], tf.bool)
            with tf.control_dependencies([tf.debugging.Assert(go_on, ["a video cannot be used"])]):
                return {
                    name: tf.zeros([0, 0, *spec.shape[1:]], spec.dtype)
                    for name, spec in signature.items()
                }

        return tf.data.Dataset.range(1).map(nothing).unbatch()
