"""Frames are fused little by little, in the first three convolutions."""

import keras
from keras import layers

from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.hidden_layers import hidden_layers
from frame_models.pixels.layers.karpathy import slow_fusion_network
from frame_models.pixels.layers.sub_network import add_network
from video_models import VideoModel, softmax

# Name -> spec: what `slow_fusion@NAME` is short for in a spec.
PUBLISHED = {
    # Karpathy et al., https://cs.stanford.edu/people/karpathy/deepvideo/, section 3.1.
    "paper": "slow_fusion",
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
    """Classifies a clip with convolutions over time and space, the best network of the paper.

    The first three convolutions of the single-frame network span 4, 2 and 2 steps of time, at a
    stride of 2: of 10 frames the third sees all. Published for 10 frames of 170 x 170 pixels, with
    75,511,751 parameters for 487 classes. Padding shows the clip's last frame.

    Args:
        pixels: (batch, time, height, width, channels), of known sizes, of 10 frames or 18, 26, ...
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        hidden: widths of the dense layers, with ReLU, behind the convolutions.
        dropout: share of their activations that training drops.
        width: scales the number of channels of the convolutions and the widths of `hidden`.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: the number of frames is none of these, their size is not known or less than
            11 x 11, or an argument is out of its range.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks, 2014,
        section 3.1, https://cs.stanford.edu/people/karpathy/deepvideo/.
    """
    network = slow_fusion_network(pixels.shape[1:], width)
    x = layers.Flatten()(add_network(FillPadding()(pixels, mask=mask), network))
    return head(hidden_layers(x, hidden, dropout, width), num_classes)
