"""What a model of raw video sees of a clip, as pictures."""

from __future__ import annotations

import keras
import numpy as np

from yt8m.interpretation import drawing
from yt8m.interpretation.first_clips import Clip

_INPUTS = ("pixels", "flow")


def names(clip: Clip) -> list[str]:
    """Which inputs a clip has."""
    return [name for name in _INPUTS if name in clip]


def scaling(model: keras.Model, name: str) -> keras.Layer:
    """The layer of a model that makes numbers from -1 to 1 of an input's bytes."""
    return model.get_layer(f"scale_{name}")


def images(model: keras.Model, clip: Clip, name: str, field: int = 0) -> np.ndarray:
    """The frames of an input as pictures.

    Args:
        model: whose input it is.
        clip: the clip.
        name: of the input.
        field: which of the displacement fields of flow to show. The fastest motion of the clip has
            full colour.

    Returns:
        (frames, height, width, 3), uint8.
    """
    layer = scaling(model, name)
    values = (np.float32(clip[name]) - layer.zero) / layer.half
    limit = 1.0
    if name == "flow":
        values = values[: int(clip["num_frames"]), ..., 2 * field : 2 * field + 2]
        limit = max(float(np.abs(values).max()), 1 / layer.half)
    return np.stack([drawing.image_of(frame, limit) for frame in values])
