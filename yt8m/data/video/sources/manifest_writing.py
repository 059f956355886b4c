"""Writes manifests, see `manifest` for reading them. Needs no TensorFlow."""

from __future__ import annotations

import collections
import csv
import os

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.data.video.sources import manifest
from yt8m.data.video.sources.manifest import SEPARATOR, Video


def write(videos: list[Video], path: str) -> None:
    """Writes a manifest, with paths relative to its folder. It appears whole.

    Raises:
        UserError: it cannot be written, or a name cannot stand in a manifest.
    """
    has_splits = any(video.split for video in videos)
    folder = os.path.dirname(os.path.abspath(path))
    sizes = collections.Counter(video.group for video in videos)
    rows = [_row(video, folder, sizes[video.group] == 1, has_splits) for video in videos]
    with files.atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*manifest.NEEDED, *([manifest.SPLIT] if has_splits else [])])
        writer.writerows(rows)


def _row(video: Video, folder: str, is_alone: bool, has_splits: bool) -> list[str]:
    """The fields of a video. One that is a group of its own, and named as it, needs no name."""
    own = is_alone and video.group in (video.id, os.path.normpath(video.path))
    row = [
        _relative(video.path, folder),
        SEPARATOR.join(video.labels),
        "" if own else video.group,
        *([video.split] if has_splits else []),
    ]
    for field in row:
        if field != field.strip():
            raise UserError(
                f"{video.path}: a manifest cannot keep the space around {field!r}. Rename it."
            )
    return row


def _relative(path: str, folder: str) -> str:
    """The path from the folder of the manifest, where it leads to the video."""
    path = os.path.abspath(path)
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # Another drive.
        return path
    # Behind a link, the folder above is another one. The manifest's may not be there yet.
    found = os.path.realpath(os.path.join(folder, relative))
    is_there = os.path.exists(found) or not os.path.exists(path)
    return relative if is_there and not relative.startswith("~") else path
