"""Windows over time that overlap: how many a video has, and the maximum of each.

Window i starts at frame `i * stride` and takes `window` frames, or those that are left of the
video. Windows follow one another until one reaches the end of the video. So every frame between
the first start and the end of the video is in one, unless the stride leaves gaps; a video no longer
than a window has one; and where the last window fits exactly, they are those of a pooling or a
convolution without padding. The frames of a video come first and its padding last.
"""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer
from frame_models.layers.masked_max import LOWEST


def _check(window: int, stride: int):
    """Refuses windows without a frame, and windows that do not move."""
    if window < 1:
        raise ValueError(f"window must be positive. Received: window={window}.")
    if stride < 1:
        raise ValueError(f"stride must be positive. Received: stride={stride}.")


def _count(time: int | None, stride: int) -> int | None:
    """Counts the windows that start within `time` frames, padding or not."""
    return None if time is None else -(-time // stride)


def _window_mask(mask, window: int, stride: int):
    """Makes the mask of the windows, `(batch, windows)`, from that of the frames.

    A window counts if it holds a frame of the video that no window before it holds.
    """
    num_frames = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
    starts = ops.arange(0, ops.shape(mask)[1], stride, dtype="int32")
    first_new_frames = ops.where(starts == 0, 0, starts + max(window - stride, 0))
    return first_new_frames < num_frames


@keras.saving.register_keras_serializable(package="frame_models")
class WindowMask(keras.layers.Layer):
    """Tells which windows belong to the video, from the mask of its frames.

    It serves what makes windows but no mask, a convolution with a stride: its input is to be
    padded by `window - 1` frames of zeros at the end, so that there are as many windows.

    Args:
        window: frames of a window.
        stride: frames between the starts of two windows.
        **kwargs: what every Keras layer takes, such as `name`.

    Input shape:
        `(batch, time)`, bool, true for the frames of a video, which come first.

    Output shape:
        `(batch, ceil(time / stride))`, bool, true for the windows of the video.

    Raises:
        ValueError: an argument is not positive.

    Example:
        >>> mask = np.arange(8)[None] < 5
        >>> keras.ops.convert_to_numpy(WindowMask(window=4, stride=2)(mask)).tolist()
        [[True, True, False, False]]
    """

    def __init__(self, window: int = 10, stride: int = 5, **kwargs):
        super().__init__(**kwargs)
        _check(window, stride)
        self.window = window
        self.stride = stride

    def call(self, inputs):
        """Makes the mask of the windows."""
        return _window_mask(inputs, self.window, self.stride)

    def compute_output_shape(self, input_shape):
        """Replaces the frames by the windows that start at one."""
        return (input_shape[0], _count(input_shape[1], self.stride))

    def compute_output_spec(self, inputs):
        """Adds the dtype, which is that of no other layer's output."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype="bool")

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {**super().get_config(), "window": self.window, "stride": self.stride}


@keras.saving.register_keras_serializable(package="frame_models")
class WindowMax(FrameLayer):
    """Takes the maximum of each value over each window, counting only frames of the video.

    Windows that do not belong to the video give zeros; `WindowMask` tells which do.

    Args:
        window: frames of a window.
        stride: frames between the starts of two windows.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for the frames of a video,
        which come first. No mask means that every frame is one.

    Output shape:
        `(batch, ceil(time / stride), size)`. The mask of the frames ends here.

    Raises:
        ValueError: an argument is not positive.

    Example:
        >>> frames = np.arange(8.0).reshape(1, 8, 1)
        >>> keras.ops.convert_to_numpy(WindowMax(window=4, stride=2)(frames))[0, :, 0].tolist()
        [3.0, 5.0, 7.0, 0.0]
    """

    def __init__(self, window: int = 10, stride: int = 5, **kwargs):
        super().__init__(**kwargs)
        _check(window, stride)
        self.window = window
        self.stride = stride

    def call(self, inputs, mask=None):
        """Pools over time, at the end also over windows that are cut short."""
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        valid = ops.expand_dims(ops.cast(mask, "bool"), -1)
        frames = ops.where(valid, ops.cast(inputs, "float32"), LOWEST)
        frames = ops.pad(frames, ((0, 0), (0, self.window - 1), (0, 0)), constant_values=LOWEST)
        highest = ops.max_pool(
            frames, self.window, self.stride, padding="valid", data_format="channels_last"
        )
        belongs = ops.expand_dims(_window_mask(mask, self.window, self.stride), -1)
        return ops.cast(ops.where(belongs, highest, 0.0), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Replaces the frames by the windows that start at one."""
        return (input_shape[0], _count(input_shape[1], self.stride), *input_shape[2:])
