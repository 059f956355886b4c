"""A small transformer encoder over frames, read from a learnt class token."""

import keras

from frame_models.layers.class_token_encoder import ClassTokenEncoder
from frame_models.layers.clear_padding import ClearPadding
from frame_models.layers.join import join
from frame_models.layers.sinusoidal_positions import SinusoidalPositions
from frame_models.layers.transformer_block import EPSILON
from video_models import VideoModel, logistic


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    width: int = 256,
    layers: int = 2,
    heads: int = 4,
    mlp_ratio: int = 4,
    dropout: float = 0.1,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Projects the frames, adds positions, runs transformer blocks and classifies the class token.

    A layer norm behind the projection brings the frames to unit size, that of the positions,
    however small the values of a normalised frame are. The positions have no weights, so videos
    may be longer than those it was trained on. Time and memory grow with the square of the number
    of frames.

    Where few classes of many are true, give the head a low prior, `logistic(prior=0.001)`: steps
    that only push all probabilities down move the class token, too, and delay what it learns by
    several epochs.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        width: size of the vectors in the encoder.
        layers: number of transformer blocks.
        heads: attention heads of a block; it divides `width`.
        mlp_ratio: hidden units of a block's perceptron, as a multiple of `width`.
        dropout: share of the activations that training drops.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Vaswani et al., Attention is all you need, https://arxiv.org/abs/1706.03762, in pre-norm
        order and with a class token as in Dosovitskiy et al., https://arxiv.org/abs/2010.11929.
    """
    if width < 1:
        raise ValueError(f"width must be positive. Received: width={width}.")
    x = ClearPadding()(join(frames), mask=mask)
    x = keras.layers.Dense(width, use_bias=False)(x)
    x = keras.layers.LayerNormalization(epsilon=EPSILON)(x)
    x = SinusoidalPositions()(x)
    x = ClassTokenEncoder(layers, heads, mlp_ratio, dropout)(x, mask=mask)
    return head(x, num_classes)
