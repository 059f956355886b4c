"""Classifying every frame, and for each class attending to the frames that matter to it."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FramePooling
from frame_models.layers.masked_max import LOWEST
from video_models.layers.weights import prior_bias

_SCORES = {"softmax": lambda x: x, "sigmoid": ops.log_sigmoid, "class_softmax": ops.log_softmax}


@keras.saving.register_keras_serializable(package="frame_models")
class ClassAttention(FramePooling):
    """Averages the probabilities of the frames, weighed for each class by its own attention.

    `p_c = sum_t a_tc * sigmoid(x_t @ kernel + bias)_c`, where `a` is positive and sums to 1 over
    the frames of the video. It is made from a second dense layer, `z`, in one of three ways:

    - "softmax": `exp(z_tc)`, divided by its sum over time. Attention may be as sharp as it likes.
    - "sigmoid": `sigmoid(z_tc)`, divided by its sum over time. No frame can count for more than
      those that are wholly attended to.
    - "class_softmax": the softmax of `z_t` over the classes, divided by its sum over time. A frame
      divides its attention among the classes.

    All are a softmax over time, of `z`, of its log sigmoid or of its log softmax, so that no sum
    is 0. A video without a frame gets `sigmoid(bias)`. Frames outside the mask are never read.
    It computes in float32 unless told otherwise, as the other classifiers do.

    Args:
        num_classes: number of classes.
        attention: "softmax", "sigmoid" or "class_softmax".
        prior: probability that every class of every frame starts at; 0.5 leaves the bias at 0.
        dtype: dtype or dtype policy of the computation and the output.
        **kwargs: what every Keras layer takes, such as `name`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.
        No mask means that every frame is one.

    Output shape:
        `(batch, num_classes)`, probabilities. The mask ends here.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Kong et al., Audio Set classification with attention model: a probabilistic perspective,
        https://arxiv.org/abs/1711.00927; the authors' code has "class_softmax".

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(ClassAttention(num_classes=3)(frames).shape)
        (2, 3)
    """

    def __init__(
        self,
        num_classes: int,
        attention: str = "softmax",
        prior: float = 0.5,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if num_classes < 1:
            raise ValueError(f"num_classes must be positive. Received: num_classes={num_classes}.")
        if attention not in _SCORES:
            raise ValueError(
                f"attention must be one of {', '.join(map(repr, _SCORES))}. "
                f"Received: attention={attention!r}."
            )
        prior_bias(prior)  # An error belongs here, not in `build`.
        self.num_classes = num_classes
        self.attention = attention
        self.prior = prior

    def build(self, input_shape):
        """Makes the classifier of the frames and the attention."""
        self.classifier = keras.layers.Dense(
            self.num_classes,
            bias_initializer=prior_bias(self.prior),
            dtype=self.dtype_policy,
            name="classifier",
        )
        self.scorer = keras.layers.Dense(
            self.num_classes,
            use_bias=self.attention != "softmax",  # Over time a softmax would cancel the bias.
            dtype=self.dtype_policy,
            name="scorer",
        )
        self.classifier.build(input_shape)
        self.scorer.build(input_shape)

    def call(self, inputs, mask=None):
        """Weighs the answers of the valid frames."""
        valid = self._valid(inputs, mask)
        answers, shares = self._attend(inputs, valid)
        # The largest share of a video is 1, and so their sum is at least 1.
        mean = ops.sum(shares * answers, axis=1) / ops.maximum(ops.sum(shares, axis=1), 1.0)
        nothing_seen = ops.sigmoid(ops.cast(self.classifier.bias, "float32"))
        mean = ops.where(ops.any(valid, axis=1), mean, nothing_seen)
        # Rounding may leave a little more than 1, which is no probability.
        mean = ops.minimum(mean, 1.0)
        return ops.cast(mean, self.compute_dtype)

    def intermediates(self, inputs, mask=None):
        """Returns what each frame has for each class, both (batch, time, num_classes).

        `attention`: the weights of the average; those of a class sum to 1 over the frames.
        `frame_probabilities`: what is averaged.
        """
        valid = self._valid(inputs, mask)
        answers, shares = self._attend(inputs, valid)
        attention = shares / ops.maximum(ops.sum(shares, axis=1, keepdims=True), 1.0)
        return {"attention": attention, "frame_probabilities": ops.where(valid, answers, 0.0)}

    def _valid(self, inputs, mask):
        """The mask with an axis for the classes."""
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], dtype="bool")
        return ops.expand_dims(ops.cast(mask, "bool"), -1)

    def _attend(self, inputs, valid):
        """Returns the probabilities of each frame and its shares, of which the largest are 1."""
        frames = ops.where(valid, inputs, ops.zeros_like(inputs))
        answers = ops.cast(ops.sigmoid(self.classifier(frames)), "float32")
        scores = _SCORES[self.attention](ops.cast(self.scorer(frames), "float32"))
        scores = ops.where(valid, scores, LOWEST)
        highest = ops.stop_gradient(ops.max(scores, axis=1, keepdims=True))
        return answers, ops.where(valid, ops.exp(scores - highest), 0.0)

    def output_size(self, size: int) -> int:
        """One probability for each class."""
        return self.num_classes
