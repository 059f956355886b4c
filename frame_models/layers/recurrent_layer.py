"""One recurrent layer over the frames that a video really has."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer
from frame_models.layers.gate_bias import GateBias
from frame_models.layers.padding import zero_padding
from frame_models.layers.reverse_frames import reverse_frames

CELLS = ("lstm", "gru")


@keras.saving.register_keras_serializable(package="frame_models")
class RecurrentLayer(FrameLayer):
    """Runs an LSTM or a GRU over each video, up to its last frame.

    It adds to Keras' layers what videos of different lengths need. Padding is emptied before
    anything is multiplied, and gives zeros. A video without a frame gives zeros, too: cuDNN
    refuses it, so its first frame, emptied, is read and the result dropped. The GRU resets the
    state before the matrix product, as that of TensorFlow 1 does.

    Args:
        units: size of the state, for each direction.
        cell: "lstm" or "gru".
        bidirectional: read each video from its end as well, with weights of its own.
        dropout: share of the input values that training drops; the same for all frames of a video.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether to drop activations.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for the frames of a video,
        which come first. No mask means that every frame is one.

    Output shape:
        A dict. `frames` `(batch, time, n)`: h at each frame. `last` `(batch, n)`: h of each
        direction when it has read the video. `states` `(batch, m)`: all it remembers then, c and h
        for an LSTM and h for a GRU. n is `units`, m is `2 * units` for an LSTM and `units` for a
        GRU; bidirectional, both are twice that: first all of the forward direction, then all of
        the backward one. The mask ends here.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Hochreiter and Schmidhuber, Long short-term memory, 1997; Cho et al.,
        https://arxiv.org/abs/1406.1078; the dropout is that of Gal and Ghahramani,
        https://arxiv.org/abs/1512.05287, on the inputs only.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> read = RecurrentLayer(4)(frames)
        >>> {name: tuple(value.shape) for name, value in read.items()}
        {'frames': (2, 5, 4), 'last': (2, 4), 'states': (2, 8)}
    """

    def __init__(
        self,
        units: int,
        cell: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be positive. Received: units={units}.")
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}. Received: cell={cell!r}.")
        if not 0 <= dropout < 1:
            raise ValueError(
                f"dropout must be at least 0 and below 1. Received: dropout={dropout}."
            )
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional
        self.dropout = dropout

    def build(self, input_shape):
        """Makes a Keras layer for each direction."""
        self.forward_rnn = self._make_rnn("forward")
        self.forward_rnn.build(input_shape)
        if self.bidirectional:
            self.backward_rnn = self._make_rnn("backward")
            self.backward_rnn.build(input_shape)

    def _make_rnn(self, name: str) -> keras.layers.RNN:
        shared = {
            "dropout": self.dropout,
            "return_sequences": True,
            "return_state": True,
            "dtype": self.dtype_policy,
            "name": name,
        }
        if self.cell == "lstm":
            return keras.layers.LSTM(self.units, **shared)
        return keras.layers.GRU(
            self.units, reset_after=False, bias_initializer=GateBias(), **shared
        )

    def call(self, inputs, mask=None, training=None):
        """Reads each video, in one direction or in both."""
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        frames = zero_padding(inputs, mask)
        h, states = self._read(self.forward_rnn, frames, mask, training)
        last = states[-1:]
        if self.bidirectional:
            reversed_h, more = self._read(
                self.backward_rnn, reverse_frames(frames, mask), mask, training
            )
            h = ops.concatenate([h, reverse_frames(reversed_h, mask)], axis=-1)
            states, last = states + more, last + more[-1:]
        return {
            "frames": h,
            "last": ops.concatenate(last, axis=-1),
            "states": ops.concatenate(states, axis=-1),
        }

    def _read(self, rnn, frames, mask, training):
        """Returns h at each frame and the final states, h last; zeros where there is no frame."""
        num_frames = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        position = ops.expand_dims(ops.arange(ops.shape(frames)[1], dtype="int32"), 0)
        h, *states = rnn(frames, mask=position < ops.maximum(num_frames, 1), training=training)
        states = [ops.where(num_frames > 0, s, ops.zeros_like(s)) for s in reversed(states)]
        return zero_padding(h, mask), states

    def compute_output_shape(self, input_shape):
        """Gives the shapes of the three outputs."""
        batch, time = input_shape[:2]
        size = self.units * (2 if self.bidirectional else 1)
        states = size * (2 if self.cell == "lstm" else 1)
        return {"frames": (batch, time, size), "last": (batch, size), "states": (batch, states)}
