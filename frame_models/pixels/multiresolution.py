"""Two streams for every frame: its middle in full, and all of it at half the resolution."""

import keras

from frame_models.pixels import single_frame
from video_models import VideoModel, softmax

# Name -> spec: what `multiresolution@NAME` is short for in a spec.
PUBLISHED = {
    # Karpathy et al., https://cs.stanford.edu/people/karpathy/deepvideo/, section 3.2.
    "paper": "multiresolution",
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
    """Classifies each frame of a clip by two streams, and averages the probabilities of its frames.

    The fovea stream sees the middle of a frame, half as high and half as wide; the context stream
    sees the whole frame, averaged over 2 x 2 pixels. Both hold a quarter of the pixels, so they
    run twice as fast together as `single_frame` does. The dense layers see the maps of both.
    Published for frames of 178 x 178 pixels, with 129,035,495 parameters for 487 classes.

    Args:
        pixels: (batch, time, height, width, channels), of known height and width.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        hidden: widths of the dense layers, with ReLU, behind both streams.
        dropout: share of their activations that training drops.
        width: scales the number of channels of both streams and the widths of `hidden`.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy. A clip without a
        frame gets zeros.

    Raises:
        ValueError: the size of the frames is not known or less than 22 x 22, an argument is out of
            its range, or the head answers several times.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks, 2014,
        section 3.2, https://cs.stanford.edu/people/karpathy/deepvideo/.
    """
    return single_frame.build(
        pixels,
        mask,
        num_classes,
        backbone="karpathy_multiresolution",
        hidden=hidden,
        dropout=dropout,
        width=width,
        head=head,
    )
