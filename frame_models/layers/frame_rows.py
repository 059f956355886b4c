"""A classifier for videos at work on single frames: frames as rows of a batch, and back."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer
from frame_models.layers.padding import zero_padding


@keras.saving.register_keras_serializable(package="frame_models")
class FramesToRows(FrameLayer):
    """Makes every frame a row, so that what takes one vector a video takes a frame.

    A row of padding holds zeros at inference. In training it holds a frame of some video of the
    batch, because a batch norm behind it takes its statistics of all rows: they are then those of
    real frames. The rows of padding take these at even distances, so each frame occurs as often
    as any other, or once more. Drop these rows afterwards, as `RowsToFrames` does.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether rows of padding hold frames of the batch instead of zeros.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        `(batch * time, size)`. The mask ends here.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(FramesToRows()(frames).shape)
        (10, 8)
    """

    def call(self, inputs, mask=None, training=None):
        """Joins the batch and the time axis."""
        rows = ops.reshape(zero_padding(inputs, mask), (-1, inputs.shape[-1]))
        if mask is None or not training:
            return rows
        return ops.take(rows, _sources(ops.reshape(ops.cast(mask, "int32"), (-1,))), axis=0)

    def compute_output_shape(self, input_shape):
        """Joins the first two axes."""
        batch, time, size = input_shape
        return (None if batch is None or time is None else batch * time, size)


def _sources(valid):
    """From which row each takes its values: a valid one its own, each other a valid one's."""
    position = ops.cumsum(ops.ones_like(valid)) - 1
    order = ops.argsort(position + (1 - valid) * ops.size(valid))
    num_valid = ops.maximum(ops.sum(valid), 1)
    padding = ops.cumsum(1 - valid) - 1
    num_padding = ops.maximum(ops.sum(1 - valid), 1)
    share = ops.cast(num_valid, "float32") / ops.cast(num_padding, "float32")
    picked = ops.cast(ops.floor((ops.cast(padding, "float32") + 0.5) * share), "int32")
    return ops.where(valid > 0, position, ops.take(order, ops.clip(picked, 0, num_valid - 1)))


@keras.saving.register_keras_serializable(package="frame_models")
class RowsToFrames(keras.layers.Layer):
    """Puts rows that `FramesToRows` made back in their place in batch and time; padding is zero.

    It computes in float32 unless told otherwise: it serves probabilities.

    Args:
        dtype: dtype or dtype policy of the output.
        **kwargs: what every Keras layer takes, such as `name`.

    Input shape:
        A list: rows `(batch * time, size)` and the mask `(batch, time)`, bool.

    Output shape:
        `(batch, time, size)`.

    Example:
        >>> rows, mask = np.ones((10, 8)), np.ones((2, 5), "bool")
        >>> tuple(RowsToFrames()([rows, mask]).shape)
        (2, 5, 8)
    """

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs):
        """Splits the first axis."""
        rows, mask = inputs
        return zero_padding(ops.reshape(rows, (*ops.shape(mask), rows.shape[-1])), mask)

    def compute_output_shape(self, input_shape):
        """Takes batch and time from the mask, and the size from the rows."""
        rows, mask = input_shape
        return (*mask, rows[-1])
