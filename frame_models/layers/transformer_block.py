"""A block of a transformer encoder."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FrameLayer

EPSILON = 1e-6  # Of the layer norms. Keras' 0.001 would shrink small frames noticeably.


@keras.saving.register_keras_serializable(package="frame_models")
class TransformerBlock(FrameLayer):
    """Attends to the other vectors, then transforms each vector; adds both to what entered.

    The norms come before the attention and the perceptron (pre-norm), which trains without a
    warm-up. The attention has no biases: that of the keys would cancel in the softmax. It takes
    its softmax in float32 under every dtype policy. Dropout follows each dense layer, as in the
    vision transformer, but does not touch the attention's weights.

    Args:
        heads: number of attention heads; it divides the size of the vectors.
        mlp_ratio: hidden units of the perceptron for each value of a vector.
        dropout: share of the activations that training drops.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        num_queries: how many of the vectors, from the first on, to transform; None for all.
        training: whether to drop activations.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for the vectors that others
        may attend to, at least one of each video. No mask means all of them.

    Output shape:
        That of the input, or `(batch, num_queries, size)`.

    Raises:
        ValueError: an argument is out of its range, or `heads` does not divide the size.

    Reference:
        Vaswani et al., https://arxiv.org/abs/1706.03762; Dosovitskiy et al., An image is worth
        16x16 words, https://arxiv.org/abs/2010.11929.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(TransformerBlock(heads=2)(frames, num_queries=1).shape)
        (2, 1, 8)
    """

    ends_mask = False

    def __init__(self, heads: int = 4, mlp_ratio: int = 4, dropout: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        if heads < 1:
            raise ValueError(f"heads must be positive. Received: heads={heads}.")
        if mlp_ratio < 1:
            raise ValueError(f"mlp_ratio must be positive. Received: mlp_ratio={mlp_ratio}.")
        self.heads = heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        """Makes the attention, the perceptron and their norms."""
        size = input_shape[-1]
        if size % self.heads:
            raise ValueError(
                f"heads must divide the size of the vectors. "
                f"Received: heads={self.heads}, size={size}."
            )
        own = {"dtype": self.dtype_policy}
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=EPSILON, name="attention_norm", **own
        )
        exact = {"dtype": "float32"} if _lacks_float16(self.compute_dtype) else own
        self.attention = keras.layers.MultiHeadAttention(
            self.heads, size // self.heads, use_bias=False, name="attention", **exact
        )
        self.mlp_norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="mlp_norm", **own)
        self.widen = keras.layers.Dense(size * self.mlp_ratio, "gelu", name="widen", **own)
        self.narrow = keras.layers.Dense(size, name="narrow", **own)
        self.attention_norm.build(input_shape)
        self.attention.build(input_shape, input_shape)
        self.mlp_norm.build(input_shape)
        self.widen.build(input_shape)
        self.narrow.build((*input_shape[:-1], size * self.mlp_ratio))

    def call(self, inputs, mask=None, num_queries: int | None = None, training=None):
        """Transforms the first `num_queries` vectors, by default all, attending to all."""
        normed = self.attention_norm(inputs)
        seen = self.attention(
            normed[:, :num_queries], normed, attention_mask=_allowed(mask), training=training
        )
        seen = ops.cast(seen, self.compute_dtype)
        x = inputs[:, :num_queries] + self.drop(seen, training=training)
        wide = self.drop(self.widen(self.mlp_norm(x)), training=training)
        return x + self.drop(self.narrow(wide), training=training)

    def attention_scores(self, inputs, mask=None, num_queries: int | None = None):
        """How much each of the first `num_queries` vectors attends to each vector, at inference.

        Returns:
            (batch, heads, num_queries, time); those of a query sum to 1.
        """
        normed = self.attention_norm(inputs)
        _, scores = self.attention(
            normed[:, :num_queries],
            normed,
            attention_mask=_allowed(mask),
            return_attention_scores=True,
            training=False,
        )
        return scores

    def compute_output_shape(self, input_shape, num_queries: int | None = None):
        """Keeps the shape, without the vectors that are left out."""
        return (input_shape[0], num_queries or input_shape[1], input_shape[2])


def _lacks_float16(dtype: str) -> bool:
    """Whether attention must be computed in float32: JAX's CPU has no such product in float16."""
    if dtype != "float16" or keras.config.backend() != "jax":
        return False
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())


def _allowed(mask):
    """The mask with an axis of queries: one row serves all, what padding attends to is dropped."""
    return None if mask is None else ops.expand_dims(ops.cast(mask, "bool"), 1)
