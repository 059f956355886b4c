"""Reads what jobs write, as values that can be compared. A reader fails where a file is partial."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from yt8m.base import temporaries

_SHOWN = 80
# From a path to a value; None where there is nothing yet.
Reader = Callable[[Path], Any]


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """The content of a file that its reader refuses.

    Attributes:
        reason: why.
    """

    reason: str


def read(folder: Path, outputs: dict[str, Reader]) -> dict[str, Any]:
    """Reads what there is of a job's outputs.

    Args:
        folder: where the job writes.
        outputs: globs of paths within it, and what reads them.

    Returns:
        Path within the folder -> content, `Unreadable` where it is partial.
    """
    found = {}
    for pattern, reader in outputs.items():
        for path in sorted(folder.glob(pattern)):
            name = str(path.relative_to(folder))
            if temporaries.PREFIX in name:
                continue
            try:
                content = reader(path)
            except Exception as error:  # noqa: BLE001 - however a reader fails.
                content = Unreadable(f"{type(error).__name__}: {error}")
            if content is not None:
                found[name] = content
    return found


def leftovers(folder: Path) -> list[str]:
    """What is there under temporary names."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob(f"{temporaries.PREFIX}*"))


def differences(one: Any, other: Any, name: str = "") -> list[str]:
    """Where two contents differ: `name: one -> other`, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(f"{name}/{key}", one.get(key), other.get(key)) for key in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{name}/{i}", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return [] if one == other else [f"{name}: {str(one)[:_SHOWN]} -> {str(other)[:_SHOWN]}"]
    return [line for name, a, b in pairs for line in differences(a, b, name)]


def of_film(path: Path) -> list[int]:
    """The times of the pictures of a video: x264 does not always write the same bytes."""
    import av  # Of an extra.

    with av.open(str(path)) as file:
        return [frame.pts for frame in file.decode(video=0)]


def of_file(path: Path) -> str:
    """The bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of_folder(path: Path) -> dict[str, str]:
    """The bytes of the files of a folder, by name."""
    return {each.name: of_file(each) for each in path.iterdir()}


def of_json(path: Path) -> Any:
    """The values of a JSON file."""
    return json.loads(path.read_text())


def of_arrays(path: Path) -> dict[str, str]:
    """The arrays of a .npz, which may hold the time of its writing too."""
    with open(path, "rb") as stored, np.load(stored) as file:
        return {name: hashlib.sha256(file[name].tobytes()).hexdigest() for name in file}


def of_weights(path: Path | io.BytesIO) -> dict[str, str]:
    """The arrays of an HDF5 file."""
    found: dict[str, str] = {}

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name] = hashlib.sha256(np.asarray(thing).tobytes()).hexdigest()

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def of_model(path: Path) -> dict[str, Any]:
    """The layers and the weights of a model.keras, which holds the time of its writing too."""
    with zipfile.ZipFile(path) as file:
        if file.testzip():
            raise ValueError(f"{file.testzip()} is damaged")
        weights = of_weights(io.BytesIO(file.read("model.weights.h5")))
        layers = json.loads(file.read("config.json"), object_hook=_without_addresses)
        return {"layers": layers, "weights": weights}


def _without_addresses(values: dict[str, Any]) -> dict[str, Any]:
    """An object of a model's configuration without its address in memory."""
    return {name: value for name, value in values.items() if name != "shared_object_id"}


def of_checkpoints(path: Path) -> dict[str, Any] | None:
    """The last checkpoint of a training. The one before it must be whole as well."""
    last = None
    for folder in sorted(path.glob("step-*"))[-2:]:
        last = {"state": of_json(folder / "state.json")}
        last["weights"] = of_weights(folder / "state.weights.h5")
    return last


def of_export(path: Path) -> dict[str, Any]:
    """What an export says of itself, its files, and the bytes of its weights."""
    files = sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())
    weights = {name: of_file(path / name) for name in files if name.startswith("variables/")}
    return {"files": files, "says": of_json(path / "export.json"), "weights": weights}
