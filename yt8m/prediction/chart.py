"""The classes of a video over time as a picture."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.figure import Figure

from yt8m.base import files
from yt8m.prediction.answers import Answer, Naming

_MOST_LINES = 8
_LONGEST_NAME = 40


def write_chart(path: str, answer: Answer, naming: Naming) -> None:
    """Draws the scores of the classes that score highest in some window, as a PNG.

    Args:
        path: the file; it appears when it is whole.
        answer: with windows.
        naming: how many classes are drawn, at most 8, and their names.

    Raises:
        UserError: the file cannot be written.
    """
    highest = answer.window_scores.max(axis=0)
    chosen = np.argsort(-highest, kind="stable")[: min(naming.top_k, _MOST_LINES)]
    cells = answer.cells()
    edges = [cells[0].start, *(cell.end for cell in cells)]
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots()
    for number in chosen.tolist():
        name = naming.name(number)
        shown = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
        # A dollar would begin a formula.
        axes.stairs(
            answer.window_scores[:, number],
            edges,
            baseline=None,
            linewidth=2,
            label=shown.replace("$", r"\$"),
        )
    axes.set(xlim=(0, edges[-1] or 1), ylim=(0, 1.02), xlabel="seconds", ylabel="score")
    axes.set_title(os.path.basename(answer.video).replace("$", r"\$"), loc="left")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
