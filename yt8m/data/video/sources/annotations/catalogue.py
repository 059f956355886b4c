"""The published data sets whose official lists can be read, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from yt8m.data.video.sources import manifest, ucf101
from yt8m.data.video.sources.annotations import (
    activitynet,
    charades,
    hmdb51,
    kinetics,
    matching,
    something_something,
    sports1m,
)
from yt8m.data.video.sources.annotations.lists import Line
from yt8m.data.video.sources.annotations.matching import Matched

UCF101 = "ucf101"
ACTIVITYNET = "activitynet"
# Of the path, the number of an official split, and a level of a taxonomy.
_READERS: dict[str, Callable[[str, int, int | None], Iterator[Line]]] = {
    ACTIVITYNET: lambda path, split, level: activitynet.read(path, level),
    "charades": lambda path, split, level: charades.read(path),
    "hmdb51": lambda path, split, level: hmdb51.read(path, split),
    "kinetics": lambda path, split, level: kinetics.read(path),
    "something_something": lambda path, split, level: something_something.read(path),
    "sports1m": lambda path, split, level: sports1m.read(path),
}
NAMES = tuple(sorted((*_READERS, UCF101)))
# Data sets that are published with several splits, and how many there are.
NUM_SPLITS = {"hmdb51": len(hmdb51.SPLITS), UCF101: len(ucf101.SPLITS)}


def read(
    dataset: str, annotations: str, video_dir: str, split: int = 1, level: int | None = None
) -> Matched:
    """Reads the official lists of a data set, and finds its videos.

    Args:
        dataset: of `NAMES`.
        annotations: the file of the lists, or their folder.
        video_dir: the folder of the videos.
        split: which of the official splits, of a data set of `NUM_SPLITS`.
        level: of the taxonomy of ActivityNet, see `activitynet.read`.

    Raises:
        UserError: a list cannot be read or has another form, no video is there, two files could be
            meant by one name, or a group is in two splits.
    """
    if dataset == UCF101:
        videos, missing = ucf101.read(annotations, split, video_dir)
        manifest.check_groups(annotations, videos)
        return Matched(videos, missing, len(videos) + len(missing))
    return matching.match(_READERS[dataset](annotations, split, level), annotations, video_dir)
