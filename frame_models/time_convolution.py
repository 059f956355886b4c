"""Time-domain convolution, then the maximum over time, dense layers and a classifier."""

import keras

from frame_models.layers.clear_padding import ClearPadding
from frame_models.layers.dense_stack import dense_stack
from frame_models.layers.join import join
from frame_models.layers.masked_max import MaskedMax
from frame_models.layers.windows import WindowMask
from video_models import VideoModel, logistic


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    filters: int = 256,
    window: int = 10,
    stride: int = 5,
    hidden: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Convolves the frames over time, takes the maximum over the windows and classifies it.

    The convolution, with ReLU, is what sees the order of the frames within a window. Windows
    follow one another until one reaches the end of the video; what a window lacks in frames is
    zeros, and a video no longer than a window has one.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video, which come first, and false for
            padding.
        num_classes: number of classes.
        filters: number of convolution kernels.
        window: frames that a kernel spans.
        stride: frames between the starts of two windows.
        hidden: widths of the dense layers, with ReLU, behind the pooling.
        dropout: share of the hidden activations that training drops.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Yue-Hei Ng et al., Beyond short snippets: deep networks for video classification,
        https://arxiv.org/abs/1503.08909, section 3.1, where a kernel spans 3 x 3 places of each
        frame as well.
    """
    if filters < 1:
        raise ValueError(f"filters must be positive. Received: filters={filters}.")
    windows = WindowMask(window, stride)(mask)
    x = ClearPadding()(join(frames), mask=mask)
    x = keras.layers.ZeroPadding1D((0, window - 1), data_format="channels_last")(x)
    x = keras.layers.Conv1D(
        filters, window, stride, activation="relu", data_format="channels_last"
    )(x)
    x = MaskedMax()(x, mask=windows)
    return head(dense_stack(x, hidden, dropout), num_classes)
