"""Parquet files that appear when they are whole, written in groups of rows. pyarrow comes late."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from yt8m.base import files
from yt8m.base.errors import UserError

ENDING = ".parquet"


def is_named(path: str) -> bool:
    """Whether a file is called as Parquet is.

    Example:
        >>> is_named("predictions.parquet"), is_named("submission.csv")
        (True, False)
    """
    return path.lower().endswith(ENDING)


@contextlib.contextmanager
def writing(path: str, columns: dict[str, Any]) -> Iterator[Any]:
    """Opens a Parquet file for writing: a function that takes a group of rows.

    Args:
        path: the file; it appears when the block ends without an error.
        columns: name -> its pyarrow type, in order.

    Yields:
        A function from `name -> values` of all columns, which writes them as a group of rows.

    Raises:
        UserError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet

    schema = pa.schema(list(columns.items()))
    with files.atomic_path(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as file:

        def write(values: dict[str, Any]) -> None:
            arrays = [
                value if isinstance(value, pa.Array) else pa.array(value, kind)
                for value, kind in ((values[name], columns[name]) for name in columns)
            ]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))

        yield write


def check_text(text: str) -> str:
    """An id or a name as Parquet holds it.

    Raises:
        UserError: it holds bytes that are no UTF-8, which Parquet's text cannot.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        shown = text.encode(errors="surrogateescape").decode(errors="replace")
        raise UserError(
            f"{shown[:200]!r} holds bytes that are no UTF-8, which text in Parquet cannot. Rename "
            "it, or write a CSV."
        )
    return text
