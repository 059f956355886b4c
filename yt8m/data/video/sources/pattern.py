"""What a data pattern of raw video names. Needs neither TensorFlow nor a decoder."""

from __future__ import annotations

import dataclasses
import re

from yt8m.base.errors import UserError

MANIFEST = ".csv"  # How the name of one ends.
_TFDS = "tfds:"
_PART = re.compile(r"(?:(?P<task>\w+)=)?(?P<where>[^#]+)(?:#(?P<split>.*))?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Part:
    """One of the data sets that a pattern names.

    Attributes:
        where: the path of a manifest, or `tfds:` and the name of a data set.
        split: the split to take; empty takes all, where there is one split or none.
        task: the name of the task it is for; empty where there is one task.
    """

    where: str
    split: str = ""
    task: str = ""

    @property
    def dataset(self) -> str | None:
        """The name of the data set for tensorflow-datasets; None for a manifest."""
        return self.where.removeprefix(_TFDS) if self.where.startswith(_TFDS) else None


def parse(pattern: str) -> list[Part] | None:
    """Parses a pattern such as `clips.csv#train` or `ucf=ucf101.csv#train,hmdb=hmdb51.csv#train`.

    Args:
        pattern: parts with commas between: a manifest (its name ends in .csv) or `tfds:NAME`, with
            `#SPLIT` behind and `TASK=` before where they are needed.

    Returns:
        The parts; None where the pattern names no raw video, but shards.

    Raises:
        UserError: raw video and shards are mixed, or some parts have a task and some have none.
    """
    texts = [text.strip() for text in _split(pattern) if text.strip()]
    parts = [_parse_part(text) for text in texts]
    if not any(parts):
        return None
    for text, part in zip(texts, parts, strict=True):
        if part is None:
            raise UserError(
                f"{text!r} is no manifest of videos (a .csv) and no tfds: data set, but other "
                f"parts of {pattern!r} are. Name either videos or shards."
            )
    if len({bool(part.task) for part in parts}) > 1:
        raise UserError(
            f"Either every part of {pattern!r} has a task, as in NAME=clips.csv, or none has."
        )
    return parts


def _split(pattern: str) -> list[str]:
    """The parts of a pattern; a comma in brackets, as of a slice of a split, is none between."""
    return re.split(r",(?![^\[]*\])", pattern)


def _parse_part(text: str) -> Part | None:
    match = _PART.fullmatch(text)
    if match is None:
        return None
    part = Part(match["where"], match["split"] or "", match["task"] or "")
    is_manifest = part.where.lower().endswith(MANIFEST)
    return part if part.dataset is not None or is_manifest else None
