"""What is written over a video while it is shown, and the same as subtitles (SubRip)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from yt8m.base import files
from yt8m.prediction.answers import Answer, Named, Naming


@dataclasses.dataclass(frozen=True)
class Caption:
    """Classes that are shown for a time.

    Attributes:
        start, end: seconds from the first frame.
        best: the classes, best first; their scores are the means over the time.
    """

    start: float
    end: float
    best: tuple[Named, ...]

    @property
    def lines(self) -> list[str]:
        """A line a class, with its score in percent."""
        return [f"{' '.join(named.name.split())} {named.score:.0%}" for named in self.best]


def captions(answer: Answer, naming: Naming, min_score: float) -> list[Caption]:
    """The classes of a video over time: windows that follow each other with the same are one.

    Args:
        answer: with windows.
        naming: how many classes are told, and their names.
        min_score: classes below this are not; a time without any has no caption.
    """
    found: list[list] = []  # The start, the end, and the classes of each window.
    for cell, scores in zip(answer.cells(), answer.window_scores, strict=True):
        best = [named for named in naming.best(scores) if named.score >= min_score]
        known = bool(found) and _ids(found[-1][2][-1]) == _ids(best)
        if known:
            found[-1][1] = cell.end
            found[-1][2].append(best)
        else:
            found.append([cell.start, cell.end, [best]])
    return [Caption(start, end, _means(parts)) for start, end, parts in found if parts[0]]


def write_subtitles(path: str, shown: Sequence[Caption]) -> None:
    """Writes captions as a SubRip file.

    Raises:
        UserError: the file cannot be written.
    """
    with files.atomic_file(path) as file:
        for number, caption in enumerate(shown, start=1):
            times = f"{_time(caption.start)} --> {_time(caption.end)}"
            file.write("\n".join([str(number), times, *caption.lines, "", ""]))


def _ids(best: Sequence[Named]) -> list[int]:
    return sorted(named.number for named in best)


def _means(parts: Sequence[Sequence[Named]]) -> tuple[Named, ...]:
    """The same classes of several windows with their mean scores, best first."""
    sums: dict[int, float] = {}
    for part in parts:
        for named in part:
            sums[named.number] = sums.get(named.number, 0.0) + named.score
    means = [dataclasses.replace(n, score=sums[n.number] / len(parts)) for n in parts[0]]
    return tuple(sorted(means, key=lambda named: -named.score))


def _time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{milliseconds:03d}"
