"""Tables, read in parts that fit into memory: CSV by pandas, Parquet by pyarrow."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from yt8m.base import text_files
from yt8m.base.errors import UserError, first_line

CSV = (".csv", ".csv.gz")
PARQUET = ".parquet"
_SEPARATOR = ";"
# Numbers that are read at a time, and rows, of which a list may be as long as a video.
_CELLS = 1 << 21
_ROWS = 64
_LONGEST_LINE = 1 << 26


class Part(Protocol):
    """Some rows of a table.

    Attributes:
        first: the number of the first of them, from 1.
    """

    first: int

    def __len__(self) -> int:
        """The number of rows."""

    def texts(self, name: str) -> list[str]:
        """A column of text, without spaces around; what is missing is empty."""

    def labels(self, name: str) -> list[tuple[str, ...]]:
        """A column of labels: text with `;` between labels, or a list of them."""

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Columns of numbers side by side: (rows, columns) float32."""

    def lists(self, name: str) -> list[np.ndarray]:
        """A column of lists, or of lists of lists: an array a row."""


class Table(Protocol):
    """A table.

    Attributes:
        path: the file.
        names: of its columns.
        depths: 1 for a column of lists of numbers, 2 for one of lists of lists, by name.
    """

    path: str
    names: tuple[str, ...]
    depths: dict[str, int]

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """All rows, some at a time, with the columns of these names.

        Raises:
            UserError: the file is damaged, or a value is not as it should be.
        """


def opened(path: str) -> Table:
    """A table, by the ending of its file: .csv, .csv.gz or .parquet.

    Raises:
        UserError: it has another ending, or cannot be read.
    """
    if path.lower().endswith(PARQUET):
        return ParquetTable(path)
    if path.lower().endswith(CSV):
        return CsvTable(path)
    raise UserError(f"A table must end in {', '.join((*CSV, PARQUET))}. Received: {path}.")


class CsvTable:
    """A CSV in UTF-8, whose first line names the columns. See `Table`."""

    def __init__(self, path: str):
        self.path = path
        self.depths: dict[str, int] = {}
        with _reading(path), text_files.opened(path) as file:
            header = next(csv.reader(text_files.lines(path, file, _LONGEST_LINE)), [])
        self.names = tuple(name.strip() for name in header)
        _check_names(path, self.names)

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """See `Table`."""
        import pandas

        rows = max(1, _CELLS // max(1, len(names)))
        texts = {name: str for name in ("id", "labels", "group", "split") if name in names}
        first = 1
        with _reading(self.path), text_files.opened(self.path) as file:
            frames = pandas.read_csv(
                file,
                header=0,
                names=list(self.names),
                usecols=list(names),
                dtype=texts,
                keep_default_na=False,
                low_memory=False,
                chunksize=rows,
            )
            for frame in frames:
                if not isinstance(frame.index, pandas.RangeIndex):
                    raise UserError(
                        f"{self.path} has more fields in a row than the {len(self.names)} columns "
                        "of its first line. Put a field with a comma in quotes."
                    )
                yield _CsvPart(self.path, first, frame)
                first += len(frame)


class _CsvPart:
    """See `Part`."""

    def __init__(self, path: str, first: int, frame: Any):
        self.first = first
        self._path = path
        self._frame = frame

    def __len__(self) -> int:
        return len(self._frame)

    def texts(self, name: str) -> list[str]:
        values = self._frame[name].tolist()
        short = next((row for row, value in enumerate(values) if value != value), None)
        if short is not None:
            raise UserError(f"{self._path}, row {self.first + short} has no field {name}.")
        return [str(value).strip() for value in values]

    def labels(self, name: str) -> list[tuple[str, ...]]:
        return [_parted(text) for text in self.texts(name)]

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        import pandas

        columns = []
        for name in names:
            column = self._frame[name]
            if not pandas.api.types.is_numeric_dtype(column):
                found = pandas.to_numeric(column, errors="coerce").isna().to_numpy()
                row = int(np.flatnonzero(found)[0]) if found.any() else 0
                raise UserError(
                    f"{self._path}, row {self.first + row} has {str(column.iloc[row])[:80]!r} "
                    f"under {name}, which is no number."
                )
            columns.append(column.to_numpy())
        return _to_float32(np.stack(columns, axis=1))

    def lists(self, name: str) -> list[np.ndarray]:
        raise NotImplementedError(f"A CSV has no lists. Received: {name}.")


class ParquetTable:
    """A Parquet file. See `Table`."""

    def __init__(self, path: str):
        import pyarrow.parquet

        self.path = path
        with _reading(path):
            self._file = pyarrow.parquet.ParquetFile(path)
            self._schema = self._file.schema_arrow
        self.names = tuple(self._schema.names)
        _check_names(path, self.names)
        depths = {field.name: _depth(field.type) for field in self._schema}
        self.depths = {name: depth for name, depth in depths.items() if depth}

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """See `Table`."""
        first = 1
        with _reading(self.path):
            for batch in self._file.iter_batches(_ROWS, columns=list(names)):
                yield _ParquetPart(self.path, first, batch)
                first += batch.num_rows


class _ParquetPart:
    """See `Part`."""

    def __init__(self, path: str, first: int, batch: Any):
        self.first = first
        self._path = path
        self._batch = batch

    def __len__(self) -> int:
        return self._batch.num_rows

    def texts(self, name: str) -> list[str]:
        values = self._batch.column(name).to_pylist()
        return [self._text(name, row, value) for row, value in enumerate(values)]

    def labels(self, name: str) -> list[tuple[str, ...]]:
        found = []
        for row, value in enumerate(self._batch.column(name).to_pylist()):
            if isinstance(value, list):
                texts = (self._text(name, row, each) for each in value)
                found.append(tuple(dict.fromkeys(filter(None, texts))))
            else:
                found.append(_parted(self._text(name, row, value)))
        return found

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        columns = []
        for name in names:
            column = self._batch.column(name)
            self._check_full(name, column)
            columns.append(column.to_numpy(zero_copy_only=False))
            if not np.issubdtype(columns[-1].dtype, np.number):
                raise UserError(f"{self._path} has no numbers under {name}, but {column.type}.")
        return _to_float32(np.stack(columns, axis=1))

    def lists(self, name: str) -> list[np.ndarray]:
        column = self._batch.column(name)
        self._check_full(name, column)
        return [self._array(name, row, cell.values) for row, cell in enumerate(column)]

    def _array(self, name: str, row: int, values: Any) -> np.ndarray:
        where = f"{self._path}, row {self.first + row}"
        size = None
        if _depth(values.type):
            size = _inner_size(values, f"{where} has frames under {name}")
            count = len(values)
            values = values.flatten()
        if values.null_count:
            raise UserError(f"{where} has a missing value under {name}.")
        array = values.to_numpy(zero_copy_only=False)
        return array if size is None else array.reshape(count, size)

    def _check_full(self, name: str, column: Any) -> None:
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise UserError(f"{self._path}, row {self.first + row} has nothing under {name}.")

    def _text(self, name: str, row: int, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise UserError(
            f"{self._path}, row {self.first + row} has {str(value)[:80]!r} under {name}, which "
            "must be text or an integer."
        )


def _depth(kind: Any) -> int:
    """How deep numbers lie in the lists of a column; 0 where there are no lists of numbers."""
    import pyarrow as pa

    depth = 0
    while (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        kind, depth = kind.value_type, depth + 1
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return depth if is_number else 0


def _inner_size(values: Any, where: str) -> int:
    """The one length of all lists in a list.

    Raises:
        UserError: they differ, or one is missing.
    """
    import pyarrow.compute

    sizes = pyarrow.compute.list_value_length(values)
    if sizes.null_count:
        raise UserError(f"{where}, of which one is missing.")
    found = np.unique(sizes.to_numpy(zero_copy_only=False))
    if len(found) > 1:
        raise UserError(f"{where} of different sizes: {found[0]} and {found[1]} values.")
    return int(found[0]) if len(found) else 0


def _parted(text: str) -> tuple[str, ...]:
    labels = (label.strip() for label in text.split(_SEPARATOR))
    return tuple(dict.fromkeys(filter(None, labels)))


def _to_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # What is too large becomes infinity, which is refused.
        return values.astype(np.float32)


def _check_names(path: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path} has the column {twice[:80]!r} twice. Rename one.")


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turns whatever a library raises over a damaged file into one sentence."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, csv.Error, NotImplementedError) as error:
        # pyarrow's errors and those of pandas' parser are ValueErrors.
        reason = getattr(error, "strerror", None) or first_line(error).rstrip(".")
        raise UserError(f"Cannot read the table {path}: {reason}.") from None
