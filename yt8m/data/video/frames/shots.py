"""Where the shots of a video begin: hard cuts, found by jumps in brightness and colour.

A frame is split into a grid of cells, and in each cell the values of each colour are sorted. The
mean difference between the sorted values of two frames is the distance that their histograms have
to be moved (the earth mover's distance), without bins, so that light which flickers a little makes
a small distance and not none or a whole one. What moves within a cell makes none; the grid is there
because two shots of a place often differ only in what stands where.

A cut is a distance that is large, and large against those around it, which in a moving scene are
large too. Those are judged by their upper quartile: half of them are zero where a video shows each
frame twice. Fades and dissolves are not found; a flash makes a shot of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# (height, width) of the frames to look at: small, which also takes noise away.
SIZE = (48, 64)
_GRID = (4, 4)
_LEAST = 0.06
_AGAINST_OTHERS = 4.0
_NEIGHBOURS = 8


def boundaries(frames: Iterator[np.ndarray]) -> tuple[int, ...]:
    """Finds the first frames of shots.

    Args:
        frames: (height, width, 3) uint8, all of one size, of which both sides can be divided by 4;
            such as `SIZE`.

    Returns:
        Numbers of frames, the first of them 0.
    """
    distances = [0.0]
    before = None
    for frame in frames:
        cells = _sorted_cells(frame)
        if before is not None:
            distances.append(float(np.abs(cells - before).mean()) / 255)
        before = cells
    return (0, *_cuts(np.array(distances)))


def _sorted_cells(frame: np.ndarray) -> np.ndarray:
    """(cells, pixels, 3) int16, the values of each cell and colour in ascending order."""
    rows, columns = _GRID
    height, width = frame.shape[0] // rows, frame.shape[1] // columns
    cells = frame.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    return np.sort(cells.reshape(rows * columns, height * width, 3), axis=1).astype(np.int16)


def _cuts(distances: np.ndarray) -> list[int]:
    """The frames whose distance to the one before stands out."""
    found = []
    for number in np.flatnonzero(distances >= _LEAST):
        first = max(1, number - _NEIGHBOURS)
        around = np.delete(distances[first : number + _NEIGHBOURS + 1], number - first)
        if not len(around) or distances[number] >= _AGAINST_OTHERS * np.percentile(around, 75):
            found.append(int(number))
    return found
