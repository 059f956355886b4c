"""Per-class attention over frames: every frame is classified, and each class picks its frames."""

import keras

from frame_models.layers.class_attention import ClassAttention
from frame_models.layers.clear_padding import ClearPadding
from frame_models.layers.dense_stack import frame_stack
from frame_models.layers.join import join


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    hidden: tuple[int, ...] = (1024, 1024, 1024),
    dropout: float = 0.5,
    activation: str = "relu",
    attention: str = "class_softmax",
    prior: float = 0.5,
    momentum: float = 0.99,
) -> keras.KerasTensor:
    """Embeds each frame by dense layers, classifies it, and averages the answers with attention.

    It is made for labels that hold for a part of the video only, and unknown which. It has no
    head: the average of the frames' probabilities is the result. For each frame and class it keeps
    two float32 values, 2.4 GB for 256 videos of 300 frames and 3862 classes.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        hidden: widths of the dense layers over each frame.
        dropout: share of the hidden activations that training drops.
        activation: name of a Keras activation, such as "relu" or "gelu".
        attention: what makes a frame's weight for a class from its score, before the weights are
            divided by their sum over time: "softmax" the exponential, "sigmoid" the sigmoid,
            "class_softmax" the softmax over the classes of the frame.
        prior: probability every class of every frame starts at.
        momentum: of the moving statistics of the batch norms.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Kong et al., Audio Set classification with attention model: a probabilistic perspective,
        https://arxiv.org/abs/1711.00927. The defaults are those of the authors' code.
    """
    x = ClearPadding()(join(frames), mask=mask)
    x = frame_stack(x, mask, hidden, dropout, activation=activation, momentum=momentum)
    return ClassAttention(num_classes, attention, prior)(x, mask=mask)
