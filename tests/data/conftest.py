"""Data shared by the tests of the data pipeline: goldens of the original reader."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

_TESTS = Path(__file__).resolve().parents[1]


def _find(name: str) -> Path:
    for folder in (_TESTS / "data", _TESTS.parents[1] / "shared" / "goldens"):
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} is too large for the repository and not beside it")


@pytest.fixture(scope="session")
def golden_shard() -> Callable[[str], str]:
    """Returns a function that finds a golden shard by name, or skips where it is not at hand."""
    return lambda name: str(_find(f"{name}.tfrecord"))


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Returns a function that loads what the original reader made of a golden shard."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(_find(f"{name}.npz")) as arrays:
            return dict(arrays)

    return load
