"""Holding the last frame of a clip where the clip has no more."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer


@keras.saving.register_keras_serializable(package="frame_models")
class FillPadding(FrameLayer):
    """Replaces every frame outside the mask by the clip's last frame, as if the film stood still.

    A convolution over time sees whatever stands in the padding, so it has to be something that
    depends on the clip alone. A still picture is what a network of natural frames expects; frames
    of zeros would be a cut to grey. What the padding held is never read, not even infinity.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the clip; None takes every frame for one.

    Input shape:
        `(batch, time, ...)`, float; mask `(batch, time)`, bool, true for a frame of the clip. No
        mask means that every frame is one. A clip without a frame becomes zeros.

    Output shape:
        That of the input. The mask does not go along.

    Example:
        >>> clip = np.array([[[1.0], [2.0], [float("inf")]]])
        >>> filled = FillPadding()(clip, mask=np.array([[True, True, False]]))
        >>> keras.ops.convert_to_numpy(filled)[0, :, 0].tolist()
        [1.0, 2.0, 2.0]
    """

    def call(self, inputs, mask=None):
        """Takes the last frame out by a sum of which all other terms are 0."""
        if mask is None:
            return inputs
        place = ops.arange(1, ops.shape(inputs)[1] + 1)
        place = ops.where(ops.cast(mask, "bool"), place, 0)
        is_last = ops.logical_and(place > 0, place == ops.max(place, axis=1, keepdims=True))
        trailing = (1,) * (len(inputs.shape) - 2)
        shape = (-1, ops.shape(inputs)[1], *trailing)
        zeros = ops.zeros_like(inputs)
        last = ops.where(ops.reshape(is_last, shape), inputs, zeros)
        last = ops.sum(last, axis=1, keepdims=True)
        return ops.where(ops.reshape(place > 0, shape), inputs, last)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape
