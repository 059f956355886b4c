"""A run in one archive, as the rules of the 2018 competition ask for. Needs no TensorFlow."""

from __future__ import annotations

import gzip
import os
import re
import tarfile
import zipfile

import keras

from yt8m import runs
from yt8m.base import files as files_lib
from yt8m.base.errors import UserError
from yt8m.serving import quantized_weights

# The rule says 1 GB and not which; the smaller reading is safe with both.
MAX_BYTES = 1_000_000_000
_METADATA = "metadata.json"
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def pack(path: str, train_dir: str, method: str = quantized_weights.FLOAT32) -> int:
    """Packs what inference needs of a run: a folder with run.json and model.keras.

    The archive has no times and no owners in it, so that a run always gives the same one.

    Args:
        path: the archive, a tar file compressed with gzip; it appears when it is whole. The folder
            in it has its name, without `.tgz` or `.tar.gz`.
        train_dir: the run.
        method: `float16` rounds the weights of the model in the archive. They are still float32,
            so that they are read as before, and their zeros compress well: to about 0.6.

    Returns:
        The bytes of the archive.

    Raises:
        UserError: it is above 1 GB (10^9 bytes), or cannot be written.
    """
    name = re.sub(r"(\.tgz|\.tar\.gz)$", "", os.path.basename(path)).strip(".") or "run"
    with (
        files_lib.atomic_path(path) as archive,
        files_lib.scratch_path(f"{os.path.realpath(path)}.keras") as rounded,
    ):
        model = os.path.join(train_dir, runs.MODEL)
        if method == quantized_weights.FLOAT16:
            model = _rounded_copy(train_dir, rounded)
        files = {runs.CONFIG: os.path.join(train_dir, runs.CONFIG), runs.MODEL: model}
        files |= _of_people(train_dir)
        _write_archive(archive, name, files)
        size = os.path.getsize(archive)
        if size > MAX_BYTES:
            raise UserError(
                f"{path} would take {size:,} bytes, more than the {MAX_BYTES:,} that the "
                "competition allows, so it was not written. Pass --float16, or train a smaller "
                "model."
            )
    return size


def round_weights(model: keras.Model, method: str) -> None:
    """Rounds the weights of a model where they are, as `quantized_weights.store` does."""
    for variable in model.variables:
        stored = quantized_weights.store(keras.ops.convert_to_numpy(variable), method)
        variable.assign(stored.restore())


def _of_people(train_dir: str) -> dict[str, str]:
    """The names of the classes and how features are made, where the run knows: name -> path."""
    folder = os.path.join(train_dir, runs.FEATURES)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    files = {f"{runs.FEATURES}/{name}": os.path.join(folder, name) for name in names}
    names_path = os.path.join(train_dir, runs.NAMES)
    return files | ({runs.NAMES: names_path} if os.path.exists(names_path) else {})


def _rounded_copy(train_dir: str, path: str) -> str:
    """Writes the run's model with its weights rounded to float16, without the time of writing."""
    model = runs.load(train_dir).model
    round_weights(model, quantized_weights.FLOAT16)
    with files_lib.scratch_path(path) as saved:
        model.save(saved)
        with (
            zipfile.ZipFile(os.path.join(train_dir, runs.MODEL)) as original,
            zipfile.ZipFile(saved) as source,
            zipfile.ZipFile(path, "w") as target,
        ):
            kept = {_METADATA} & set(original.namelist())  # Keras reads a model without it, too.
            for name in sorted(source.namelist()):
                data = (original if name in kept else source).read(name)
                target.writestr(zipfile.ZipInfo(name, _NO_TIME), data)
    return path


def _write_archive(path: str, folder: str, files: dict[str, str]) -> None:
    with (
        open(path, "wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, source in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            with open(source, "rb") as content:
                entry.size = os.fstat(content.fileno()).st_size
                archive.addfile(entry, content)
