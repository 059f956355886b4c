"""Residual multilayer perceptron with batch norm and dropout: the strong baseline."""

import keras
from keras import layers

from video_models import VideoModel, logistic
from video_models.layers.context_gating import ContextGating


def _input_norm(features: keras.KerasTensor, kind: str, momentum: float) -> keras.KerasTensor:
    """Brings the values of the input to about unit size. See `build` for the kinds."""
    if kind == "rms":
        return layers.RMSNormalization(dtype="float32")(features)
    if kind == "batch":
        return layers.BatchNormalization(momentum=momentum, dtype="float32")(features)
    if kind == "none":
        return features
    raise ValueError(f"input_norm must be 'rms', 'batch' or 'none'. Received: input_norm={kind!r}.")


def _activate(
    x: keras.KerasTensor, activation: str, dropout: float, momentum: float
) -> keras.KerasTensor:
    """Applies batch norm, activation and dropout."""
    x = layers.BatchNormalization(momentum=momentum)(x)
    x = layers.Activation(activation)(x)
    return layers.Dropout(dropout)(x) if dropout else x


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    hidden: int = 2048,
    blocks: int = 1,
    dropout: float = 0.2,
    input_norm: str = "rms",
    input_dropout: float = 0.0,
    activation: str = "gelu",
    gating: bool = False,
    momentum: float = 0.99,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Builds a dense layer, residual blocks in pre-activation order, and a classifier head.

    A block is twice batch norm, activation, dropout and a dense layer, added to what entered it;
    a last batch norm, activation and dropout precede the head. `blocks=0` is a plain perceptron
    with one hidden layer.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes.
        hidden: width of the hidden layer and of the blocks.
        blocks: number of residual blocks, 0 or more, two dense layers each.
        dropout: share of the hidden activations that training drops.
        input_norm: what brings the input to unit size. "rms" divides each vector by its root
            mean square, "batch" normalises each value over the videos, "none" leaves both.
        input_dropout: share of the input values that training drops.
        activation: name of a Keras activation, such as "relu" or "gelu".
        gating: weigh the last hidden vector by context gating.
        momentum: of the moving statistics of the batch norms.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        He et al., Identity mappings in deep residual networks, https://arxiv.org/abs/1603.05027,
        with dense layers for convolutions.
    """
    if hidden < 1:
        raise ValueError(f"hidden must be positive. Received: hidden={hidden}.")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1. Received: momentum={momentum}.")
    if blocks < 0:
        raise ValueError(f"blocks must be 0 or more. Received: blocks={blocks}.")
    x = _input_norm(features, input_norm, momentum)
    if input_dropout:
        x = layers.Dropout(input_dropout)(x)
    x = layers.Dense(hidden, use_bias=False)(x)
    for _ in range(blocks):
        branch = _activate(x, activation, dropout, momentum)
        branch = layers.Dense(hidden, use_bias=False)(branch)
        branch = _activate(branch, activation, dropout, momentum)
        x = layers.Add()([x, layers.Dense(hidden, use_bias=False)(branch)])
    x = _activate(x, activation, dropout, momentum)
    if gating:
        x = ContextGating(momentum=momentum)(x)
    return head(x, num_classes)
