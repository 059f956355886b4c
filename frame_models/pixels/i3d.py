"""I3D: Inception v1 with every kernel inflated along time."""

import keras
from keras import layers

from frame_models.pixels.layers.clip_pooling import ClipAveragePooling
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.inception_v1 import inception_v1
from frame_models.pixels.layers.sub_network import add_network
from video_models import VideoModel, softmax

# Name -> spec: what `i3d@NAME` is short for in a spec.
PUBLISHED = {
    # Carreira and Zisserman, https://arxiv.org/abs/1705.07750.
    "paper": "i3d",
}


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    dropout: float = 0.5,
    momentum: float = 0.99,
    width: float = 1.0,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Reads a clip with Inception v1 in three dimensions, and averages its last map.

    Published for clips of 64 frames of 224 x 224 pixels. It has 12,704,544 parameters for 400
    classes and three channels and 12,682,592 for two, the moving statistics of its batch norms and
    the classifier counted. `two_stream(spatial=i3d, temporal=i3d, fusion='product')` is two-stream
    I3D. Padding shows the clip's last frame.

    The original classifies each step of time with a convolution of 1 x 1 x 1 and averages the
    logits. Here the head classifies the average: as the map from features to logits is linear,
    both are the same number, with the same weights.

    Args:
        pixels: (batch, time, height, width, channels).
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        dropout: share of the last map's values that training drops.
        momentum: of the moving statistics of the batch norms. Published is 0.999, which needs
            thousands of steps.
        width: scales the number of channels of every layer.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Carreira and Zisserman, Quo vadis, action recognition? A new model and the Kinetics
        dataset, https://arxiv.org/abs/1705.07750, and the authors' code. Its moving variances
        start at 1, those here at 0, see `BatchNorm`.
    """
    x = FillPadding()(pixels, mask=mask)
    x = add_network(x, inception_v1(x.shape[1:], width, dimensions=3, momentum=momentum))
    window = tuple(
        most if side is None else min(most, side)
        for most, side in zip((2, 7, 7), x.shape[1:4], strict=True)
    )
    x = ClipAveragePooling(window, 1, data_format="channels_last")(x)
    x = layers.Dropout(dropout)(x) if dropout else x
    return head(
        layers.GlobalAveragePooling3D(data_format="channels_last", dtype="float32")(x), num_classes
    )
