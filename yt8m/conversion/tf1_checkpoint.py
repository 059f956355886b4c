"""Reads checkpoints of TensorFlow 1."""

from __future__ import annotations

import math
import os

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError, first_line
from yt8m.conversion import tf1_weights


def read_variables(path: str) -> dict[str, np.ndarray]:
    """Reads the variables of a model from a TensorFlow 1 checkpoint.

    Args:
        path: prefix of the checkpoint's files, or a folder, of which the latest is taken.

    Returns:
        Name, see `tf1_weights.clean_names`, -> value.

    Raises:
        UserError: there is no such checkpoint, or it cannot be read.
    """
    prefix = _latest(path) if os.path.isdir(path) else path
    if prefix is None or not tf.io.gfile.glob(f"{prefix}.index"):
        raise UserError(
            f"There is no checkpoint {path}. Name its files without .index or .data, or their "
            "folder if that has a file `checkpoint`."
        )
    try:
        reader = tf.train.load_checkpoint(prefix)
        _check_sizes(reader, prefix)
        names = tf1_weights.clean_names(list(reader.get_variable_to_shape_map()))
        return {name: reader.get_tensor(stored) for name, stored in sorted(names.items())}
    except Exception as error:  # noqa: BLE001  TensorFlow raises many kinds for damaged files.
        reason = first_line(error).rstrip(".")
        raise UserError(
            f"The checkpoint {prefix} cannot be read: {reason}. Copy it anew."
        ) from None


def _latest(folder: str) -> str | None:
    """The checkpoint that the file `checkpoint` of a folder names last; None without one.

    Raises:
        UserError: there is one that cannot be read.
    """
    try:
        return tf.train.latest_checkpoint(folder)
    except (tf.errors.OpError, ValueError) as error:  # The latter of bytes that are no text.
        path = os.path.join(folder, "checkpoint")
        raise UserError(
            f"{path} cannot be read as the list of checkpoints: {first_line(error).rstrip('.')}. "
            "Name one with --checkpoint, such as model.ckpt-300000."
        ) from None


def _check_sizes(reader: tf.train.CheckpointReader, prefix: str) -> None:
    """Raises ValueError where variables are said to be larger than the files that hold them."""
    kinds = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    needed = sum(max(1, kinds[name].size or 1) * math.prod(shapes[name]) for name in shapes)
    parts = tf.io.gfile.glob(f"{prefix}.data-*")
    held = sum(tf.io.gfile.stat(part).length for part in parts)
    if needed > held:
        raise ValueError(f"it lists variables of {needed:,} bytes, but its data has {held:,}")
