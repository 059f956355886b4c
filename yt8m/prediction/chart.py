"""The classes of a video over time as a picture."""

from __future__ import annotations

import os
import warnings

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from yt8m.base import files
from yt8m.prediction import letters
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
        scores = answer.window_scores[:, number]
        # With its name as the label, a class `_x` would not be in the legend.
        axes.stairs(scores, edges, baseline=None, linewidth=2, label=str(number))
    axes.set(xlim=(0, edges[-1] or 1), ylim=(0, 1.02), xlabel="seconds", ylabel="score")
    axes.grid(alpha=0.3)
    legend = figure.legend(loc="outside right upper", frameon=False)
    for text, number in zip(legend.get_texts(), chosen.tolist(), strict=True):
        _write(text, naming.name(number))
    _write(axes.set_title("", loc="left"), os.path.basename(answer.video))
    with files.atomic_path(path) as temporary, warnings.catch_warnings():
        # Letters that the font lacks: `Timeline` says so, once.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(temporary, format="png", dpi=120)


def _write(text: Text, words: str) -> None:
    """Makes words the text of a part of a chart: as they are, a dollar begins no formula."""
    shown = letters.printable(words)
    if len(shown) > _LONGEST_NAME:
        shown = f"{shown[: _LONGEST_NAME - 3]}..."
    text.set(text=shown, parse_math=False)
