"""All frames of a clip enter the first convolution together."""

import keras
from keras import layers

from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.hidden_layers import hidden_layers
from frame_models.pixels.layers.karpathy import karpathy
from frame_models.pixels.layers.sub_network import add_network
from video_models import VideoModel, softmax

# Name -> spec: what `early_fusion@NAME` is short for in a spec.
PUBLISHED = {
    # Karpathy et al., https://cs.stanford.edu/people/karpathy/deepvideo/, section 3.1.
    "paper": "early_fusion",
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
    """Classifies a clip with the single-frame network, whose first kernels span all frames.

    The frames are the channels of one image, so a model is for clips of one length: that of the
    clips it is trained on. Published for 10 frames of 170 x 170 pixels, with 74,221,703 parameters
    for 487 classes. Padding shows the clip's last frame.

    Args:
        pixels: (batch, time, height, width, channels), of known sizes.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        hidden: widths of the dense layers, with ReLU, behind the convolutions.
        dropout: share of their activations that training drops.
        width: scales the number of channels of the convolutions and the widths of `hidden`.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: the number of frames or their size is not known, they are smaller than 11 x 11,
            or an argument is out of its range.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks, 2014,
        section 3.1, https://cs.stanford.edu/people/karpathy/deepvideo/.
    """
    if None in pixels.shape[1:]:
        raise ValueError(
            "Early fusion needs clips of a known length, height and width. "
            f"Received: pixels of shape {pixels.shape}."
        )
    time, height, columns, channels = pixels.shape[1:]
    x = layers.Permute((2, 3, 1, 4))(FillPadding()(pixels, mask=mask))
    image = layers.Reshape((height, columns, time * channels))(x)
    x = add_network(image, karpathy(image.shape[1:], width))
    return head(hidden_layers(layers.Flatten()(x), hidden, dropout, width), num_classes)
