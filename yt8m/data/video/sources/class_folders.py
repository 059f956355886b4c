"""The videos of a folder with a folder for each class. Needs neither TensorFlow nor a decoder."""

from __future__ import annotations

import os
import re

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.video.sources import folders
from yt8m.data.video.sources.manifest import SEPARATOR, Video


def read(video_dir: str, group_pattern: str) -> list[Video]:
    """The videos below a folder, with the first folder of a path as label.

    Args:
        video_dir: the folder.
        group_pattern: see `find_groups`.

    Returns:
        The videos, sorted by their paths, without splits and, where no video lies in a class
        folder, without labels.

    Raises:
        UserError: there are none, some lie beside the class folders, or a path does not fit.
    """
    paths, others = folders.find(video_dir)
    if others:
        logging.info("%s: passed over %d file(s) that are no videos by name.", video_dir, others)
    labels = [path.split(os.sep)[0] if os.sep in path else "" for path in paths]
    if any(labels) and not all(labels):
        raise UserError(
            f"{paths[labels.index('')]} lies beside the class folders of {video_dir}. Move it into "
            "the folder of its class."
        )
    for label in labels:
        if SEPARATOR in label:
            raise UserError(
                f"The folder {label!r} has a {SEPARATOR!r} in its name, which separates labels. "
                "Rename it."
            )
    groups = find_groups(paths, group_pattern)
    return [
        Video(path, os.path.join(video_dir, path), (label,) if label else (), group, "")
        for path, label, group in zip(paths, labels, groups, strict=True)
    ]


# How data sets name the clips that were cut from one video; the first group is what they share.
_KNOWN_NAMES = (
    r"([^/]+)_c\d+\.\w+$",  # UCF101: v_Archery_g01_c03.avi
    r"([^/]+?)_[a-z_]+_[fuhl]_(?:cm|nm)_np\d_\w+\.\w+$",  # HMDB51: Film_run_f_cm_np1_ba_goo_0.avi
    r"([\w-]{11})_\d{6}_\d{6}\.\w+$",  # Kinetics: ---QUuC4vJs_000084_000094.mp4
)


def propose_pattern(paths: list[str]) -> tuple[str, int] | None:
    """A pattern of `find_groups` under which videos share groups, and how many groups it makes.

    Args:
        paths: of videos.

    Returns:
        That of a data set whose names these are; None where they are not.
    """
    for pattern in _KNOWN_NAMES:
        if all(re.search(pattern, path) for path in paths):
            groups = len(set(find_groups(paths, pattern)))
            if groups < len(paths):
                return pattern, groups
    return None


def find_groups(paths: list[str], pattern: str) -> list[str]:
    """The group of each path; its own where there is no pattern.

    Args:
        paths: of videos.
        pattern: a regular expression, of which the first group, or else all of it, is what videos
            of a group have in common; empty for none.

    Raises:
        UserError: the pattern is no regular expression, or finds nothing in a path.
    """
    if not pattern:
        return paths
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--group_pattern is no regular expression: {error}. Received: {pattern!r}."
        ) from None
    groups = []
    for path in paths:
        match = expression.search(path)
        group = match and match[1 if expression.groups else 0]
        if not group:
            raise UserError(
                f"--group_pattern finds no group in {path}. Received: {pattern!r}. It must match "
                "the path of every video."
            )
        groups.append(group)
    return groups
