"""An output folder that appears whole, in place of an earlier one of its kind or of none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from yt8m.base import files
from yt8m.base.errors import UserError


def check(path: str, parts: set[str], sign: str, replace: bool = True) -> None:
    """Fails before the work, not after it, where the folder cannot be written.

    Args:
        path: the folder.
        parts: what a folder of its kind may hold.
        sign: the one of them that tells it from others.
        replace: whether one of its kind may be replaced.

    Raises:
        UserError: it cannot be written, or there is something that would be lost.
    """
    if "://" in path:
        raise UserError(f"Cannot write {path}: name a local folder, and copy it afterwards.")
    is_folder = os.path.isdir(path)
    files.check_output_file(f"{os.path.realpath(path)}.new" if is_folder else path)
    _check_replaceable(path, parts, sign, replace)


def _check_replaceable(path: str, parts: set[str], sign: str, replace: bool) -> None:
    if not os.path.lexists(path):
        return
    if not replace:
        raise UserError(f"Cannot write {path}: it came to be after this job began. Start again.")
    if not os.path.isdir(path):
        raise UserError(f"Cannot write {path}: it is no folder. Name a new one.")
    found = set(os.listdir(path))
    if found and not (sign in found and found <= parts):
        others = ", ".join(sorted(found - parts)[:3]) or f"no {sign}"
        raise UserError(
            f"Cannot write {path}: only an earlier output of this job is replaced, and it holds "
            f"{others}. Name a new folder, or delete it."
        )


@contextlib.contextmanager
def writing(path: str, parts: set[str], sign: str, replace: bool = True) -> Iterator[str]:
    """A folder to write to, which gets its name when the block ends without an error.

    Args:
        path: its name then; what is there is deleted.
        parts: see `check`, which is asked again before that.
        sign: likewise.
        replace: likewise.

    Yields:
        The folder to write to.

    Raises:
        UserError: it cannot be written, or there is something that would be lost.
    """
    with files.atomic_folder(path) as temporary:
        yield temporary
        _check_replaceable(path, parts, sign, replace)
