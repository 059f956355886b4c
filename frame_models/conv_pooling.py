"""Conv pooling: the maximum over time, then dense layers and a classifier."""

import keras

from frame_models.layers.dense_stack import dense_stack
from frame_models.layers.join import join
from frame_models.layers.masked_max import MaskedMax
from video_models import VideoModel, logistic

# Name -> spec: what `conv_pooling@NAME` is short for in a spec.
PUBLISHED = {
    # Yue-Hei Ng et al., https://arxiv.org/abs/1503.08909, section 3.1.
    "paper": "conv_pooling(hidden=(4096, 4096), head=softmax)",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    hidden: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Takes the maximum of each value over the frames, and classifies it with dense layers.

    The simplest of the paper's five poolings and its best. The name is that of the paper, where
    the frames come from the last convolutional layer; here there is no convolution.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        hidden: widths of the dense layers, with ReLU, behind the pooling.
        dropout: share of the hidden activations that training drops.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Yue-Hei Ng et al., Beyond short snippets: deep networks for video classification,
        https://arxiv.org/abs/1503.08909, section 3.1.
    """
    x = MaskedMax()(join(frames), mask=mask)
    return head(dense_stack(x, hidden, dropout), num_classes)
