"""Slow pooling: the maximum over short windows, then over all windows, dense layers behind each."""

import keras

from frame_models.layers.dense_stack import dense_stack
from frame_models.layers.join import join
from frame_models.layers.masked_max import MaskedMax
from frame_models.layers.windows import WindowMask, WindowMax
from video_models import VideoModel, logistic


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    window: int = 10,
    stride: int = 5,
    window_hidden: tuple[int, ...] = (4096,),
    hidden: tuple[int, ...] = (4096,),
    dropout: float = 0.5,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Pools frames into windows and windows into a video, with dense layers behind both.

    What happens within a window is brought together before what happens in all of the video.
    Windows follow one another until one reaches the end of the video; the last takes the frames
    that are left, so a video no longer than a window has one.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video, which come first, and false for
            padding.
        num_classes: number of classes.
        window: frames of a window.
        stride: frames between the starts of two windows.
        window_hidden: widths of the dense layers, with ReLU, that all windows share.
        hidden: widths of the dense layers, with ReLU, behind the maximum over the windows.
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
    x = WindowMax(window, stride)(join(frames), mask=mask)
    x = dense_stack(x, window_hidden, dropout)
    x = MaskedMax()(x, mask=WindowMask(window, stride)(mask))
    return head(dense_stack(x, hidden, dropout), num_classes)
