"""CNN-M-2048 on each frame by itself: the spatial stream of the two-stream networks."""

import keras

from frame_models.pixels.layers.cnn_m import cnn_m_2048
from frame_models.pixels.layers.each_frame import MergeTime
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.frame_classifier import average_over_frames
from frame_models.pixels.layers.sub_network import add_network
from frame_models.pixels.layers.subtract_mean import show_colors
from video_models import VideoModel, softmax

# Name -> spec: what `cnn_m@NAME` is short for in a spec.
PUBLISHED = {
    # Simonyan and Zisserman, https://arxiv.org/abs/1406.2199: the spatial stream.
    "paper": "cnn_m",
}


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    dropout: float = 0.5,
    norms: int = 2,
    rounding: str = "down",
    colors: str = "unit",
    width: float = 1.0,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Classifies each frame of a clip, and averages the probabilities of its frames.

    The paper trains on one frame at a time, clips of one frame here, and tests on 25. Frames of
    224 x 224 pixels and 101 classes take 67,559,141 parameters; with `rounding="up"`, 90,627,813.

    Args:
        pixels: (batch, time, height, width, channels), of known height and width.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        dropout: share of the activations of each dense layer that training drops. The paper has
            0.5 where only the last layer is trained, and 0.9 for all layers.
        norms: how many local response normalisations there are, 0 to 2.
        rounding: "down", or "up" for pools that take a last window that only begins within the
            map, as Caffe does and the published weights need.
        colors: what the network sees: "unit" is pixels from -1 to 1; "bgr" what the published
            weights need, blue first, from 0 to 255 less a mean image that is imported with them;
            "rgb" the same with red first.
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
        https://arxiv.org/abs/1406.2199, section 3 and figure 1.
    """
    network = cnn_m_2048(pixels.shape[2:], width, norms, dropout, rounding)
    shown = show_colors(pixels, colors, of_clips=False)
    images = MergeTime()(FillPadding()(shown, mask=mask))
    return average_over_frames(add_network(images, network), mask, num_classes, head)
