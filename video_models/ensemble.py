"""Several copies of a video model, trained side by side, whose probabilities are averaged."""

import keras
from keras import ops

from video_models import VideoModel, mlp


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    members: int = 3,
    member: VideoModel = mlp.build,
) -> dict[str, keras.KerasTensor]:
    """Builds `members` models on the same features that differ only in their random weights.

    Each has the label loss to itself, so they learn what they would have learnt alone, and their
    mean errs less than any one of them.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes.
        members: number of models, 2 or more.
        member: the model, called as `member(features, num_classes)`: `build` of a video model.

    Returns:
        `probabilities` (batch, num_classes), the mean over the members, and `members` (batch,
        members, num_classes), each of which the label loss is taken of.

    Raises:
        ValueError: `members` is below 2, or a member is an ensemble itself.

    Reference:
        Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty
        estimation using deep ensembles, https://arxiv.org/abs/1612.01474.
    """
    if members < 2:
        raise ValueError(f"members must be 2 or more. Received: members={members}.")
    answers = [member(features, num_classes) for _ in range(members)]
    if any(isinstance(answer, dict) for answer in answers):
        raise ValueError("A member of an ensemble cannot be an ensemble. Raise members instead.")
    mean = keras.layers.Average(dtype="float32")(answers)
    return {"probabilities": mean, "members": ops.stack(answers, axis=1)}
