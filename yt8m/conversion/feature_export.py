"""Exports shards: their records become rows of a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from yt8m.base import parquet
from yt8m.base.errors import UserError
from yt8m.data.ids import FirstRecords, as_text
from yt8m.data.reader import Reader
from yt8m.data.schema import FRAME
from yt8m.evaluation import predicting


def write(path: str, reader: Reader, names: Sequence[str] | None = None) -> int:
    """Writes a row a video: id, labels (class ids), if known label_names, and its features.

    A vector is a list, frames are a list of lists, of uint8 where the record holds bytes. A batch
    of the reader is a group of rows. A video counts once, see `FirstRecords`.

    Args:
        path: the file; it appears when it is whole.
        reader: of the shards, with all their frames.
        names: of the classes; None leaves label_names out.

    Returns:
        The number of videos.

    Raises:
        UserError: the records do not fit or the file cannot be written.
    """
    known = FirstRecords()
    with parquet.writing(path, _columns(reader, names is not None)) as write_rows:
        for batch in predicting.batches(reader, "Exporting"):
            ids = [as_text(name) for name in batch["ids"]]
            new = [row for row, name in enumerate(ids) if known.add(name)]
            if new:
                write_rows(_rows(reader, batch, ids, new, names))
    known.warn()
    return len(known)


def check_names(reader: Reader) -> None:
    """Fails where a feature has the name of another column.

    Raises:
        UserError: see above.
    """
    taken = ("id", "labels", "label_names")
    wrong = next((name for name in reader.schema.input_names if name in taken), None)
    if wrong is not None:
        raise UserError(
            f"The records have a feature called {wrong}, as a column of every table is. Choose "
            "others with --feature_names."
        )


def _columns(reader: Reader, named: bool) -> dict[str, Any]:
    import pyarrow as pa

    columns: dict[str, Any] = {"id": pa.string(), "labels": pa.list_(pa.int64())}
    if named:
        columns["label_names"] = pa.list_(pa.string())
    for feature in reader.schema.features:
        vector = pa.list_(pa.from_numpy_dtype(feature.dtype))
        columns[feature.name] = pa.list_(vector) if reader.schema.kind == FRAME else vector
    for feature in reader.schema.video_features:
        columns[feature.name] = pa.list_(pa.from_numpy_dtype(feature.dtype))
    return columns


def _rows(
    reader: Reader,
    batch: dict[str, np.ndarray],
    ids: Sequence[str],
    new: Sequence[int],
    names: Sequence[str] | None,
) -> dict[str, Any]:
    """The columns of some rows of a batch."""
    labels = [[int(label) for label in batch["labels"][row] if label >= 0] for row in new]
    values: dict[str, Any] = {"id": [parquet.check_text(ids[row]) for row in new]}
    values["labels"] = labels
    if names is not None:
        values["label_names"] = [[names[label] for label in each] for each in labels]
    for feature in reader.schema.features:
        if reader.schema.kind == FRAME:
            counts = batch["num_frames"][new]
            values[feature.name] = _frames(batch[feature.name][new], counts)
        else:
            values[feature.name] = _vectors(batch[feature.name][new])
    for feature in reader.schema.video_features:
        values[feature.name] = _vectors(batch[feature.name][new])
    return values


def _vectors(vectors: np.ndarray) -> Any:
    """(rows, size) as a column of lists."""
    import pyarrow as pa

    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel()))


def _frames(frames: np.ndarray, counts: np.ndarray) -> Any:
    """(rows, time, size), of which `counts` frames are no padding, as lists of lists."""
    import pyarrow as pa

    there = np.arange(frames.shape[1]) < counts[:, None]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, _vectors(frames[there]))
