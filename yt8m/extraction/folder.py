"""The folder of an extraction: what its features are, and whether it may go on there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from absl import logging

from yt8m import runs
from yt8m.base import files, json_files
from yt8m.base.errors import UserError
from yt8m.data import class_names
from yt8m.data.video.sources.manifest import Video
from yt8m.data.video.spans import WHOLE
from yt8m.extraction import feature_settings, shards, whitening
from yt8m.extraction.shards import Item

# What decides the records; the rest of a description is for the reader.
_DECIDES = {"features": dict, "classes": list, "num_shards": dict}


def read(folder: str) -> dict[str, Any] | None:
    """The description of the features in a folder; None where there is none.

    Raises:
        UserError: it cannot be read.
    """
    path = os.path.join(folder, runs.DESCRIPTION)
    try:
        found = json_files.read_object(path)
        decides = {name: value for name, value in found.items() if name in _DECIDES}
        json_files.check_fields("it", decides, _DECIDES)
        json_files.check_texts("its classes", found["classes"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{path} cannot be read as the description of features: {reason}."
        ) from None
    return found


def check_same_networks(pca_dir: str, features: dict[str, Any]) -> dict[str, Any] | None:
    """Fails where matrices were made for the vectors of other networks.

    Args:
        pca_dir: their folder.
        features: of the new features.

    Returns:
        The description beside the matrices; None where there is none, as beside those that were
        published.

    Raises:
        UserError: the features there are of other networks; says what differs.
    """
    found = read(pca_dir)
    if found is None:
        return None
    differences = feature_settings.difference(
        found["features"], features, feature_settings.OF_NETWORKS
    )
    if differences:
        raise UserError(
            f"The features in {pca_dir} (--pca_dir) are of other networks: "
            f"{'; '.join(differences)}. Give the same flags; or, to take only the matrices, copy "
            "the .npy files to a folder of their own."
        )
    return found


def start(folder: str, description: dict[str, Any]) -> None:
    """Begins an extraction in a folder, or checks that the folder holds the same features.

    A folder in which no shard was finished has nothing to lose, and is taken over.

    Raises:
        UserError: there are other features in it; says what differs.
    """
    old = read(folder)
    if old is not None and shards.finished(folder):
        old_shards, new_shards = old["num_shards"], description["num_shards"]
        both = {**old, "num_shards": {k: v for k, v in old_shards.items() if k in new_shards}}
        new = {**description, "num_shards": {k: new_shards[k] for k in both["num_shards"]}}
        differences = feature_settings.difference(both, new, _DECIDES)
        if differences:
            raise UserError(
                f"{folder} holds other features, which differ in {'; '.join(differences)}. Choose "
                "another --output_dir, or delete that one."
            )
        description = {**old, "num_shards": old_shards | new_shards}
    elif old is not None and _of_values(old) != _of_values(description):
        _remove_matrices(folder)
    files.write_json(os.path.join(folder, runs.DESCRIPTION), description)
    class_names.write(os.path.join(folder, class_names.FILE), description["classes"])


def _of_values(description: dict[str, Any]) -> tuple:
    """What the whitening that is fitted depends on."""
    return description["features"], description.get("measured")


def _remove_matrices(folder: str) -> None:
    for name in whitening.FILES:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            os.remove(path)


def items_by_split(videos: Iterable[Video], classes: list[str]) -> dict[str, list[Item]]:
    """The videos of each split, those without one in `videos`.

    Raises:
        UserError: a split cannot be part of a file name, or a label is none of the classes.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    splits: dict[str, list[Item]] = {}
    for video in videos:
        split = video.split or "videos"
        if not all(c.isalnum() or c in "_-" for c in split):
            raise UserError(
                f"The split {split!r} of {video.id} cannot be part of a file name. Name splits "
                "with letters, digits, _ and -."
            )
        unknown = next((label for label in video.labels if label not in numbers), None)
        if unknown is not None:
            raise UserError(
                f"{video.id} has the label {unknown!r}, which is none of the {len(classes)} "
                "classes of the features in --pca_dir. Correct the manifest."
            )
        labels = tuple(sorted(numbers[label] for label in video.labels))
        span = video.span or WHOLE
        size_and_time = _size_and_time(video.path)
        item = Item(video.id, video.path, labels, *size_and_time, span.start, span.end)
        splits.setdefault(split, []).append(item)
    return splits


def _size_and_time(path: str) -> tuple[int, int]:
    """Bytes of a file, and when it last changed in nanoseconds; -1 and -1 where there is none."""
    if not os.path.isfile(path):
        return -1, -1
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def shards_to_make(folder: str, planned: list[shards.Shard]) -> list[shards.Shard]:
    """Which shards are not done. Removes shards whose videos are all in other shards now.

    Raises:
        UserError: there are features of videos that are in no planned shard.
    """
    ids = {item.id for shard in planned for item in shard.items}
    stale = sorted(set(shards.finished(folder)) - {shard.name for shard in planned})
    for name in shards.finished(folder):
        for line in shards.read_log(folder, name):
            if "frames" in line and line["id"] not in ids:
                raise UserError(
                    f"{shards.shard_path(folder, name)} holds the features of {line['id']}, which "
                    "is not in the manifest. Choose another --output_dir, add the video, or delete "
                    "that shard."
                )
    for name in stale:
        logging.info("%s is removed: its videos are in other shards now.", name)
        shards.remove(folder, name)
    return [shard for shard in planned if not shards.is_done(folder, shard)]
