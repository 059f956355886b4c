"""The first and the last frame of a clip, joined by dense layers."""

import keras
from keras import layers, ops

from frame_models.pixels.layers.each_frame import each_frame
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.hidden_layers import hidden_layers
from frame_models.pixels.layers.karpathy import karpathy
from frame_models.pixels.layers.sub_network import add_network
from video_models import VideoModel, softmax

# Name -> spec: what `late_fusion@NAME` is short for in a spec.
PUBLISHED = {
    # Karpathy et al., https://cs.stanford.edu/people/karpathy/deepvideo/, section 3.1.
    "paper": "late_fusion",
}


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    hidden: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    width: float = 1.0,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Classifies a clip by its first and its last frame, which pass the same convolutions.

    The dense layers see both maps side by side, and so what has moved. The frames between are not
    looked at: clips of two frames that are 15 apart, or of 16 in a row, are the published ones, of
    170 x 170 pixels; with 125,288,295 parameters for 487 classes. Where a clip is padded, its last
    frame is the last that it really has.

    Args:
        pixels: (batch, time, height, width, channels), of known sizes, of two frames or more.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        hidden: widths of the dense layers, with ReLU, behind the convolutions.
        dropout: share of their activations that training drops.
        width: scales the number of channels of the convolutions and the widths of `hidden`.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: the clip has one frame, the number of frames or their size is not known, they
            are smaller than 11 x 11, or an argument is out of its range.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks, 2014,
        section 3.1, https://cs.stanford.edu/people/karpathy/deepvideo/.
    """
    if None in pixels.shape[1:] or pixels.shape[1] < 2:
        raise ValueError(
            "Late fusion needs clips of a known length, two frames or more, and a known height and "
            f"width. Received: pixels of shape {pixels.shape}."
        )
    network = karpathy(pixels.shape[2:], width)
    ends = ops.take(FillPadding()(pixels, mask=mask), [0, pixels.shape[1] - 1], axis=1)
    x = layers.Flatten()(each_frame(ends, lambda images: add_network(images, network)))
    return head(hidden_layers(x, hidden, dropout, width), num_classes)
