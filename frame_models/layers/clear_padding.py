"""Emptying the frames that a video does not have."""

import keras

from frame_models.layers.frame_layer import FrameLayer
from frame_models.layers.padding import zero_padding


@keras.saving.register_keras_serializable(package="frame_models")
class ClearPadding(FrameLayer):
    """Sets every frame outside the mask to zeros.

    What multiplies frames one by one (a dense layer, a convolution) comes behind it: garbage in
    the padding could overflow there, and the gradient of an infinity that is masked later is NaN.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        That of the input. The mask does not go along.

    Example:
        >>> frames = np.array([[[1.0], [2.0], [9.0]]])
        >>> cleared = ClearPadding()(frames, mask=np.array([[True, True, False]]))
        >>> keras.ops.convert_to_numpy(cleared)[0, :, 0].tolist()
        [1.0, 2.0, 0.0]
    """

    def call(self, inputs, mask=None):
        """Keeps the frames of the mask."""
        return zero_padding(inputs, mask)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape
