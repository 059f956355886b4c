"""Two streams of Inception v1, fused by a convolution over space and time."""

import functools

import keras
from keras import layers

from frame_models.pixels.layers.backbones import add_backbone
from frame_models.pixels.layers.clip_pooling import ClipMaxPooling
from frame_models.pixels.layers.conv3d import Conv3D
from frame_models.pixels.layers.each_frame import each_frame
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.width import scaled
from video_models import VideoModel, softmax

# Name -> spec: what `two_stream_3d@NAME` is short for in a spec.
PUBLISHED = {
    # Carreira and Zisserman, https://arxiv.org/abs/1705.07750, section 2.4.
    "paper": "two_stream_3d",
}


def build(
    pixels: keras.KerasTensor,
    flow: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    backbone: str = "inception_v1",
    weights: str | None = None,
    flow_weights: str | None = None,
    channels: int = 512,
    dropout: float = 0.5,
    width: float = 1.0,
    momentum: float | None = None,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Joins the last maps of two image networks, one of the frames and one of their flow.

    A convolution of 3 x 3 x 3 over the joined maps, a max pool as large and a classifier of the
    average follow. Published for 5 frames of 224 x 224 pixels, ten frames of the video apart, with
    the ten fields of flow at each. That and 400 classes take 39,784,944 parameters, the moving
    statistics of batch norms counted. Padding shows the clip's last frame.

    Args:
        pixels: (batch, time, height, width, channels), from -1 to 1, of known height and width.
        flow: (batch, time, height, width, channels), displacements from -1 to 1, as large.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        backbone: the image network of each stream, see `cnn`; one that ends in a map.
        weights: what the network of the pixels begins with, see `cnn`.
        flow_weights: what that of the flow begins with.
        channels: of the convolution over the joined maps.
        dropout: share of the pooled values that training drops.
        width: scales the number of channels of every layer.
        momentum: of the moving statistics of the backbones' batch norms, see `cnn`.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range, there is no such backbone, it does not take
            such frames or ends in a vector, or the weights are not there or of another network.

    Reference:
        "3D-fused two-stream" of Carreira and Zisserman, https://arxiv.org/abs/1705.07750, section
        2.4, after Feichtenhofer, Pinz and Zisserman, https://arxiv.org/abs/1604.06573.
    """
    if channels < 1:
        raise ValueError(f"channels must be positive. Received: channels={channels}.")
    maps = [
        each_frame(
            FillPadding()(clips, mask=mask),
            functools.partial(
                add_backbone, name=backbone, weights=start, width=width, momentum=momentum
            ),
        )
        for clips, start in ((pixels, weights), (flow, flow_weights))
    ]
    if len(maps[0].shape) != 5:
        raise ValueError(f"backbone must end in a map. Received: backbone={backbone!r}.")
    x = Conv3D(
        scaled(channels, width),
        3,
        padding="same",
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        data_format="channels_last",
    )(layers.Concatenate()(maps))
    x = ClipMaxPooling(3, 2, padding="same", data_format="channels_last")(x)
    x = layers.GlobalAveragePooling3D(data_format="channels_last", dtype="float32")(x)
    x = layers.Dropout(dropout)(x) if dropout else x
    return head(x, num_classes)
