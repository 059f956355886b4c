"""The video files below a folder, by their names. Needs neither TensorFlow nor a decoder."""

from __future__ import annotations

import os

from yt8m.base.errors import UserError

EXTENSIONS = frozenset(
    ".3g2 .3gp .asf .avi .divx .f4v .flv .m2ts .m2v .m4v .mkv .mov .mp4 .mpe .mpeg .mpg .mts .mxf "
    ".ogv .rm .rmvb .ts .vob .webm .wmv .y4m".split()
)


def find(folder: str) -> tuple[list[str], int]:
    """Finds the videos below a folder. Hidden files and folders are passed over.

    Args:
        folder: to look through, links to folders too.

    Returns:
        The paths within the folder, sorted, and how many files are no videos by their names.

    Raises:
        UserError: a folder cannot be read, or there are no videos.
    """
    videos: list[str] = []
    others = 0
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=_fail, followlinks=True):
        # A link to a folder above would otherwise be followed round and round.
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else [n for n in folders if not n.startswith(".")]
        names = [] if real in seen else [n for n in names if not n.startswith(".")]
        seen.add(real)
        found = [name for name in names if os.path.splitext(name)[1].lower() in EXTENSIONS]
        videos += [os.path.relpath(os.path.join(parent, name), folder) for name in found]
        others += len(names) - len(found)
    if not videos:
        raise UserError(
            f"{folder} holds no videos, only {others} other file(s). Videos end in one of "
            f"{' '.join(sorted(EXTENSIONS))}."
        )
    return sorted(videos), others


def _fail(error: OSError) -> None:
    raise UserError(f"Cannot look into {error.filename}: {error.strerror}.")
