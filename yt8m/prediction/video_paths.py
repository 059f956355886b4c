"""The videos that a command line names: files, and folders of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.video.sources import folders


def find(given: Sequence[str]) -> list[str]:
    """The video files that are named, in order, each once.

    Args:
        given: files, taken whatever they are called; and folders, of which all videos below them
            are taken, known by the ends of their names.

    Raises:
        UserError: nothing is named, something is not there, or a folder holds no videos.
    """
    if not given:
        raise UserError(
            "No video is named. Name files or folders behind the flags, as in "
            "`yt8m predict --train_dir=RUN video.mp4`."
        )
    found: dict[str, str] = {}
    for path in given:
        if os.path.isdir(path):
            names, others = folders.find(path)
            if others:
                logging.info("%d other file(s) of %s are passed over.", others, path)
            paths = [os.path.join(path, name) for name in names]
        elif os.path.exists(path):
            paths = [path]
        else:
            raise UserError(f"There is no file or folder {path}.")
        for each in paths:
            found.setdefault(os.path.realpath(each), each)
    return list(found.values())


def short_names(paths: Sequence[str]) -> list[str]:
    """A name for the files that are made of each video: its own, with a number where two share it.

    Example:
        >>> short_names(["a/x.mp4", "b/x.mp4", "y.avi"])
        ['x.mp4', 'x.mp4-2', 'y.avi']
    """
    counts: dict[str, int] = {}
    names = []
    for path in paths:
        name = os.path.basename(path)
        counts[name] = counts.get(name, 0) + 1
        names.append(name if counts[name] == 1 else f"{name}-{counts[name]}")
    return names
