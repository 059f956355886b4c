"""The average of the frames that a video really has."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FramePooling


@keras.saving.register_keras_serializable(package="frame_models")
class MaskedAverage(FramePooling):
    """Averages over time, counting only the frames whose mask is set.

    A video without a frame gives zeros; `keras.layers.GlobalAveragePooling1D` gives NaN there.
    Frames outside the mask are never read, so what they hold cannot matter, not even infinity.
    Sums are float32 also under mixed precision, where 300 frames would lose digits.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        `(batch, size)`. The mask ends here.

    Example:
        >>> frames = np.array([[[1.0], [3.0], [99.0]]])
        >>> float(MaskedAverage()(frames, mask=np.array([[True, True, False]]))[0, 0])
        2.0
    """

    def call(self, inputs, mask=None):
        """Divides the sum over the valid frames by their number, or by 1 if there is none."""
        frames = ops.cast(inputs, "float32")
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        valid = ops.expand_dims(ops.cast(mask, "bool"), -1)
        total = ops.sum(ops.where(valid, frames, 0.0), axis=1)
        count = ops.sum(ops.cast(valid, "float32"), axis=1)
        return ops.cast(total / ops.maximum(count, 1.0), self.compute_dtype)
