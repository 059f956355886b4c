"""Data shared by the metric tests: goldens, and random predictions that look like a model's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

_TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Returns a function that loads a golden by name, or skips where it is not at hand."""

    def load(name: str) -> dict[str, np.ndarray]:
        folders = (_TESTS / "data", _TESTS.parents[1] / "shared" / "goldens")
        for folder in folders:
            path = folder / f"{name}.npz"
            if path.exists():
                with np.load(path) as arrays:
                    return dict(arrays)
        pytest.skip(f"{name}.npz is too large for the repository and not beside it")

    return load


@pytest.fixture
def predictions() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Returns a function that makes (scores, labels), both (batch, classes)."""

    def make(
        batch: int, classes: int, seed: int = 0, max_labels: int = 6, decimals: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Long-tailed classes, 0 to `max_labels` labels a video, probabilities mostly tiny.

        `decimals` rounds the probabilities, which ties them.
        """
        rng = np.random.default_rng(seed)
        popularity = 1 / (np.arange(classes) + 5.0)
        popularity /= popularity.sum()
        counts = rng.integers(0, max_labels + 1, batch)
        rows = np.repeat(np.arange(batch), counts)
        labels = np.zeros((batch, classes), bool)
        labels[rows, rng.choice(classes, len(rows), p=popularity)] = True
        logits = rng.normal(-7, 1.5, (batch, classes)) + 6 * labels + 3 * np.sqrt(popularity)
        scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return (scores if decimals is None else np.round(scores, decimals)), labels

    return make
