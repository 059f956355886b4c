"""MAP@K of a submission of segments: the order of its lines against the ratings of shards."""

from __future__ import annotations

import dataclasses

import numpy as np
from absl import logging

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.ids import as_text
from yt8m.data.ratings import RatingReader
from yt8m.data.schema import FRAME, Schema
from yt8m.evaluation import predicting
from yt8m.evaluation import segments as segment_evaluation
from yt8m.metrics.segment_metrics import is_positive, merge_ratings
from yt8m.submissions import segment_file


@dataclasses.dataclass(frozen=True)
class Ratings:
    """The ratings of shards: 17 bytes a rating, twice that while they are read, and the ids.

    A class that is rated more than once in a segment of one record counts once, as positive if
    any rating is. As in all metrics, a record that comes twice counts twice.

    Attributes:
        ids: of the videos with a rating.
        videos: (ratings,) int32, the video of each rating.
        starts: (ratings,) int64, where its segment begins, in seconds.
        hits: (ratings,) bool, whether it is positive.
        ends: (num_classes,) int64; ratings are sorted by class, and these are where each ends.
    """

    ids: list[str]
    videos: np.ndarray
    starts: np.ndarray
    hits: np.ndarray
    ends: np.ndarray

    @classmethod
    def read(cls, reader: RatingReader) -> Ratings:
        """Reads every rating of the shards.

        Raises:
            UserError: the records do not fit, or nothing could be read.
        """
        ids: list[str] = []
        nothing = (np.empty(0, dtype) for dtype in (np.int32, np.int64, np.int32, bool))
        parts: list[tuple[np.ndarray, ...]] = [tuple(nothing)]
        for batch in predicting.batches(reader, "Reading ratings"):
            rows, starts, classes, hits = _distinct(batch, reader.num_classes)
            rated, videos = np.unique(rows, return_inverse=True)
            videos = (videos + len(ids)).astype(np.int32)
            parts.append((videos, starts, classes.astype(np.int32), hits))
            ids += [as_text(video_id) for video_id in batch["ids"][rated]]
        videos, starts, classes, hits = (np.concatenate(p) for p in zip(*parts, strict=True))
        order = np.argsort(classes, kind="stable")
        ends = np.cumsum(np.bincount(classes, minlength=reader.num_classes))
        return cls(ids, videos[order], starts[order], hits[order], ends)

    def of_class(self, class_id: int) -> tuple[list[str], np.ndarray]:
        """The segments that are rated for a class, each `id:start`, and which are positive."""
        own = slice(self.ends[class_id - 1] if class_id else 0, self.ends[class_id])
        pairs = zip(self.videos[own].tolist(), self.starts[own].tolist(), strict=True)
        return [f"{self.ids[video]}:{start}" for video, start in pairs], self.hits[own]


def _distinct(batch: dict[str, np.ndarray], num_classes: int) -> tuple[np.ndarray, ...]:
    """Row, start, class and whether it is positive, of each rated pair of a batch, once."""
    times, time_of = np.unique(batch["start_times"], return_inverse=True)
    segment_of = batch["rows"] * len(times) + time_of
    pairs, hits = merge_ratings(
        segment_of * num_classes + batch["labels"], is_positive(batch["label_scores"])
    )
    segment_of, classes = np.divmod(pairs, num_classes)
    rows, time_of = np.divmod(segment_of, max(1, len(times)))
    return rows, times[time_of], classes, hits


def rating_reader(paths: list[str], schema: Schema, num_classes: int, **settings) -> RatingReader:
    """A reader of the ratings of shards.

    Args:
        paths: the shards.
        schema: of their records.
        num_classes: the size of the vocabulary.
        **settings: of the reader besides.

    Raises:
        UserError: the records have no ratings.
    """
    if not (schema.kind == FRAME and schema.segments):
        raise UserError(
            "A submission of segments is scored on records with segment_labels, "
            f"segment_start_times and segment_scores. Those in {paths[0]} are {schema}, without."
        )
    without_frames = dataclasses.replace(schema, features=())
    return RatingReader(paths, without_frames, num_classes, **settings)


def score_segments(path: str, reader: RatingReader) -> metrics.SegmentEvaluation:
    """Ranks the rated segments of each class as a submission does.

    Every rating counts as it stands: a rated segment that the file lacks is not retrieved, also
    one past the end of its video, and a class without a line retrieves nothing.

    Args:
        path: the submission, `Class,Segments`.
        reader: of the ratings.

    Raises:
        UserError: the file or the records are not as they should be, no rating is positive, or
            the file holds none of the rated segments.
    """
    ratings = Ratings.read(reader)
    state = metrics.SegmentEvaluation(reader.num_classes)
    rated = np.flatnonzero(np.diff(ratings.ends, prepend=0))
    without_line = set(rated.tolist())
    missing = 0
    with ProgressReport("Scoring", len(rated), "classes") as progress:
        for class_id, listed in segment_file.read_rows(path, reader.num_classes):
            if class_id in without_line:
                without_line.remove(class_id)
                missing += _rank(state, ratings, class_id, listed)
                progress.advance(1)
    for class_id in sorted(without_line):
        missing += _rank(state, ratings, class_id, [])
    segment_evaluation.check_positives(state, reader)
    _report(path, state.num_ratings, missing, len(without_line))
    return state


def _rank(
    state: metrics.SegmentEvaluation, ratings: Ratings, class_id: int, listed: list[str]
) -> int:
    """Adds the ratings of a class at their places in its line; returns how many it lacks."""
    names, hits = ratings.of_class(class_id)
    wanted = set(names)
    place_of = {name: place for place, name in enumerate(listed) if name in wanted}
    places = np.array([place_of.get(name, -1) for name in names], np.int64)
    state.update_ranked(places, np.full(len(names), class_id), hits)
    return int(np.count_nonzero(places < 0))


def _report(path: str, num_ratings: int, missing: int, without_line: int) -> None:
    """Warns of what the file lacks.

    Raises:
        UserError: that is everything.
    """
    if missing == num_ratings:
        raise UserError(
            f"{path} holds none of the {num_ratings} rated segments in the line of the class that "
            "they are rated for. Score it on the shards that it predicts."
        )
    if missing:
        logging.warning(
            "%d of %d ratings are of segments that the file does not list for their class.",
            missing,
            num_ratings,
        )
    if without_line:
        logging.warning("%d rated classes have no line in the file.", without_line)
