"""What is lost where floats become YouTube-8M's bytes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Rounding may move a value by half a step; within that of [-2, 2] nothing more is lost.
_MAX_VALUE = 2 + 4 / 512
# A feature that stays below this uses an eighth of the 256 bytes.
_SMALL_VALUE = 0.25


class ByteLosses:
    """Counts the values that become bytes, and what is lost of them.

    Args:
        names: of the features.

    Attributes:
        num_values, num_clipped: values, and those of them outside [-2, 2] by more than half a
            step, by the name of the feature.
        largest: the largest magnitude, by the name of the feature.
    """

    def __init__(self, names: Iterable[str]):
        self.num_values = dict.fromkeys(names, 0)
        self.num_clipped = dict.fromkeys(self.num_values, 0)
        self.largest = dict.fromkeys(self.num_values, 0.0)

    def count(self, name: str, frames: np.ndarray) -> None:
        """Counts the values of a feature."""
        magnitudes = np.abs(frames)
        self.num_values[name] += magnitudes.size
        self.num_clipped[name] += int(np.count_nonzero(magnitudes > _MAX_VALUE))
        self.largest[name] = max(self.largest[name], float(magnitudes.max(initial=0)))

    def warnings(self) -> list[str]:
        """What was lost, a sentence each."""
        found = []
        for name, clipped in self.num_clipped.items():
            count, largest = self.num_values[name], self.largest[name]
            if clipped:
                found.append(
                    f"{clipped} of {count} values of {name} ({clipped / count:.3%}) lie outside "
                    f"[-2, 2] and were clipped; the largest magnitude is {largest:.4g}."
                )
            elif count and largest < _SMALL_VALUE:
                found.append(
                    f"The values of {name} lie within {largest:.4g} of 0, so their bytes tell few "
                    "of them apart: YouTube-8M's bytes stand for values in [-2, 2]."
                )
        return found
