"""Reads .npz files whole, so that none stays open."""

import os
from typing import IO

import numpy as np


def arrays(file: str | os.PathLike | IO[bytes]) -> dict[str, np.ndarray]:
    """The arrays of a file by name."""
    with np.load(file) as opened:
        return dict(opened)
