"""Another frame model, trained on random frames of each video."""

import keras

from frame_models import FrameModel, dbof
from frame_models.layers.frame_sampling import FrameSampling

# Name -> spec: what `sample@NAME` is short for in a spec.
PUBLISHED = {
    # Abu-El-Haija et al., https://arxiv.org/abs/1609.08675; `DbofModel` of the starter code.
    "dbof": "sample(num_frames=30, model=dbof(clusters=8192, hidden=1024))",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    num_frames: int = 30,
    method: str = "frames",
    seed: int | None = None,
    model: FrameModel = dbof.build,
) -> keras.KerasTensor:
    """Shows a model a new sample of each video's frames at every training step.

    Evaluation and inference see every frame. Training gets cheaper, and harder to overfit.

    Args:
        frames: feature name -> (batch, time, size).
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        num_frames: how many frames to sample.
        method: "frames" draws each from all frames of the video, with replacement; "sequence"
            takes frames that follow each other; "all" leaves every frame.
        seed: makes the sample repeatable by itself; None takes the training's seed.
        model: the model, called as `model(frames, mask, num_classes)`: `build` of a frame model.

    Returns:
        What the model returns.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        `sample_random_frames` and `iterations` of the google/youtube-8m starter code.
    """
    sampled = FrameSampling(num_frames, method, seed)({"frames": frames, "mask": mask})
    return model(sampled["frames"], sampled["mask"], num_classes)
