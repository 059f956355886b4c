"""Random predictions that look like a model's."""

from collections.abc import Callable

import numpy as np
import pytest


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
