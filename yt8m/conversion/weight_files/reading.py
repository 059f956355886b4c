"""A file of weights to name -> array: the file itself says of which program it is."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable

import numpy as np

from yt8m.base.errors import UserError, first_line
from yt8m.conversion import tf1_checkpoint
from yt8m.conversion.weight_files import arrays, caffe_model, torch_state

_HUB = os.path.join("variables", "variables")
_PICKLE = b"\x80"
# The pickle of the number that every file of PyTorch before 1.6 begins with.
_TORCH = b"\x8a\x0a" + torch_state.MAGIC.to_bytes(10, "little")


def read(path: str) -> dict[str, np.ndarray]:
    """Reads weights of another program.

    Args:
        path: prefix or folder of a checkpoint of TensorFlow 1, or folder of a module of its hub; a
            state dict of PyTorch; an `.npz` file; a pickle of NumPy's arrays; a `.caffemodel`.

    Returns:
        Name -> value, the names as the program has them, without counters and the state of an
        optimizer of TensorFlow.

    Raises:
        UserError: there is no such file, or it cannot be read as any of these.
    """
    if os.path.isdir(path) and os.path.exists(os.path.join(path, f"{_HUB}.index")):
        return tf1_checkpoint.read_variables(os.path.join(path, _HUB))
    if not os.path.isfile(path):
        return tf1_checkpoint.read_variables(path)
    try:
        values = _reader(path)(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as weights: {first_line(error).rstrip('.')}. It must be a "
            "checkpoint of TensorFlow 1, a state dict of PyTorch, an .npz file, a pickle of "
            "NumPy's arrays or a .caffemodel; copy it anew if it is."
        ) from None
    if not values:
        raise UserError(f"{path} holds no array. Name the file of the weights.")
    return values


def _reader(path: str) -> Callable[[str], dict[str, np.ndarray]]:
    """The function that reads a file of this form."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        is_torch = any(name.rpartition("/")[2] == "data.pkl" for name in names)
        return torch_state.read_zip if is_torch else arrays.read_npz
    with open(path, "rb") as file:
        head = file.read(32)
    if head[:1] == _PICKLE:
        return torch_state.read_legacy if _TORCH in head else arrays.read_pickle
    return caffe_model.read
