"""Emptying the frames that a video does not have."""

import keras

from frame_models.layers.padding import zero_padding


@keras.saving.register_keras_serializable(package="frame_models")
class ClearPadding(keras.layers.Layer):
    """Sets every frame outside the mask to zeros.

    What multiplies frames one by one (a dense layer, a convolution) comes behind it: garbage in
    the padding could overflow there, and the gradient of an infinity that is masked later is NaN.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        That of the input. The mask does not go along.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        """Keeps the frames of the mask."""
        return zero_padding(inputs, mask)

    def compute_mask(self, inputs, previous_mask=None):
        """Returns None: whatever needs the mask behind it is given it by name."""
        return None

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape
