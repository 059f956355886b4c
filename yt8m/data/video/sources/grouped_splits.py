"""Deals out videos to splits, those of a group together and every class to every split."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.video.sources.manifest import Video

_SHOWN = 5
_NO_LABEL = ""


class Grouped(Protocol):
    """A video as it is dealt out, such as a `manifest.Video`.

    Attributes:
        labels: the names of its classes.
        group: what it shares with others from the same source.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """See above."""

    @property
    def group(self) -> str:
        """See above."""


def parse_fractions(values: list[str]) -> dict[str, float]:
    """The part of each split, from values such as `train:0.7`.

    Args:
        values: of the flag --splits.

    Raises:
        UserError: a value has another form, a name comes twice, or the parts are no whole.
    """
    fractions: dict[str, float] = {}
    for value in values:
        name, _, number = (part.strip() for part in value.partition(":"))
        try:
            fraction = float(number)
        except ValueError:
            fraction = math.nan
        if not name or name in fractions or not 0 < fraction <= 1:
            raise UserError(
                "--splits takes different names with a part above 0, such as "
                f"train:0.7,validate:0.3. Received: {','.join(values)}."
            )
        fractions[name] = fraction
    if fractions and not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise UserError(
            f"The parts of --splits must add up to 1. Received: {','.join(values)}, which add up "
            f"to {sum(fractions.values()):g}."
        )
    return fractions


def split(videos: list[Video], fractions: Mapping[str, float], seed: int) -> list[Video]:
    """The videos with new splits; warns of classes that a split lacks.

    Args:
        videos: with their labels and groups.
        fractions: how much of the videos a split takes, by its name.
        seed: of the order of groups of the same size.

    Raises:
        UserError: a split would be empty.
    """
    splits = deal(videos, fractions, seed)
    for sentence in lacking(videos, splits):
        logging.warning("%s.", sentence)
    return [dataclasses.replace(video, split=splits[video.group]) for video in videos]


def deal(videos: Sequence[Grouped], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Chooses a split for each group.

    This is iterative stratification (Sechidis et al. 2011) of groups: the class that the fewest
    groups hold comes first. Its groups, the largest first, go one by one to the split that lacks
    most videos of that class; the last ones go to splits that would not have the class at all, and
    the last of all groups to splits that would be empty.

    Args:
        videos: with their labels and groups.
        fractions: how much of the videos a split takes, by its name.
        seed: of the order of groups of the same size.

    Returns:
        The split of each group.

    Raises:
        UserError: there are fewer groups than splits.
    """
    held = _labels_of_groups(videos)
    if len(held) < len(fractions):
        raise UserError(
            f"There are {len(held)} group(s) for {len(fractions)} splits, and a group is not torn "
            "apart. Add videos, or ask for fewer splits."
        )
    groups = _groups_of_labels(held, seed)
    empty = set(fractions)
    needs = {split: _Need(fraction, held) for split, fraction in fractions.items()}
    chosen: dict[str, str] = {}
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        without = set(fractions) - {chosen.get(group) for group in groups[label]}
        waiting = [group for group in groups[label] if group not in chosen]
        for place, group in enumerate(waiting):
            splits = fractions
            if len(held) - len(chosen) <= len(empty):
                splits = empty
            elif len(waiting) - place <= len(without):
                splits = without
            split = max(sorted(splits), key=lambda split: needs[split].of(label))
            chosen[group] = split
            needs[split].take(held[group])
            without.discard(split)
            empty.discard(split)
    return chosen


class _Need:
    """How many videos a split still lacks, of each class and of all together.

    Args:
        fraction: of the videos that the split takes.
        held: how many videos of each class each group holds.
    """

    def __init__(self, fraction: float, held: Mapping[str, Counter]):
        self._labels: Counter = Counter()
        for labels in held.values():
            self._labels.update(labels)
        for label in self._labels:
            self._labels[label] *= fraction
        self._all = sum(self._labels.values())

    def of(self, label: str) -> tuple[float, float]:
        """What is lacking of a class and, to choose between equals, of everything."""
        return self._labels[label], self._all

    def take(self, labels: Counter) -> None:
        """Takes a group away from what is lacking."""
        self._labels.subtract(labels)
        self._all -= labels.total()


def _labels_of_groups(videos: Sequence[Grouped]) -> dict[str, Counter]:
    """How many videos of each class a group holds; those without labels are a class too."""
    held: dict[str, Counter] = defaultdict(Counter)
    for video in videos:
        held[video.group].update(video.labels or (_NO_LABEL,))
    return held


def _groups_of_labels(held: Mapping[str, Counter], seed: int) -> dict[str, list[str]]:
    """The groups of each class, the largest first, those of one size in an order of the seed."""
    order = sorted(held)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -held[group].total())
    groups = defaultdict(list)
    for group in order:
        for label in held[group]:
            groups[label].append(group)
    return groups


def lacking(videos: Sequence[Grouped], splits: Mapping[str, str]) -> list[str]:
    """One sentence for each split that lacks classes, as too few groups hold them.

    Args:
        videos: with their labels and groups.
        splits: the split of each group.
    """
    held: dict[str, set[str]] = {split: set() for split in splits.values()}
    for video in videos:
        held[splits[video.group]].update(video.labels)
    every = set().union(*held.values())
    sentences = []
    for split, labels in sorted(held.items()):
        missing = sorted(every - labels)
        if missing:
            more = ", ..." if len(missing) > _SHOWN else ""
            sentences.append(
                f"The split {split!r} has no video of {len(missing)} class(es), of which too few "
                f"groups hold videos: {', '.join(missing[:_SHOWN])}{more}"
            )
    return sentences
