"""Several frame models trained together, mixed by a gate and distilled from their mixture."""

import keras
from keras import layers, ops

from frame_models import FrameModel, nextvlad
from frame_models.layers.distillation import Distillation
from frame_models.layers.join import join
from frame_models.layers.masked_average import MaskedAverage
from video_models.layers.batch_norm import BatchNorm

# Name -> spec: what `mixture@NAME` is short for in a spec.
PUBLISHED = {
    # `MixNeXtVladModel` of the authors of Lin, Xiao and Fan, https://arxiv.org/abs/1811.05014.
    "nextvlad": (
        "mixture(distillation=6.75, branches=(nextvlad@branch, nextvlad@branch, nextvlad@branch))"
    ),
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    branches: tuple[FrameModel, ...] = (nextvlad.build,) * 3,
    distillation: float = 1.0,
    temperature: float = 3.0,
    momentum: float = 0.99,
) -> dict[str, keras.KerasTensor]:
    """Mixes the scores of its branches by weights made of each video's average frame.

    The mixture and every branch have the label loss; the branches learn from the mixture besides.
    With three NeXtVLADs, the default, it is MixNeXtVLAD. Branches may be different models:
    `mixture(branches=(netvlad(clusters=64), gru(cells=512)))`.

    Args:
        frames: feature name -> (batch, time, size).
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        branches: the models, each called as `branch(frames, mask, num_classes)`: `build` of a
            frame model. Two or more.
        distillation: weight of the distillation, see `layers.distillation`; 0 leaves it out.
        temperature: of the distillation.
        momentum: of the moving statistics of the gate's batch norm.

    Returns:
        `probabilities` (batch, num_classes), and `members` (batch, 1 + branches, num_classes): the
        mixture and the branches, each of which the label loss is taken of.

    Raises:
        ValueError: there are fewer than two branches, one has several answers itself, or an
            argument is out of its range.

    Reference:
        `MixNeXtVladModel` of the authors of Lin, Xiao and Fan, https://arxiv.org/abs/1811.05014,
        which adds up the label losses and the branches where this averages.
    """
    if len(branches) < 2:
        raise ValueError(f"branches must be 2 or more models. Received: {len(branches)}.")
    answers = [branch(frames, mask, num_classes) for branch in branches]
    if any(isinstance(answer, dict) for answer in answers):
        raise ValueError("A branch must answer once: no ensemble, mixture or answer a frame.")
    mean = MaskedAverage(dtype="float32")(join(frames), mask=mask)
    mean = BatchNorm(momentum, dtype="float32")(mean)
    weights = layers.Dense(len(branches), activation="softmax", dtype="float32")(mean)
    scores = _logit(ops.stack(answers, axis=1))
    mixed = ops.sum(ops.expand_dims(weights, -1) * scores, axis=1)
    mixed = Distillation(distillation, temperature, dtype="float32")([mixed, scores])
    probabilities = ops.sigmoid(mixed)
    return {
        "probabilities": probabilities,
        "members": ops.stack([probabilities, *answers], axis=1),
    }


def _logit(probabilities: keras.KerasTensor) -> keras.KerasTensor:
    """The scores that a sigmoid made the probabilities of, within [-16, 16]."""
    clipped = ops.clip(probabilities, 1e-7, 1 - 1e-7)
    return ops.log(clipped) - ops.log(1 - clipped)
