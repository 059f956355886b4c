"""Reading a video backward."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer


def reverse_frames(frames: keras.KerasTensor, mask: keras.KerasTensor | None) -> keras.KerasTensor:
    """Turns the order of each video's frames round, and leaves its padding where it is.

    Args:
        frames: (batch, time, size).
        mask: (batch, time), bool, true for the frames of a video, which come first; None means
            that every frame is one.

    Returns:
        (batch, time, size): the last frame of each video first. Doing it twice changes nothing.

    Example:
        >>> frames, mask = np.array([[[1.0], [2.0], [0.0]]]), np.array([[True, True, False]])
        >>> keras.ops.convert_to_numpy(reverse_frames(frames, mask))[0, :, 0].tolist()
        [2.0, 1.0, 0.0]
    """
    if mask is None:
        return ops.flip(frames, axis=1)
    batch, time, size = ops.shape(frames)
    num_frames = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
    position = ops.expand_dims(ops.arange(time, dtype="int32"), 0)
    source = ops.where(position < num_frames, num_frames - 1 - position, position)
    row = ops.expand_dims(ops.arange(batch, dtype="int32") * time, 1) + source
    return ops.take(ops.reshape(frames, (-1, size)), row, axis=0)


@keras.saving.register_keras_serializable(package="frame_models")
class ReverseFrames(FrameLayer):
    """Puts the last frame of each video first and its first frame last.

    Padding stays behind the frames, so what reads the result needs no other mask.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for the frames of a video,
        which come first. No mask means that every frame is one.

    Output shape:
        That of the input. The mask goes along.

    Example:
        >>> frames = np.array([[[1.0], [2.0], [3.0]]])
        >>> keras.ops.convert_to_numpy(ReverseFrames()(frames))[0, :, 0].tolist()
        [3.0, 2.0, 1.0]
    """

    ends_mask = False

    def call(self, inputs, mask=None):
        """Reverses each video by itself."""
        return reverse_frames(inputs, mask)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape
