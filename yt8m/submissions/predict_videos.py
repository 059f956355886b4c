"""A model's predictions over shards, written as a submission."""

from __future__ import annotations

import keras
from absl import logging

from yt8m.base import files
from yt8m.data.reader import Reader
from yt8m.evaluation import predicting
from yt8m.submissions import video_file


def write_submission(path: str, model: keras.Model, reader: Reader, top_k: int) -> int:
    """Predicts every video of the shards and writes the file.

    A video counts once: later records of the same id are left out, and a warning counts them.

    Args:
        path: the file; it appears under this name when it is whole.
        model: from stored features to probabilities.
        reader: of the shards.
        top_k: classes a video, at most all.

    Returns:
        The number of videos.

    Raises:
        UserError: the file cannot be written, the records do not fit, or a score is NaN.
    """
    predict = predicting.top_k_predictor(model, top_k)
    known: set[bytes] = set()
    num_repeated = 0
    with files.atomic_file(path) as file:
        file.write(video_file.HEADER + "\n")
        for batch in predicting.batches(reader, "Predicting"):
            scores, classes = predict(batch)
            predicting.check_finite(scores, batch, reader)
            new = [row for row, name in enumerate(batch["ids"]) if not _is_known(name, known)]
            num_repeated += len(batch["ids"]) - len(new)
            ids = [i.decode(errors="surrogateescape") for i in batch["ids"][new]]
            file.writelines(video_file.format_rows(ids, classes[new], scores[new]))
    if num_repeated:
        logging.warning(
            "%d records have the id of an earlier one; they are left out.", num_repeated
        )
    return len(known)


def _is_known(video_id: bytes, known: set[bytes]) -> bool:
    """Whether an id came before; from now on it has."""
    before = len(known)
    known.add(video_id)
    return len(known) == before
