"""A fixed number of parts of each video, however long it is, and the maximum of each."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer
from frame_models.layers.masked_max import LOWEST


@keras.saving.register_keras_serializable(package="frame_models")
class PartMax(FrameLayer):
    """Divides the frames of each video into equal parts and takes the maximum over each.

    Part i of a video of n frames holds the frames from `floor(i * n / parts)` up to, and without,
    `ceil((i + 1) * n / parts)`. Where n is no multiple of `parts`, neighbours share a frame. No
    part is empty: a video with fewer frames than parts repeats frames. A video without a frame
    gives zeros.

    Args:
        parts: number of parts.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for the frames of a video,
        which come first. No mask means that every frame is one.

    Output shape:
        `(batch, parts, size)`. The mask ends here: a video has all its parts.

    Raises:
        ValueError: `parts` is not positive.

    Example:
        >>> frames = np.arange(6.0).reshape(1, 6, 1)
        >>> keras.ops.convert_to_numpy(PartMax(3)(frames))[0, :, 0].tolist()
        [1.0, 3.0, 5.0]
    """

    def __init__(self, parts: int = 5, **kwargs):
        super().__init__(**kwargs)
        if parts < 1:
            raise ValueError(f"parts must be positive. Received: parts={parts}.")
        self.parts = parts

    def call(self, inputs, mask=None):
        """Gathers the frames of each part, and takes their maximum."""
        batch, time, size = ops.shape(inputs)
        if mask is None:
            mask = ops.ones((batch, time), dtype="bool")
        num_frames = ops.sum(ops.cast(mask, "int32"), axis=1)[:, None]
        part = ops.arange(self.parts, dtype="int32")
        start = part * num_frames // self.parts
        end = -(-(part + 1) * num_frames // self.parts)
        # The longest part of the longest video has so many frames, or one less.
        longest = ops.arange(time // self.parts + 2, dtype="int32")
        frame = start[..., None] + longest
        inside = frame < end[..., None]
        row = ops.arange(batch, dtype="int32")[:, None, None] * time + ops.where(inside, frame, 0)
        frames = ops.take(ops.reshape(inputs, (-1, size)), row, axis=0)
        frames = ops.where(inside[..., None], ops.cast(frames, "float32"), LOWEST)
        highest = ops.max(frames, axis=2)
        return ops.cast(ops.where(num_frames[..., None] > 0, highest, 0.0), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Replaces the frames by the parts."""
        return (input_shape[0], self.parts, *input_shape[2:])
