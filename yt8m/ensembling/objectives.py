"""What the weights of an ensemble are fitted on: labels of videos, ratings of segments."""

from __future__ import annotations

import array

import numpy as np
from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.ratings import RatingReader
from yt8m.data.reader import Reader
from yt8m.ensembling.fitting import SegmentObjective, VideoLabels, VideoObjective
from yt8m.ensembling.segments import SegmentEnsemble
from yt8m.ensembling.videos import VideoEnsemble
from yt8m.evaluation import predicting
from yt8m.submissions import score_segments


def video_objective(ensemble: VideoEnsemble, reader: Reader, top_k: int) -> VideoObjective:
    """GAP of an ensemble on the labelled videos of shards.

    Args:
        ensemble: the files.
        reader: of the labels.
        top_k: classes a video that GAP pools.

    Raises:
        UserError: the records do not fit, no file has one of the videos, or they have no labels.
    """
    objective = VideoObjective(ensemble, _read_labels(ensemble, reader), top_k)
    if not objective.num_labels:
        raise UserError(
            f"The records in {reader.paths[0]} and the shards with it have no labels. Fit on "
            "labelled shards, such as those for validation."
        )
    return objective


def _read_labels(ensemble: VideoEnsemble, reader: Reader) -> VideoLabels:
    """The labels of the videos that any file has.

    Raises:
        UserError: the records do not fit, or no file has one of the videos.
    """
    rows, classes, ends, seen = array.array("q"), array.array("i"), array.array("q"), 0
    for batch in predicting.batches(reader, "Reading labels"):
        seen += len(batch["ids"])
        for name, labels in zip(batch["ids"], batch["labels"], strict=True):
            row = ensemble.index.rows.get(name)
            if row is not None:
                rows.append(row)
                classes.extend(labels[labels >= 0].tolist())
                ends.append(len(classes))
    if not rows:
        raise UserError(
            f"None of the {seen} labelled videos is in {', '.join(ensemble.index.paths)}. Fit on "
            "the shards that they predict."
        )
    if len(rows) < seen:
        logging.warning("%d of %d labelled videos are in no file.", seen - len(rows), seen)
    return VideoLabels(*(np.array(values, np.int64) for values in (rows, classes, ends)))


def segment_objective(ensemble: SegmentEnsemble, reader: RatingReader) -> SegmentObjective:
    """MAP@K of an ensemble over the rated segments of shards.

    Args:
        ensemble: the files.
        reader: of the ratings.

    Raises:
        UserError: the records do not fit, no rating is positive, or no file has one of the
            segments.
    """
    ratings = score_segments.Ratings.read(reader)
    if not ratings.hits.any():
        raise UserError(
            f"None of {len(ratings.hits)} ratings in {reader.paths[0]} and the shards with it is "
            "positive. Fit on the validation shards of 2019, which are rated."
        )
    rated = np.flatnonzero(np.diff(ratings.ends, prepend=0)).tolist()
    lists = ((class_id, *ratings.of_class(class_id)) for class_id in rated)
    objective = SegmentObjective(ensemble, lists, len(ratings.hits))
    if not objective.num_listed:
        raise UserError(
            f"None of {len(ratings.hits)} rated segments is in {', '.join(ensemble.paths)}, in the "
            "line of its class. Fit on the shards that they predict."
        )
    return objective
