"""Average pooling over time, then a classifier."""

import keras

from frame_models.layers.join import join
from frame_models.layers.masked_average import MaskedAverage
from video_models import VideoModel, logistic

# Name -> spec: what `average@NAME` is short for in a spec.
PUBLISHED = {
    # Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, table 1.
    "logistic": "average(head=logistic)",
    "gated_moe": "average(head=moe(gating=True))",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Averages the frames of each video and classifies the average.

    It has no weights but those of its head, and sees no order: what a temporal model has to beat.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Reference:
        `FrameLevelLogisticModel` of the google/youtube-8m starter code, with its default head.
    """
    return head(MaskedAverage()(join(frames), mask=mask), num_classes)
