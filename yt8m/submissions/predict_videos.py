"""A model's predictions over shards, written as a submission."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from yt8m.data.ids import FirstRecords, as_text
from yt8m.data.reader import Reader
from yt8m.evaluation import predicting
from yt8m.submissions import prediction_files


def write_video_submission(
    path: str, model: keras.Model, reader: Reader, top_k: int, names: Sequence[str] | None = None
) -> int:
    """Predicts every video of the shards and writes the file, see `prediction_files.opened`.

    A video counts once, see `FirstRecords`.

    Args:
        path: the file; it appears under this name when it is whole.
        model: from stored features to probabilities.
        reader: of the shards.
        top_k: classes a video, at most all.
        names: of the classes, for a table; None where nothing names them.

    Returns:
        The number of videos.

    Raises:
        UserError: the file cannot be written, the records do not fit, or a score is NaN.
    """
    predict = predicting.top_k_predictor(model, top_k)
    known = FirstRecords()
    with prediction_files.opened(path, names) as add:
        for batch in predicting.batches(reader, "Predicting"):
            scores, classes = predict(batch)
            predicting.check_finite(scores, batch, reader)
            ids = [as_text(video_id) for video_id in batch["ids"]]
            new = [row for row, video_id in enumerate(ids) if known.add(video_id)]
            add([ids[row] for row in new], classes[new], scores[new])
    known.warn()
    return len(known)
