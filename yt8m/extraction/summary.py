"""The result of an extraction, read from its logs."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable

from yt8m.extraction import shards
from yt8m.extraction.shards import Shard

# A feature that stays below this uses an eighth of the 256 bytes.
_SMALL_VALUE = 0.25


@dataclasses.dataclass(frozen=True)
class Summary:
    """What is in the shards of a folder.

    Attributes:
        num_classes: of the labels.
        num_videos, num_frames, num_shards: how many there are.
        problems: the id of each video that was left out -> why.
        notes: what was lost where values became bytes, a sentence each.
    """

    num_classes: int
    num_videos: int
    num_frames: int
    num_shards: int
    problems: dict[str, str]
    notes: list[str]


def summarise(folder: str, planned: Iterable[Shard], num_classes: int) -> Summary:
    """Reads the logs of shards that are all finished."""
    num_videos = num_frames = num_shards = 0
    problems: dict[str, str] = {}
    values: collections.Counter[str] = collections.Counter()
    clipped: collections.Counter[str] = collections.Counter()
    largest: dict[str, float] = {}
    for shard in planned:
        *lines, last = shards.read_log(folder, shard.name)
        num_shards += last["records"] > 0
        for line in lines:
            if "problem" in line:
                problems[line["id"]] = line["problem"]
                continue
            num_videos += 1
            num_frames += line["frames"]
            values.update(line["values"])
            clipped.update(line["clipped"])
            for name, value in line["largest"].items():
                largest[name] = max(value, largest.get(name, 0.0))
    notes = _notes(values, clipped, largest)
    return Summary(num_classes, num_videos, num_frames, num_shards, problems, notes)


def _notes(values: dict[str, int], clipped: dict[str, int], largest: dict[str, float]) -> list[str]:
    notes = []
    for name, count in values.items():
        if clipped[name]:
            notes.append(
                f"{clipped[name]} of {count} values of {name} ({clipped[name] / count:.2%}) were "
                f"outside [-2, 2] and were clipped; the largest magnitude is {largest[name]:.4g}."
            )
        elif largest[name] < _SMALL_VALUE:
            notes.append(
                f"The values of {name} lie within {largest[name]:.4g} of 0, so their bytes tell "
                "few of them apart: bytes stand for values in [-2, 2]."
            )
    return notes
