"""The maximum over the frames that a video really has."""

import keras
import numpy as np
from keras import ops

from frame_models.layers.frame_layer import FramePooling

LOWEST = float(np.finfo("float32").min)  # Less than any value, and finite: no NaN comes from it.


@keras.saving.register_keras_serializable(package="frame_models")
class MaskedMax(FramePooling):
    """Takes the maximum of each value over time, among the frames whose mask is set.

    A video without a frame gives zeros. Frames outside the mask are never read, so what they hold
    cannot matter. The values of the frames may have any sign.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one. Windows and parts of a video may take the place of
        frames.

    Output shape:
        `(batch, size)`. The mask ends here.

    Example:
        >>> frames = np.array([[[1.0], [3.0], [99.0]]])
        >>> float(MaskedMax()(frames, mask=np.array([[True, True, False]]))[0, 0])
        3.0
    """

    def call(self, inputs, mask=None):
        """Takes the maximum of the valid frames, or 0 if there is none."""
        if mask is None:
            return ops.max(inputs, axis=1)
        valid = ops.expand_dims(ops.cast(mask, "bool"), -1)
        highest = ops.max(ops.where(valid, ops.cast(inputs, "float32"), LOWEST), axis=1)
        return ops.cast(ops.where(ops.any(valid, axis=1), highest, 0.0), self.compute_dtype)
