"""A growing array that never copies what it holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

_CHUNK_BYTES = 4 * 2**20


class ChunkedRows:
    """Rows appended batch by batch, held in chunks of about 4 MiB.

    An array that doubles when it is full needs three times its size while it grows; this needs
    one chunk more than its content.

    Args:
        row_shape: shape of a row: () for scalars, (width,) for vectors.
        dtype: NumPy dtype.
    """

    def __init__(self, row_shape: Sequence[int], dtype: DTypeLike):
        self.row_shape = tuple(row_shape)
        self.dtype = np.dtype(dtype)
        row_bytes = self.dtype.itemsize * int(np.prod(self.row_shape, dtype=np.int64))
        self._chunk_rows = max(1, _CHUNK_BYTES // max(1, row_bytes))
        self._chunks: list[np.ndarray] = []
        self._num_rows = 0

    def __len__(self) -> int:
        """Returns the number of rows."""
        return self._num_rows

    def append(self, rows: np.ndarray) -> None:
        """Appends rows, (number of rows, *row_shape), cast to the dtype of this array."""
        done = 0
        while done < len(rows):
            used = self._num_rows % self._chunk_rows
            if not used:
                self._chunks.append(np.empty((self._chunk_rows, *self.row_shape), self.dtype))
            part = rows[done : done + self._chunk_rows - used]
            self._chunks[-1][used : used + len(part)] = part
            self._num_rows += len(part)
            done += len(part)

    def chunks(self) -> list[np.ndarray]:
        """Returns the content as views, in the order it came."""
        last = (self._num_rows - 1) % self._chunk_rows + 1
        return [*self._chunks[:-1], *(chunk[:last] for chunk in self._chunks[-1:])]

    def columns(self, start: int, stop: int) -> np.ndarray:
        """Returns columns [start, stop) of rows that are vectors, (number of rows, columns)."""
        parts = [chunk[:, start:stop] for chunk in self.chunks()]
        return np.concatenate([np.empty((0, stop - start), self.dtype), *parts])

    def concatenate(self) -> np.ndarray:
        """Returns everything as one new array, (number of rows, *row_shape)."""
        return np.concatenate([np.empty((0, *self.row_shape), self.dtype), *self.chunks()])

    def __getstate__(self) -> dict:
        # A pickle holds the rows, not the free space after them.
        return {"row_shape": self.row_shape, "dtype": self.dtype, "chunks": self.chunks()}

    def __setstate__(self, state: dict) -> None:
        ChunkedRows.__init__(self, state["row_shape"], state["dtype"])
        for chunk in state["chunks"]:
            self.append(chunk)
