"""Reads checkpoints of TensorFlow 1."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError, first_line
from yt8m.conversion import tf1_weights

# What TensorFlow's readers raise where files are damaged, some of them as Python's own errors.
_DAMAGED = (tf.errors.OpError, ValueError, TypeError, LookupError, RuntimeError)


def read_variables(path: str) -> dict[str, np.ndarray]:
    """Reads the variables of a model from a TensorFlow 1 checkpoint.

    Args:
        path: prefix of the checkpoint's files, or a folder, of which the latest is taken.

    Returns:
        Name, see `tf1_weights.clean_names`, -> value.

    Raises:
        UserError: there is no such checkpoint, or it cannot be read.
    """
    try:
        prefix = tf.train.latest_checkpoint(path) if os.path.isdir(path) else path
        if prefix is None or not tf.io.gfile.glob(f"{prefix}.index"):
            raise UserError(
                f"There is no checkpoint {path}. Name its files without .index or .data, or their "
                "folder if that has a file `checkpoint`."
            )
        reader = tf.train.load_checkpoint(prefix)
        names = tf1_weights.clean_names(list(reader.get_variable_to_shape_map()))
        return {name: reader.get_tensor(stored) for name, stored in sorted(names.items())}
    except _DAMAGED as error:
        raise UserError(f"The checkpoint {path} cannot be read: {first_line(error)}.") from None
