"""The official splits of UCF101, see https://www.crcv.ucf.edu/data/UCF101.php.

Their lists are `classInd.txt` (`1 ApplyEyeMakeup`), and for each of three splits
`trainlist01.txt` (`ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1`) and `testlist01.txt`, the same
without the number. Clips g08 of a class come from one source, which is in one of the two lists.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from yt8m.base.errors import UserError
from yt8m.data.video.sources import folders
from yt8m.data.video.sources.manifest import Video

SPLITS = (1, 2, 3)
TRAIN, TEST = "train", "test"
_CLASS = re.compile(r"(\d+) (\S+)")
_CLIP = re.compile(r"(?P<label>\w+)/(?P<name>v_\w+_g(?P<group>\d+)_c\d+)\.avi(?: (?P<number>\d+))?")


def read(lists: str, split: int, video_dir: str) -> tuple[list[Video], list[str]]:
    """Reads the lists of a split.

    Clips are found by their names, in class folders or without, and also where their names are
    spelt with other capitals: those of HandstandPushups are `v_HandStandPushups_...`. A clip that
    was converted to another kind of file counts.

    Args:
        lists: the folder with the lists.
        split: 1, 2 or 3.
        video_dir: the folder with the clips.

    Returns:
        The clips, with the splits `train` and `test`, the group `<class>_g<number>`, and the path
        in the folder as id; and the clips of the lists that are not in the folder.

    Raises:
        UserError: a list cannot be read, a line of it has another form, or no clip is there.
    """
    classes = _read_classes(os.path.join(lists, "classInd.txt"))
    paths = _find(video_dir)
    videos, missing = [], []
    seen: dict[str, str] = {}
    for part in (TRAIN, TEST):
        for where, line in _read_lines(os.path.join(lists, f"{part}list{split:02d}.txt")):
            clip = _CLIP.fullmatch(line)
            if clip is None or not _fits(clip, classes):
                raise UserError(
                    f"{where} must be CLASS/v_CLASS_gNN_cMM.avi, with a class of classInd.txt and, "
                    f"if any, its number behind. Received: {line[:80]!r}."
                )
            name = clip["name"].lower()
            if name in seen:
                raise UserError(f"{where} names a clip again that {seen[name]} has named: {line}.")
            seen[name] = where
            if name in paths:
                videos.append(_video(video_dir, paths[name], clip, part))
            else:
                missing.append(line.partition(" ")[0])
    if not videos:
        raise UserError(
            f"None of the {len(missing)} clips of split {split} is in {video_dir}. The first is "
            f"{missing[0] if missing else 'not even listed'}."
        )
    return videos, missing


def _video(video_dir: str, path: str, clip: re.Match[str], part: str) -> Video:
    group = f"{clip['label']}_g{clip['group']}"
    return Video(path, os.path.join(video_dir, path), (clip["label"],), group, part)


def _fits(clip: re.Match[str], classes: dict[str, str]) -> bool:
    number = classes.get(clip["label"])
    return number is not None and clip["number"] in (None, number)


def _find(video_dir: str) -> dict[str, str]:
    """The paths of the videos of a folder by their names, in small letters without extension."""
    paths: dict[str, str] = {}
    for path in folders.find(video_dir)[0]:
        name = os.path.splitext(os.path.basename(path))[0].lower()
        other = paths.setdefault(name, path)
        if other != path:
            raise UserError(
                f"{video_dir} holds a clip twice: {other} and {path}. Leave one of them there."
            )
    return paths


def _read_classes(path: str) -> dict[str, str]:
    """The numbers of the classes by their names."""
    classes: dict[str, str] = {}
    for where, line in _read_lines(path):
        match = _CLASS.fullmatch(line)
        if match is None or match[2] in classes:
            raise UserError(
                f"{where} must be a number and the name of another class. Received: {line[:80]!r}."
            )
        classes[match[2]] = match[1]
    return classes


def _read_lines(path: str) -> Iterator[tuple[str, str]]:
    """The lines of a list that are not empty, with the file and the number of each."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}, line {number}", line.strip()
    except OSError as error:
        raise UserError(
            f"Cannot read {path}: {error.strerror}. Name the folder of UCF101's official lists, "
            "as they are in UCF101TrainTestSplits-RecognitionTask.zip."
        ) from None
