"""An image network at work on every frame of a clip."""

from collections.abc import Callable

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class MergeTime(keras.layers.Layer):
    """Makes every frame of every clip an image of one batch.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, ...)`.

    Output shape:
        `(batch * time, ...)`.

    Example:
        >>> tuple(MergeTime()(np.zeros((2, 5, 8, 8, 3))).shape)  # 2 clips of 5 frames
        (10, 8, 8, 3)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, inputs):
        """Joins the first two axes."""
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape):
        """Joins the first two axes."""
        batch, time, *rest = input_shape
        return (None if batch is None or time is None else batch * time, *rest)


@keras.saving.register_keras_serializable(package="frame_models")
class SplitTime(keras.layers.Layer):
    """Puts what `MergeTime` made a batch of back into clips.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        A list: the images `(batch * time, ...)`, and `(batch, time)` or more, the clips that they
        are of, of which only the shape is looked at.

    Output shape:
        `(batch, time, ...)`.

    Example:
        >>> vectors, clips = np.zeros((10, 4)), np.zeros((2, 5, 8, 8, 3))
        >>> tuple(SplitTime()([vectors, clips]).shape)
        (2, 5, 4)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, inputs):
        """Splits the first axis."""
        images, clips = inputs
        time = clips.shape[1] if clips.shape[1] is not None else ops.shape(clips)[1]
        return ops.reshape(images, (-1, time, *images.shape[1:]))

    def compute_output_shape(self, input_shape):
        """Takes batch and time from the clips."""
        images, clips = input_shape
        return (*clips[:2], *images[1:])


def each_frame(
    clips: keras.KerasTensor, function: Callable[[keras.KerasTensor], keras.KerasTensor]
) -> keras.KerasTensor:
    """Applies a function of images to every frame of clips.

    Args:
        clips: (batch, time, ...).
        function: from (images, ...) to (images, ...), such as a Keras model.

    Returns:
        (batch, time, ...), what the function gives for each frame.

    Example:
        >>> pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        >>> each_frame(keras.Input((5, 8, 8, 3)), pool).shape
        (None, 5, 3)
    """
    return SplitTime()([function(MergeTime()(clips)), clips])
