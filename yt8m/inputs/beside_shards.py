"""What lies beside shards and says what they are: names of classes, and how features were made."""

from __future__ import annotations

import os
from collections.abc import Iterable

from absl import logging

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data import class_names


def names(paths: Iterable[str], num_classes: int, vocabulary_file: str = "") -> list[str] | None:
    """The names of the classes of shards.

    Args:
        paths: of the shards. A `vocabulary.csv` beside them, in the one folder that holds them all,
            is taken where it is of as many classes or fewer.
        num_classes: the size of the vocabulary.
        vocabulary_file: names them, whatever lies beside the shards; empty for none.

    Returns:
        A name a class; None where nothing names them.

    Raises:
        UserError: `vocabulary_file` cannot be read, or is of another vocabulary.
    """
    if vocabulary_file:
        return class_names.read(vocabulary_file, num_classes)
    path = os.path.join(_folder(paths), class_names.FILE)
    if not os.path.isfile(path):
        return None
    try:
        found = class_names.read(path, num_classes)
    except UserError as error:
        logging.warning("The names of the classes beside the shards are not used: %s", error)
        return None
    logging.info("The names of the classes are those of %s.", path)
    return found


def features_dir(paths: Iterable[str]) -> str:
    """The folder of shards in which `features.json` says how they were made; empty without one."""
    folder = _folder(paths)
    return folder if os.path.isfile(os.path.join(folder, runs.DESCRIPTION)) else ""


def _folder(paths: Iterable[str]) -> str:
    """The one local folder that holds all shards; a name that no folder has where there is none."""
    folders = {os.path.dirname(os.path.abspath(path)) for path in paths if "://" not in path}
    return folders.pop() if len(folders) == 1 else "\0"
