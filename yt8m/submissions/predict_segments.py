"""A model's best segments among whole videos, written as the submission of 2019."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np
from absl import logging

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.ids import FirstRecords, as_text
from yt8m.data.reader import Reader
from yt8m.data.schema import FRAME, Schema
from yt8m.data.segments import SEGMENT_FRAMES
from yt8m.evaluation import predicting
from yt8m.submissions import segment_file
from yt8m.submissions.top_segments import TopSegments


@dataclasses.dataclass
class SegmentIndex:
    """Which segment of which video each number is: about 160 bytes a video.

    A video counts once, as a segment may stand only once in a line of a submission. A record
    without a segment is none of its video.

    Attributes:
        num_videos: videos that were added, of whatever length.
        num_short: those of them that are shorter than a segment.
        known: tells those that came before from the others.
    """

    num_videos: int = 0
    num_short: int = 0
    known: FirstRecords = dataclasses.field(default_factory=FirstRecords)

    def __post_init__(self):
        self._ids: list[str] = []
        self._firsts: list[int] = []
        self._num_segments = 0

    def __len__(self) -> int:
        """Returns the number of segments."""
        return self._num_segments

    def add(self, ids: np.ndarray, num_frames: np.ndarray) -> np.ndarray:
        """Adds videos, and numbers their segments on.

        Args:
            ids: (videos,) byte strings.
            num_frames: (videos,) integers.

        Returns:
            (videos,) int64, the segments that each video has: its full ones, or 0 for a repeated
            video.

        Raises:
            UserError: an id cannot stand in a submission of segments.
        """
        counts = np.asarray(num_frames, np.int64) // SEGMENT_FRAMES
        for row, name in enumerate(ids):
            video_id = as_text(name)
            if not counts[row]:
                self.num_short += 1
            elif self.known.add(video_id):
                self._add(video_id, int(counts[row]))
            else:
                counts[row] = 0
        self.num_videos += len(ids)
        return counts

    def _add(self, video_id: str, count: int) -> None:
        if not segment_file.can_be_named(video_id):
            raise UserError(
                f"The id {video_id!r} cannot stand in a submission of segments, where spaces and "
                "commas part one id from the next. Rename or remove its record."
            )
        self._ids.append(video_id)
        self._firsts.append(self._num_segments)
        self._num_segments += count

    def names(self) -> SegmentNames:
        """The names of the segments that were added."""
        return SegmentNames(self._ids, np.array(self._firsts, np.int64))


@dataclasses.dataclass(frozen=True)
class SegmentNames:
    """The names of numbered segments.

    Attributes:
        ids: of the videos, in the order of their segments.
        firsts: (videos,) the number of each video's first segment.
    """

    ids: list[str]
    firsts: np.ndarray

    def of(self, numbers: np.ndarray) -> list[str]:
        """Names, each `id:start`, of the segments with these numbers."""
        videos = np.searchsorted(self.firsts, numbers, "right") - 1
        starts = (numbers - self.firsts[videos]) * SEGMENT_FRAMES
        pairs = zip(videos.tolist(), starts.tolist(), strict=True)
        return [f"{self.ids[video]}:{start}" for video, start in pairs]


def segment_batches(
    reader: Reader, index: SegmentIndex, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Cuts every video of the shards into segments of 5 frames, one after the other.

    What is left of a video behind its last full segment is in none.

    Args:
        reader: of frame-level records.
        index: numbers the segments in the order in which they come.
        batch_size: segments a batch; the last has what is left.

    Yields:
        feature name -> (batch, 5, size), or (batch, size) beside the frames; num_frames (batch,),
        ids (batch,).

    Raises:
        UserError: the records do not fit, nothing could be read, or an id cannot be written.
    """
    schema = reader.schema
    parts: list[dict[str, np.ndarray]] = []
    size = 0
    for videos in predicting.batches(reader, "Predicting"):
        parts.append(_cut(videos, index.add(videos["ids"], videos["num_frames"]), schema))
        size += len(parts[-1]["ids"])
        if size >= batch_size:
            joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
            full = size - size % batch_size
            for start in range(0, full, batch_size):
                yield {key: values[start : start + batch_size] for key, values in joined.items()}
            parts, size = [{key: values[full:] for key, values in joined.items()}], size - full
    if size:
        yield {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _cut(
    videos: dict[str, np.ndarray], counts: np.ndarray, schema: Schema
) -> dict[str, np.ndarray]:
    """The first `counts` segments of each video of a batch, in order."""
    most = videos[schema.features[0].name].shape[1] // SEGMENT_FRAMES
    wanted = np.arange(most) < counts[:, None]
    cut = {}
    for name in schema.feature_names:
        frames = videos[name][:, : most * SEGMENT_FRAMES]
        shape = (len(frames), most, SEGMENT_FRAMES, frames.shape[-1])
        cut[name] = frames.reshape(shape)[wanted]
    for feature in schema.video_features:
        cut[feature.name] = np.repeat(videos[feature.name], counts, axis=0)
    num_frames = np.full(int(counts.sum()), SEGMENT_FRAMES, np.int32)
    return cut | {"num_frames": num_frames, "ids": np.repeat(videos["ids"], counts)}


def whole_video_reader(reader: Reader) -> Reader:
    """A reader of so many whole videos at a time that they have about a batch of segments.

    Args:
        reader: of frame-level records; its batch size is that of the segments.

    Raises:
        UserError: the records are not frame-level.
    """
    if reader.schema.kind != FRAME:
        raise UserError(
            "--segment_labels needs frame-level records, and a model that takes them. Received: "
            f"{reader.schema}."
        )
    each = max(1, (reader.max_frames or reader.batch_size) // SEGMENT_FRAMES)
    return dataclasses.replace(reader, batch_size=max(1, reader.batch_size // each))


def write_segment_submission(
    path: str, model: keras.Model, reader: Reader, classes: np.ndarray, most: int
) -> SegmentIndex:
    """Predicts every segment of the shards and writes the best ones of each class.

    Args:
        path: the file; it appears under this name when it is whole.
        model: from stored features to probabilities.
        reader: of frame-level records; its batch size is that of the segments.
        classes: (listed classes,) the classes to write.
        most: segments a class.

    Returns:
        What was read.

    Raises:
        UserError: the file cannot be written, the records do not fit, no video has a segment, or
            a score is NaN.
    """
    videos = whole_video_reader(reader)
    index, top = SegmentIndex(), TopSegments(len(classes), most)
    listed = keras.ops.take(model.output, classes, axis=1)
    predict = predicting.predictor(keras.Model(model.input, listed))
    for batch in segment_batches(videos, index, reader.batch_size):
        scores = predict(batch)
        predicting.check_finite(scores, batch, videos)
        top.update(scores)
    _report(index)
    names = index.names()
    with (
        files.atomic_file(path) as file,
        ProgressReport("Writing", len(classes), "classes") as progress,
    ):
        file.write(segment_file.HEADER + "\n")
        for column, class_id in enumerate(classes):
            file.write(segment_file.format_row(class_id, names.of(top.best(column))))
            progress.advance(1)
    return index


def _report(index: SegmentIndex) -> None:
    """Warns of videos of which nothing is predicted.

    Raises:
        UserError: that is so for all of them.
    """
    if not len(index):
        raise UserError(
            f"None of the {index.num_videos} videos has the {SEGMENT_FRAMES} frames of a segment."
        )
    if index.num_short:
        logging.warning(
            "%d of %d videos have fewer than the %d frames of a segment; they are left out.",
            index.num_short,
            index.num_videos,
            SEGMENT_FRAMES,
        )
    index.known.warn()
