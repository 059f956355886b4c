"""Writes manifests, see `manifest` for reading them. Needs no TensorFlow."""

from __future__ import annotations

import collections
import csv
import os

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.data.video import spans
from yt8m.data.video.sources import manifest
from yt8m.data.video.sources.manifest import SEPARATOR, Video
from yt8m.data.video.spans import WHOLE


def write(videos: list[Video], path: str) -> None:
    """Writes a manifest, with paths relative to its folder. It appears whole.

    Raises:
        UserError: it cannot be written, or a name cannot stand in a manifest.
    """
    folder = os.path.dirname(os.path.abspath(path))
    columns = list(manifest.NEEDED)
    if any(video.split for video in videos):
        columns.append(manifest.SPLIT)
    if any(video.span for video in videos):
        columns += manifest.TIMES
    sizes = collections.Counter(group for group, _ in {(v.group, v.file) for v in videos})
    rows = [_row(video, folder, sizes[video.group] == 1) for video in videos]
    with files.atomic_file(path) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(video: Video, folder: str, is_alone: bool) -> dict[str, str]:
    """The fields of a video. A file that is a group of its own, and named as it, needs no name."""
    own = is_alone and video.group in (video.id, video.file)
    span = video.span or WHOLE
    row = {
        "path": _relative(video.path, folder),
        "label": SEPARATOR.join(video.labels),
        "group": "" if own else video.group,
        manifest.SPLIT: video.split,
        "start": spans.seconds_text(span.start),
        "end": spans.seconds_text(span.end),
    }
    for field in row.values():
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
