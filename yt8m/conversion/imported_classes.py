"""Labels of imported features to class ids, and their videos to splits."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from absl import logging

from yt8m.base.errors import UserError
from yt8m.conversion.feature_sources import Listed
from yt8m.data.video.sources import grouped_splits

# What is not dealt out to splits is in this one, as videos of an extraction are.
_ONE_SPLIT = "videos"
_MOST_CLASSES = 10_000_000


@dataclasses.dataclass(frozen=True)
class Classes:
    """The vocabulary of imported features.

    Attributes:
        names: a name a class; None where labels are numbers that nothing names.
        count: how many there are.
        ids: the class id of each label.
    """

    names: list[str] | None
    count: int
    ids: Mapping[str, int]


def number(videos: Sequence[Listed], vocabulary: list[str] | None) -> Classes:
    """Gives labels their class ids.

    Names are numbered in sorted order, or as the vocabulary has them. Labels that are all whole
    numbers are class ids as they are, unless the vocabulary has such names.

    Args:
        videos: with their labels.
        vocabulary: a name a class; None for none.

    Raises:
        UserError: a label is none of the vocabulary, or the vocabulary has a name twice.
    """
    first: dict[str, Listed] = {}
    for video in videos:
        for label in video.labels:
            first.setdefault(label, video)
    are_ids = all(re.fullmatch("0|[1-9][0-9]{0,8}", label) for label in first)
    if vocabulary is None and are_ids:
        count = max(map(int, first), default=-1) + 1
        _check_ids(first, _MOST_CLASSES)
        return Classes(None, count, {label: int(label) for label in first})
    names = sorted(first) if vocabulary is None else vocabulary
    ids = {name: place for place, name in enumerate(names)}
    if len(ids) < len(names):
        twice = next(name for place, name in enumerate(names) if ids[name] != place)
        raise UserError(
            f"--vocabulary_file names two classes {twice!r}, which labels cannot tell apart. "
            "Rename one."
        )
    if are_ids and not set(first) <= set(ids):
        _check_ids(first, len(names))
        ids = {label: int(label) for label in first}
    unknown = next((label for label in first if label not in ids), None)
    if unknown is not None:
        raise UserError(
            f"{first[unknown].where} has the label {unknown[:80]!r}, which is none of the "
            f"{len(names)} classes of --vocabulary_file. Correct the table, or number its labels "
            "anew without that flag."
        )
    return Classes(names, len(names), ids)


def _check_ids(first: Mapping[str, Listed], count: int) -> None:
    for label, video in first.items():
        if int(label) >= count:
            raise UserError(
                f"{video.where} has the label {label}. Labels that are numbers are class ids, here "
                f"from 0 to {count - 1}. Write names to have them numbered."
            )


def split(videos: Sequence[Listed], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Chooses the split of each video, those of a group together.

    Args:
        videos: with their labels, groups and splits.
        fractions: how much of the videos a split takes, by its name; empty for the splits that the
            videos have, or one for all of them where they have none.
        seed: of the order of groups of the same size.

    Returns:
        Id -> split.

    Raises:
        UserError: a group is on both sides of a split, a split has a name that no file can have, or
            splits are given twice or for some videos only.
    """
    given = next((video for video in videos if video.split), None)
    if fractions and given is not None:
        raise UserError(
            f"{given.where} is of the split {given.split!r}, and --splits says others. Leave out "
            "--splits, or the column."
        )
    if fractions:
        _warn_of_single_groups(videos)
        chosen = grouped_splits.deal(videos, fractions, seed)
        for sentence in grouped_splits.lacking(videos, chosen):
            logging.warning("%s.", sentence)
        found = {video.id: chosen[video.group] for video in videos}
    else:
        _check_given(videos, given)
        found = {video.id: video.split or _ONE_SPLIT for video in videos}
    for name in sorted({*fractions, *found.values()}):
        if not re.fullmatch(r"[\w-]{1,60}", name, re.ASCII):
            raise UserError(
                f"The split {name[:80]!r} cannot be part of a file name. Name splits with letters, "
                "digits, _ and -."
            )
    return found


def _check_given(videos: Sequence[Listed], given: Listed | None) -> None:
    """Fails where the splits of a table tear a group apart, or are missing in some rows."""
    first: dict[str, Listed] = {}
    for video in videos:
        if given is not None and not video.split:
            raise UserError(
                f"{video.where} names no split, but {given.where} does. Name one in each row, or "
                "in none."
            )
        other = first.setdefault(video.group, video)
        if other.split != video.split:
            raise UserError(
                f"The group {video.group[:80]!r} is in two splits: {other.where} is in "
                f"{other.split!r} and {video.where} in {video.split!r}. Videos of a group come "
                "from one source: keep them in one split."
            )


def _warn_of_single_groups(videos: Sequence[Listed]) -> None:
    if len({video.group for video in videos}) == len(videos):
        logging.warning(
            "Each of the %d videos is a group of its own: no column group says what two have in "
            "common. Clips that were cut from one video then lie on both sides of a split, and "
            "what is measured there is too good.",
            len(videos),
        )
