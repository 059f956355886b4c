"""Finds the files of the videos that an official list names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable

from yt8m.base.errors import UserError
from yt8m.data.video.sources import folders, manifest
from yt8m.data.video.sources.annotations.lists import Line
from yt8m.data.video.sources.manifest import SEPARATOR, Video


@dataclasses.dataclass(frozen=True)
class Matched:
    """What of a list is there.

    Attributes:
        videos: those whose files are there, in the order of the list.
        missing: the names of those whose files are not.
        num_listed: videos of the list, in how many parts they may be.
    """

    videos: list[Video]
    missing: list[str]
    num_listed: int


def match(lines: Iterable[Line], where: str, video_dir: str) -> Matched:
    """Finds the videos of a list in a folder, in class folders or without, by their names.

    Lines that name the same part of the same file are one video with the labels of all of them.

    Args:
        lines: of the list.
        where: what to call the list in errors.
        video_dir: the folder.

    Raises:
        UserError: a list cannot be read, two files could be meant, no video is there, a group is in
            two splits, or a name cannot stand in a manifest.
    """
    paths = _by_stem(video_dir)
    found: dict[tuple, Video] = {}
    listed: dict[str, None] = {}
    missing: dict[str, None] = {}
    for line in lines:
        listed[line.name] = None
        video = _find(line, paths, video_dir)
        if video is None:
            missing[line.name] = None
            continue
        key = video.path, video.span and video.span.key, video.split
        if key in found:
            labels = tuple(dict.fromkeys([*found[key].labels, *video.labels]))
            video = dataclasses.replace(video, labels=labels)
        found[key] = video
    if not listed:
        raise UserError(f"{where} names no videos.")
    if not found:
        raise UserError(
            f"None of the {len(listed)} videos of {where} is in {video_dir}. The first is "
            f"{next(iter(listed))}."
        )
    videos = list(found.values())
    manifest.check_groups(where, videos)
    return Matched(videos, list(missing), len(listed))


def _by_stem(video_dir: str) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    for path in folders.find(os.path.expanduser(video_dir))[0]:
        paths.setdefault(os.path.splitext(os.path.basename(path))[0], []).append(path)
    return paths


def _find(line: Line, paths: dict[str, list[str]], video_dir: str) -> Video | None:
    for label in line.labels:
        if SEPARATOR in label:
            raise UserError(
                f"The label {label!r} of {line.name} has a {SEPARATOR!r}, which separates labels "
                "in a manifest."
            )
    for stem, span in line.files:
        if stem not in paths:
            continue
        path, *others = paths[stem]
        if others:
            raise UserError(
                f"{video_dir} holds {line.name} twice: {path} and {others[0]}. Leave one of them "
                "there."
            )
        opened = os.path.join(os.path.expanduser(video_dir), path)
        video_id = path + (span.fragment if span else "")
        return Video(video_id, opened, line.labels, line.group, line.split, span)
    return None
