"""Predictions as a table have the rows of the submission."""

import csv

import numpy as np
import pyarrow.parquet
import pytest

from yt8m.base.errors import UserError
from yt8m.submissions import prediction_files

CLASSES = np.array([[4, 0], [1, 2], [0, 3]])
SCORES = np.float32([[0.75, 0.25], [0.5, 0.125], [1, 0]])


def write(path, names=None, ids=("a", "b,c", "d")):
    with prediction_files.opened(str(path), names) as add:
        add(ids[:2], CLASSES[:2], SCORES[:2])
        add([], CLASSES[:0], SCORES[:0])
        add(ids[2:], CLASSES[2:], SCORES[2:])


def test_a_table_has_a_row_a_video_and_class(tmp_path):
    write(tmp_path / "p.parquet")
    write(tmp_path / "p.csv")
    table = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    assert {f.name: str(f.type) for f in table.schema} == {
        "id": "string",
        "rank": "int32",
        "class": "int32",
        "score": "float",
    }
    rows = [tuple(row.values()) for row in table.to_pylist()]
    expected = []
    with open(tmp_path / "p.csv", newline="") as file:
        for name, pairs in list(csv.reader(file))[1:]:
            pairs = pairs.split()
            for rank, (label, score) in enumerate(zip(pairs[::2], pairs[1::2], strict=True), 1):
                expected.append((name, rank, int(label), float(score)))
    assert rows == expected
    assert rows[2] == ("b,c", 1, 1, 0.5)


def test_names_are_a_column_and_groups_of_rows_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_files, "_ROWS", 3)
    write(tmp_path / "p.parquet", names=list("vwxyz"))
    file = pyarrow.parquet.ParquetFile(tmp_path / "p.parquet")
    assert file.read().column("name").to_pylist() == list("zvwxvy")
    assert file.num_row_groups == 2


def test_an_id_that_is_no_text_is_named_and_nothing_is_left(tmp_path):
    with pytest.raises(UserError, match="'a�' holds bytes that are no UTF-8"):
        write(tmp_path / "p.parquet", ids=("a\udcff", "b", "c"))
    assert not list(tmp_path.iterdir())
