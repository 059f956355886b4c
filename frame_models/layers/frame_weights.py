"""How much each frame of a video counts, by its place."""

import keras
from keras import ops

KINDS = ("ramp", "last", "mean")


@keras.saving.register_keras_serializable(package="frame_models")
class FrameWeights(keras.layers.Layer):
    """Weighs the frames of a video by their place; padding weighs nothing.

    The weights are whole numbers, exact in float32, and their sum is not 1: who divides by it last
    keeps an average of probabilities within [0, 1].

    Args:
        kind: "ramp" weighs frame t by t, counted from 1; "last" takes the last frame alone; "mean"
            weighs all frames alike.
        **kwargs: what every Keras layer takes, such as `name`.

    Input shape:
        `(batch, time)`, bool: the mask, true for the frames of a video, which come first.

    Output shape:
        `(batch, time)`, float32. A video without a frame gets zeros.

    Raises:
        ValueError: `kind` is none of these.

    Reference:
        Yue-Hei Ng et al., https://arxiv.org/abs/1503.08909, whose gain grows linearly over time.

    Example:
        >>> mask = np.array([[True, True, True, False]])
        >>> keras.ops.convert_to_numpy(FrameWeights("ramp")(mask)).tolist()
        [[1.0, 2.0, 3.0, 0.0]]
    """

    def __init__(self, kind: str = "ramp", **kwargs):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}. Received: kind={kind!r}.")
        self.kind = kind

    def call(self, inputs):
        """Counts the frames."""
        mask = ops.cast(inputs, "int32")
        place = ops.expand_dims(ops.arange(1, ops.shape(mask)[1] + 1, dtype="int32"), 0)
        if self.kind == "ramp":
            weights = mask * place
        elif self.kind == "last":
            num_frames = ops.sum(mask, axis=1, keepdims=True)
            weights = mask * ops.cast(place == num_frames, "int32")
        else:
            weights = mask
        return ops.cast(weights, "float32")

    def compute_output_spec(self, inputs):
        """Keeps the shape; the weights are float32 under every dtype policy."""
        return keras.KerasTensor(inputs.shape, dtype="float32")

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {**super().get_config(), "kind": self.kind}
