"""Classifying every frame by itself, and averaging."""

import keras

from frame_models.layers.frame_rows import RowsToFrames
from frame_models.layers.frame_weights import FrameWeights
from frame_models.layers.weighted_average import WeightedAverage
from video_models import VideoModel


def average_over_frames(
    rows: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    head: VideoModel,
) -> keras.KerasTensor:
    """Classifies the frames of clips, and averages the probabilities of each clip's frames.

    Args:
        rows: (batch * time, size), the frames of all clips, as `FramesToRows` gives them.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32. A clip without a frame gets zeros.

    Raises:
        ValueError: the head answers several times.

    Example:
        >>> from video_models import logistic
        >>> rows, mask = keras.Input((8,)), keras.Input((5,), dtype="bool")
        >>> average_over_frames(rows, mask, num_classes=3, head=logistic.build).shape
        (None, 3)
    """
    answers = head(rows, num_classes)
    if isinstance(answers, dict):
        raise ValueError(
            f"The head must answer once for each frame. Received: answers={sorted(answers)}."
        )
    return WeightedAverage()([RowsToFrames()([answers, mask]), FrameWeights("mean")(mask)])
