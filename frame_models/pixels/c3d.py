"""C3D: eight convolutions over space and time alike, then dense layers."""

import keras
from keras import layers

from frame_models.layers.dense_stack import dense_stack
from frame_models.pixels.layers.clip_pooling import ClipMaxPooling
from frame_models.pixels.layers.conv3d import Conv3D
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.subtract_mean import show_colors
from frame_models.pixels.layers.width import scaled
from video_models import VideoModel, softmax

_CONVOLUTIONS = ((64,), (128,), (256, 256), (512, 512), (512, 512))


# Name -> spec: what `c3d@NAME` is short for in a spec.
PUBLISHED = {
    # Tran et al., https://arxiv.org/abs/1412.0767, figure 3.
    "paper": "c3d",
}


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    dropout: float = 0.5,
    width: float = 1.0,
    pad_last_pool: bool = False,
    colors: str = "unit",
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Reads a clip with kernels of 3 x 3 x 3, pooled after one, one, two, two and two of them.

    The first pool leaves time alone. Published for clips of 16 frames of 112 x 112 pixels, with
    78,409,573 parameters for 101 classes. Padding shows the clip's last frame.

    Args:
        pixels: (batch, time, height, width, channels), of known sizes.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        dropout: share of the activations of each dense layer that training drops.
        width: scales the number of channels of every layer.
        pad_last_pool: puts a row and a column of zeros around the frames before the last pool, as
            the ports of the network to PyTorch and Keras do, and their weights need. The authors'
            Caffe does not: its windows start at the first row, and sizes are rounded up.
        colors: what the network sees: "unit" is pixels from -1 to 1; "bgr" what the authors'
            weights need, blue first, from 0 to 255 less a mean clip that is imported with them;
            "rgb" the same with red first.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: a size is not known, or an argument is out of its range.

    Reference:
        Tran et al., Learning spatiotemporal features with 3D convolutional networks,
        https://arxiv.org/abs/1412.0767, figure 3, and the authors' code.
    """
    if None in pixels.shape[1:]:
        raise ValueError(
            "C3D needs clips of a known length, height and width. "
            f"Received: pixels of shape {pixels.shape}."
        )
    x = FillPadding()(show_colors(pixels, colors, of_clips=True), mask=mask)
    for stage, stack in enumerate(_CONVOLUTIONS):
        for channels in stack:
            x = Conv3D(
                scaled(channels, width),
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_uniform",
                data_format="channels_last",
            )(x)
        padded = pad_last_pool and stage == len(_CONVOLUTIONS) - 1
        if padded:
            x = layers.ZeroPadding3D((0, 1, 1), data_format="channels_last")(x)
        x = _pool(x, stage == 0, "valid" if padded else "same")
    units = scaled(4096, width)
    return head(dense_stack(layers.Flatten()(x), (units, units), dropout), num_classes)


def _pool(x: keras.KerasTensor, first: bool, padding: str) -> keras.KerasTensor:
    """Halves each axis, rounding up where it is "same"; the first pool not the time.

    A single frame stays one. Behind ReLU the zeros of a padding do not change a maximum.
    """
    window = (1 if first else min(2, x.shape[1]), 2, 2)
    return ClipMaxPooling(window, padding=padding, data_format="channels_last")(x)
