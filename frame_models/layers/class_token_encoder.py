"""A transformer encoder that sums up a sequence in a token."""

import keras
from keras import ops

from frame_models.layers.frame_layer import FramePooling
from frame_models.layers.padding import zero_padding
from frame_models.layers.transformer_block import EPSILON, TransformerBlock


@keras.saving.register_keras_serializable(package="frame_models")
class ClassTokenEncoder(FramePooling):
    """Puts a learnt token before the frames, and returns what transformer blocks make of it.

    Frames outside the mask are never read. In a video without a frame the token attends to itself
    alone, and the result is finite. The last block transforms only the token, since nothing reads
    the frames behind it.

    Args:
        layers: number of blocks.
        heads: attention heads of a block; it divides the size of the frames.
        mlp_ratio: hidden units of a block's perceptron for each value of a frame.
        dropout: share of the activations that training drops.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether to drop activations.

    Input shape:
        `(batch, time, size)`, float, with positions; mask `(batch, time)`, bool, true for a frame
        of the video. No mask means that every frame is one.

    Output shape:
        `(batch, size)`, the token behind a last layer norm. The mask ends here.

    Raises:
        ValueError: an argument is out of its range, or `heads` does not divide the size.

    Reference:
        Devlin et al., BERT, https://arxiv.org/abs/1810.04805; Dosovitskiy et al., An image is
        worth 16x16 words, https://arxiv.org/abs/2010.11929.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(ClassTokenEncoder(layers=1, heads=2)(frames).shape)
        (2, 8)
    """

    def __init__(
        self, layers: int = 2, heads: int = 4, mlp_ratio: int = 4, dropout: float = 0.1, **kwargs
    ):
        super().__init__(**kwargs)
        if layers < 1:
            raise ValueError(f"layers must be positive. Received: layers={layers}.")
        self.layers = layers
        self.heads = heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.blocks = [
            TransformerBlock(heads, mlp_ratio, dropout, dtype=self.dtype_policy, name=f"block_{i}")
            for i in range(layers)
        ]

    def build(self, input_shape):
        """Makes the token, the blocks and the last norm."""
        self.token = self.add_weight(
            name="token",
            shape=(1, 1, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        for block in self.blocks:
            block.build(input_shape)
        self.norm = keras.layers.LayerNormalization(
            epsilon=EPSILON, name="norm", dtype=self.dtype_policy
        )
        self.norm.build((input_shape[0], input_shape[-1]))

    def call(self, inputs, mask=None, training=None):
        """Runs the blocks over the token and the frames, and returns the token."""
        x, mask = self._before_last_block(inputs, mask, training)
        x = self.blocks[-1](x, mask=mask, num_queries=1, training=training)
        return self.norm(x[:, 0])

    def intermediates(self, inputs, mask=None):
        """Returns `attention` (batch, time, heads): the token's, in the last block, to each frame.

        The weights of a head sum to 1 over the frames: what the token attends to itself is left
        out.
        """
        x, mask = self._before_last_block(inputs, mask, training=False)
        scores = self.blocks[-1].attention_scores(x, mask, num_queries=1)
        scores = ops.cast(scores, "float32")[:, :, 0, 1:] * ops.cast(mask, "float32")[:, None, 1:]
        total = ops.sum(scores, axis=-1, keepdims=True)
        return {"attention": ops.transpose(scores / ops.maximum(total, 1e-30), (0, 2, 1))}

    def _before_last_block(self, inputs, mask, training):
        """Returns the token and the frames as the last block sees them, and their mask."""
        batch, time, size = ops.shape(inputs)
        if mask is None:
            mask = ops.ones((batch, time), dtype="bool")
        mask = ops.cast(mask, "bool")
        frames = self.drop(zero_padding(inputs, mask), training=training)
        token = ops.broadcast_to(ops.cast(self.token, self.compute_dtype), (batch, 1, size))
        x = ops.concatenate([token, frames], axis=1)
        mask = ops.pad(mask, ((0, 0), (1, 0)), constant_values=True)
        for block in self.blocks[:-1]:
            x = block(x, mask=mask, training=training)
        return x, mask
