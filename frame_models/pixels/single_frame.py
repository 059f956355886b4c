"""A 2D CNN classifies every frame by itself, and the predictions are averaged."""

import keras

from frame_models.pixels.layers.frame_classifier import average_over_frames
from frame_models.pixels.layers.frame_vectors import frame_vectors
from video_models import VideoModel, softmax

# Name -> spec: what `single_frame@NAME` is short for in a spec.
PUBLISHED = {
    # Karpathy et al., https://cs.stanford.edu/people/karpathy/deepvideo/, section 3.1.
    "paper": "single_frame",
}


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    backbone: str = "karpathy",
    weights: str | None = None,
    pooling: str = "none",
    hidden: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    width: float = 1.0,
    momentum: float | None = None,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Classifies each frame of a clip, and averages the probabilities of its frames.

    The baseline that sees no motion. The paper trains on one frame at a time, clips of one frame
    here. The default has 73,908,071 parameters for frames of 170 x 170 pixels and 487 classes.
    `single_frame(backbone='resnet50v2', weights='imagenet', pooling='avg', hidden=())` is the same
    of a pretrained network. Padding never reaches a result.

    Args:
        pixels: (batch, time, height, width, channels), of known height and width.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        backbone: the image network, see `cnn`.
        weights: what the backbone begins with: None, "imagenet" or the path of a file, see `cnn`.
        pooling: what becomes of the backbone's last map: "avg" averages and "max" takes the
            maximum over its places, and "none" joins all places into one long vector.
        hidden: widths of the dense layers, with ReLU, behind the backbone.
        dropout: share of their activations that training drops.
        width: scales the number of channels of the backbone and the widths of `hidden`.
        momentum: of the moving statistics of the backbone's batch norms, see `cnn`.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy. A clip without a
        frame gets zeros.

    Raises:
        ValueError: an argument is out of its range, there is no such backbone, it does not take
            such frames, the weights are not there or are of another network, or the head answers
            several times.

    Reference:
        Karpathy et al., Large-scale video classification with convolutional neural networks, 2014,
        section 3.1, https://cs.stanford.edu/people/karpathy/deepvideo/.
    """
    rows = frame_vectors(
        pixels,
        mask,
        backbone=backbone,
        weights=weights,
        pooling=pooling,
        hidden=hidden,
        dropout=dropout,
        width=width,
        momentum=momentum,
    )
    return average_over_frames(rows, mask, num_classes, head)
