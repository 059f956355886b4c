"""A model's predictions over raw video, written as a submission."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data.ids import FirstRecords
from yt8m.data.video.clip_reader import ClipReader
from yt8m.evaluation.clips import scored
from yt8m.metrics import views
from yt8m.submissions import prediction_files


def write_clip_submission(
    path: str,
    model: keras.Model,
    reader: ClipReader,
    top_k: int,
    names: Sequence[str] | None = None,
) -> int:
    """Predicts every video and writes the file, see `prediction_files.opened`.

    Args:
        path: the file; it appears under this name when it is whole.
        model: from stored pixels and flow to probabilities.
        reader: of the videos.
        top_k: classes a video, at most all.
        names: of the classes, for a table; None where nothing names them.

    Returns:
        The number of videos.

    Raises:
        UserError: the file cannot be written, two videos have one id, or as `scored`.
    """
    _check_ids(reader)
    count = 0
    with prediction_files.opened(path, names) as add:
        for ids, _, scores in scored(model, reader, "Predicting"):
            values, classes = metrics.top_k(views.mean_of_views(scores), top_k)
            add(ids, classes, values)
            count += len(ids)
    return count


def _check_ids(reader: ClipReader) -> None:
    """Fails where two rows would be told apart by nothing: a video of two tasks."""
    known = FirstRecords()
    for item in reader.items:
        if not known.add(item.id):
            raise UserError(
                f"{item.id} is in the data of two tasks, and would stand in the file twice. "
                "Predict for one task at a time."
            )
