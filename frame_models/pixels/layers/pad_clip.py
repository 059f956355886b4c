"""Padding a clip in space with zeros and in time with what is at its ends."""

import keras
from keras import ops

EDGES = ("replicate", "zeros")


@keras.saving.register_keras_serializable(package="frame_models")
class PadClip(keras.layers.Layer):
    """Adds frames before and behind a clip, and rows and columns of zeros around its frames.

    A convolution over time that pads with zeros sees the clip fade at both ends. With its first
    and last frame repeated, a clip of one repeated image stays one.

    Args:
        time: how many frames to add before and behind.
        height: how many rows of zeros to add above and below.
        width: how many columns of zeros to add left and right.
        edges: "replicate" repeats the first and the last frame, "zeros" adds frames of zeros.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, time, height, width, channels)`, float.

    Output shape:
        That of the input, with what is added.

    Raises:
        ValueError: `edges` is neither of these.

    Example:
        >>> clip = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1, 1)  # 3 frames of one pixel
        >>> keras.ops.convert_to_numpy(PadClip(time=(1, 2))(clip)).ravel().tolist()
        [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]
        >>> keras.ops.convert_to_numpy(PadClip(width=(1, 0))(clip)).ravel().tolist()
        [0.0, 1.0, 0.0, 2.0, 0.0, 3.0]
    """

    def __init__(
        self,
        time: tuple[int, int] = (0, 0),
        height: tuple[int, int] = (0, 0),
        width: tuple[int, int] = (0, 0),
        edges: str = "replicate",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if edges not in EDGES:
            raise ValueError(f"edges must be one of {', '.join(EDGES)}. Received: edges={edges!r}.")
        self.time = tuple(time)
        self.height = tuple(height)
        self.width = tuple(width)
        self.edges = edges

    def call(self, inputs):
        """Pads time first: the zeros in space are the same in every frame."""
        in_time = self.time if self.edges == "zeros" else (0, 0)
        if self.edges == "replicate":
            first = ops.repeat(inputs[:, :1], self.time[0], axis=1)
            last = ops.repeat(inputs[:, -1:], self.time[1], axis=1)
            inputs = ops.concatenate([first, inputs, last], axis=1)
        return ops.pad(inputs, ((0, 0), in_time, self.height, self.width, (0, 0)))

    def compute_output_shape(self, input_shape):
        """Adds up each axis where it is known."""
        batch, *sides, channels = input_shape
        added = (self.time, self.height, self.width)
        sides = [
            None if side is None else side + sum(more)
            for side, more in zip(sides, added, strict=True)
        ]
        return (batch, *sides, channels)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "time": self.time,
            "height": self.height,
            "width": self.width,
            "edges": self.edges,
        }
