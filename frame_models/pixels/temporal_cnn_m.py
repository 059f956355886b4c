"""CNN-M-2048 as the temporal stream of the two-stream networks has it."""

import keras

from frame_models.pixels import cnn_m
from video_models import VideoModel, softmax


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    dropout: float = 0.9,
    rounding: str = "down",
    width: float = 1.0,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Classifies each frame's stack of flow: `cnn_m` with one normalisation and more dropout.

    The paper leaves out the second normalisation to save memory. Stacks of 20 channels, which are
    10 fields of flow, and 101 classes take 67,639,109 parameters for 224 x 224 pixels.

    Args:
        pixels: (batch, time, height, width, channels), flow as a rule, of known height and width.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        dropout: share of the activations of each dense layer that training drops.
        rounding: "down", or "up" for pools that take a last window that only begins within the
            map, as Caffe does.
        width: scales the number of channels of every layer.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy. A clip without a
        frame gets zeros.

    Raises:
        ValueError: the size of the frames is not known or too small, an argument is out of its
            range, or the head answers several times.

    Reference:
        Simonyan and Zisserman, Two-stream convolutional networks for action recognition in videos,
        https://arxiv.org/abs/1406.2199, figure 1 and section 6.
    """
    return cnn_m.build(
        pixels,
        mask,
        num_classes,
        dropout=dropout,
        norms=1,
        rounding=rounding,
        width=width,
        head=head,
    )
