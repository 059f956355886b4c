"""How the features of shards were made, kept with a run, so that new videos get the same."""

from __future__ import annotations

import dataclasses
import os
import shutil
import typing
from typing import Any

from frame_models.pixels.layers import image_file
from yt8m import runs
from yt8m.base import files, json_files
from yt8m.base.errors import UserError
from yt8m.extraction import feature_settings, folder, networks, whitening
from yt8m.extraction.extractor import Extractor
from yt8m.extraction.feature_settings import FeatureSettings

FILES = (runs.DESCRIPTION, *whitening.FILES)
# What must be the same for a run to be shown what it has learnt from.
_DECIDES = (*feature_settings.OF_NETWORKS, "frames_per_second", "frame_rules")


def copy(features_dir: str, train_dir: str) -> None:
    """Copies the recipe of features into a run, where it replaces an earlier one.

    Args:
        features_dir: the folder of the shards, with a `features.json` and, where vectors were
            whitened, its matrices.
        train_dir: the run.

    Raises:
        UserError: the run cannot be written.
    """
    with files.atomic_folder(os.path.join(train_dir, runs.FEATURES)) as kept:
        for name in FILES:
            path = os.path.join(features_dir, name)
            if os.path.exists(path):
                with files.writing(path):
                    shutil.copyfile(path, os.path.join(kept, name))


def find(train_dir: str, features_dir: str = "") -> str:
    """The folder that says how the features of a run were made.

    Args:
        train_dir: the run.
        features_dir: another folder, of an extraction; empty for that in the run.

    Raises:
        UserError: there is no such folder.
    """
    place = features_dir or os.path.join(train_dir, runs.FEATURES)
    if os.path.isfile(os.path.join(place, runs.DESCRIPTION)):
        return place
    if features_dir:
        raise UserError(
            f"{features_dir} holds no {runs.DESCRIPTION}. Name the --output_dir of an "
            "`yt8m extract_features`."
        )
    raise UserError(
        f"{train_dir} does not say how the features of its shards were made of videos. Make "
        "features of some video in the same way with `yt8m extract_features`, and name its "
        "--output_dir with --features_dir."
    )


def load(place: str, **changes: Any) -> tuple[Extractor, dict[str, int]]:
    """What makes features of videos as a folder says.

    Args:
        place: see `find`.
        **changes: where files are now: `weights`, which may be a network in a `.keras` file or a
            run of raw video, `vggish_weights` and `vggish_pca`.

    Returns:
        The extractor, and the size of each feature by its name.

    Raises:
        UserError: the folder cannot be used, weights are not where they were, or are others.
    """
    found = folder.read(place)
    path = os.path.join(place, runs.DESCRIPTION)
    known = {field.name for field in dataclasses.fields(FeatureSettings)}
    given = {n: v for n, v in (found.get("settings") or {}).items() if n in known}
    if not given:
        raise UserError(
            f"{path} does not say where the weights are: an earlier version wrote it. Make "
            "features of some video anew with `yt8m extract_features`."
        )
    try:
        kinds = typing.get_type_hints(FeatureSettings) | {"pixel_range": list}
        json_files.check_fields("its settings", given, kinds, optional=kinds)
        given["pixel_range"] = tuple(float(v) for v in given.get("pixel_range", ()))
        settings = FeatureSettings(**(given | _moved(given, changes)))
        sizes = {str(name): int(size) for name, size in found["features"]["sizes"].items()}
    except (TypeError, KeyError, ValueError, AttributeError):
        raise UserError(
            f"{path} is not as `yt8m extract_features` writes it. Put back the one that it wrote."
        ) from None
    loaded = networks.load(settings)
    made = networks.describe(settings, loaded)
    differences = feature_settings.difference(found["features"], made, _DECIDES)
    if differences:
        raise UserError(
            f"The networks are not those of {path}: {'; '.join(differences)}. Name the files that "
            "its features were made with, by --weights, --vggish_weights and --vggish_pca."
        )
    whiten = whitening.load(place, loaded.frame_size, sizes.get("rgb"))
    return Extractor(settings, loaded, whiten), sizes


def _moved(given: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ where files are in other places."""
    name = "weights"
    if given.get("train_dir"):
        name = "train_dir"
    elif image_file.is_file(given.get("backbone", "")):
        name = "backbone"
    return {name if n == "weights" else n: value for n, value in changes.items()}
