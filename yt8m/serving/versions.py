"""The numbered folders that a model server looks for: MODEL/1, MODEL/2 and so on.

TensorFlow Serving looks into a folder every few seconds, takes every entry whose name is a number
for a version, and serves the largest.
"""

from __future__ import annotations

import os
import re

from yt8m.base.errors import UserError

NEXT = "next"
_LARGEST = 2**63 - 1
# What a SavedModel without a version folder would put there.
_MODEL = "saved_model.pb"


def folder(base: str, version: str) -> str:
    """The folder of a version.

    Args:
        base: the folder of all versions of a model, which need not be there yet.
        version: a number, or `next` for the one above all that are there, from 1 on.

    Raises:
        UserError: the version is neither, or `base` is no folder for versions.
    """
    if version != NEXT and not _is_version(version):
        raise UserError(
            f"--serving_version must be a number up to {_LARGEST}, or {NEXT}. Received: {version}."
        )
    try:
        found = os.listdir(base) if os.path.lexists(base) else []
    except OSError as error:
        raise UserError(f"Cannot write {base}: {error.strerror}. Name a folder.") from None
    if _MODEL in found:
        raise UserError(
            f"{base} is an export itself: a model server looks for folders of versions there. "
            "Name a new --output_dir, or delete it."
        )
    if version == NEXT:
        return os.path.join(base, str(_next(base, found)))
    return os.path.join(base, str(int(version)))


def _is_version(name: str) -> bool:
    return re.fullmatch(r"[0-9]{1,19}", name) is not None and int(name) <= _LARGEST


def _next(base: str, found: list[str]) -> int:
    number = 1 + max((int(name) for name in found if _is_version(name)), default=0)
    if number > _LARGEST:
        raise UserError(f"{base} holds the largest version that there can be. Delete it.")
    return number
