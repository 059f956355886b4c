"""A submission of videos against the labels of shards."""

from __future__ import annotations

import numpy as np
from absl import logging

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data import labels
from yt8m.data.ids import as_text
from yt8m.data.reader import Reader
from yt8m.evaluation import predicting
from yt8m.submissions.predictions import Predictions

# Hit@5, PERR and precision at 3 look past the first --top_k.
LIST_LENGTH = 20


def score_videos(predictions: Predictions, reader: Reader, top_k: int) -> metrics.Evaluation:
    """The metrics of a submission. A labelled video that it lacks counts as not predicted.

    Raises:
        UserError: no labelled video is in the submission.
    """
    state = metrics.Evaluation(reader.num_classes, top_k)
    missing, seen = 0, 0
    empty = len(predictions.classes)
    nothing = np.full((1, predictions.classes.shape[1]), -1, np.int32)
    classes = np.concatenate([predictions.classes, nothing])
    scores = np.concatenate([predictions.scores, np.zeros(nothing.shape, np.float32)])
    for batch in predicting.batches(reader, "Scoring"):
        rows = np.array([predictions.row.get(as_text(i), empty) for i in batch["ids"]])
        missing += int((rows == empty).sum())
        seen += len(rows)
        truth = labels.multi_hot_array(batch["labels"], reader.num_classes)
        state.update_top_k(scores[rows], classes[rows], truth)
    if missing == seen:
        raise UserError(
            f"None of the {seen} labelled videos is in the submission of {empty} videos. Score it "
            "on the shards that it predicts."
        )
    if missing:
        logging.warning("%d of %d labelled videos have no predictions.", missing, seen)
    if empty > seen - missing:
        logging.warning("%d predicted videos have no labels.", empty - (seen - missing))
    return state
