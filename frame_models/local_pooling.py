"""Local pooling: the maximum over each part of the video, and one classifier over all parts."""

import keras

from frame_models.layers.dense_stack import dense_stack
from frame_models.layers.join import join
from frame_models.layers.part_max import PartMax
from video_models import VideoModel, logistic


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    windows: int = 5,
    hidden: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Pools each part of the video, embeds the parts by shared dense layers, and joins them.

    There is no second maximum, so the classifier sees which part holds what. It has `windows`
    times the inputs: 20,480 with the defaults.

    The paper's videos all have one number of frames, and so one number of windows. Here each video
    is divided into `windows` parts of equal length, however many frames it has: part i of n frames
    takes those from `floor(i * n / windows)` up to, and without, `ceil((i + 1) * n / windows)`.
    No part of a video is empty. The default is the number of windows of 10 frames at stride 5 in
    a clip of 30 frames.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video, which come first, and false for
            padding.
        num_classes: number of classes.
        windows: number of parts that a video is divided into.
        hidden: widths of the dense layers, with ReLU, that all parts share.
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
    if windows < 1:
        raise ValueError(f"windows must be positive. Received: windows={windows}.")
    x = PartMax(windows)(join(frames), mask=mask)
    x = keras.layers.Reshape((-1,))(dense_stack(x, hidden, dropout))
    return head(x, num_classes)
