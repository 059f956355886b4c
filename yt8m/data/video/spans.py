"""A part of a video in seconds: what a line of a manifest with times names. NumPy only."""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

_Label = TypeVar("_Label")


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of a video. Time begins with the first frame.

    Attributes:
        start: seconds; None from the beginning.
        end: seconds; None to the end.

    Raises:
        ValueError: a number is negative or not finite, or the end is not behind the start.

    Example:
        >>> Span(1.5, 12.0).fragment, Span(None, 12.25).fragment, Span(3).fragment
        ('#t=1.5,12', '#t=,12.25', '#t=3')
    """

    start: float | None = None
    end: float | None = None

    def __post_init__(self):
        for value in (self.start, self.end):
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"seconds must be 0 or more. Received: {value}.")
        if self.end is not None and self.end <= self.first:
            raise ValueError(
                f"the end must be behind the start. Received: {self.first}, {self.end}."
            )

    @property
    def first(self) -> float:
        """The second at which it begins."""
        return self.start or 0.0

    @property
    def middle(self) -> float:
        """The second in its middle; where it goes to the end of the video, its beginning."""
        return self.first if self.end is None else (self.first + self.end) / 2

    @property
    def key(self) -> tuple[float, float]:
        """What is equal of spans that are the same part, however they are written."""
        return self.first, math.inf if self.end is None else self.end

    @property
    def fragment(self) -> str:
        """What goes behind the path of a video to name this part of it, as in a URI.

        See https://www.w3.org/TR/media-frags/#naming-time.
        """
        start, end = seconds_text(self.start), seconds_text(self.end)
        return f"#t={start},{end}" if end else f"#t={start}"


WHOLE = Span()
"""All of a video."""


def seconds_text(seconds: float | None) -> str:
    """The shortest decimal text that is this number, without an exponent; empty for None."""
    return "" if seconds is None else np.format_float_positional(abs(seconds), trim="-")


def parse_seconds(text: str) -> float | None:
    """Seconds as they are written in a list; None for an empty text.

    Raises:
        ValueError: it is no number, or one with an underscore.

    Example:
        >>> parse_seconds("12.50"), parse_seconds("")
        (12.5, None)
    """
    if "_" in text:  # Python would take it.
        raise ValueError(f"{text!r} is no number.")
    return float(text) if text else None


def labels_at_middles(
    spans: Sequence[Span], labels: Sequence[Sequence[_Label]]
) -> Iterator[tuple[int, list[_Label]]]:
    """The labels of all spans of a video in which the middle of a span lies.

    A span holds its beginning, but not its end.

    Args:
        spans: of one video.
        labels: of each of them.

    Yields:
        The number of a span, and the labels of the others at its middle, in no certain order and
        with repetitions; the spans by their middles.
    """
    beginning = sorted(range(len(spans)), key=lambda number: spans[number].first)
    going_on: list[tuple[float, int]] = []
    place = 0
    for number in sorted(range(len(spans)), key=lambda number: spans[number].middle):
        middle = spans[number].middle
        while place < len(beginning) and spans[beginning[place]].first <= middle:
            heapq.heappush(going_on, (spans[beginning[place]].key[1], beginning[place]))
            place += 1
        while going_on and going_on[0][0] <= middle:
            heapq.heappop(going_on)
        yield number, [label for _, other in going_on if other != number for label in labels[other]]
