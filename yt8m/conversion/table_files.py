"""Tables, read in parts that fit into memory: CSV and Parquet, by pyarrow."""

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
_TEXTS = ("id", "labels", "group", "split")
# Bytes of a CSV and rows of a Parquet file that are read at a time. No line of a CSV is longer, and
# a list may be as long as a video.
_BLOCK_BYTES = 1 << 24
_ROWS = 64
_BUFFER_BYTES = 1 << 20
_LONGEST = 300  # Of what a library says, which may quote the file.


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
            self._header = next(csv.reader(text_files.lines(path, file, _BLOCK_BYTES)), [])
        self.names = tuple(name.strip() for name in self._header)
        _check_names(path, self.names)

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """See `Table`."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        written = dict(zip(self.names, self._header, strict=True))
        types = {written[n]: pa.string() if n in _TEXTS else pa.float64() for n in names}
        first = 1
        with (
            _reading(self.path),
            self._explained([n for n in names if n not in _TEXTS]),
            text_files.opened(self.path) as file,
        ):
            batches = arrow_csv.open_csv(
                file.buffer,
                arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
                arrow_csv.ParseOptions(newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=types, include_columns=list(types), null_values=[]
                ),
            )
            for batch in batches:
                yield _Part(self.path, first, batch.rename_columns(list(names)))
                first += batch.num_rows

    @contextlib.contextmanager
    def _explained(self, numbers: Sequence[str]) -> Iterator[None]:
        """Names the row where pyarrow, which names none, refuses one."""
        try:
            yield
        except ValueError:
            with text_files.opened(self.path) as file:
                rows = csv.reader(text_files.lines(self.path, file, _BLOCK_BYTES))
                for number, row in enumerate(filter(None, rows)):
                    problem = self._problem(row, numbers) if number else None
                    if problem:
                        raise UserError(f"{self.path}, row {number} has {problem}.") from None
            raise

    def _problem(self, row: Sequence[str], numbers: Sequence[str]) -> str | None:
        """What is wrong with the fields of a row."""
        if len(row) != len(self.names):
            return (
                f"{len(row)} fields, and the first line {len(self.names)}: put a field with a "
                "comma in quotes"
            )
        for name in numbers:
            field = row[self.names.index(name)]
            try:
                float(field)
            except ValueError:
                return f"{field[:80]!r} under {name}, which is no number"
        return None


class ParquetTable:
    """A Parquet file. See `Table`."""

    def __init__(self, path: str):
        import pyarrow.parquet

        self.path = path
        with _reading(path):
            self._file = pyarrow.parquet.ParquetFile(
                path, buffer_size=_BUFFER_BYTES, pre_buffer=False
            )
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
                yield _Part(self.path, first, batch)
                first += batch.num_rows


class _Part:
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
        # Those of pyarrow are of these kinds.
        reason = getattr(error, "strerror", None) or first_line(error)[:_LONGEST].rstrip(".")
        raise UserError(f"Cannot read the table {path}: {reason}.") from None
