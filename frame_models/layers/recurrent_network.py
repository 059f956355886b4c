"""What `lstm` and `gru` have in common: all but the cell."""

import keras
from keras import ops

from frame_models.layers.frame_rows import FramesToRows, RowsToFrames
from frame_models.layers.frame_weights import FrameWeights
from frame_models.layers.join import join
from frame_models.layers.masked_average import MaskedAverage
from frame_models.layers.masked_max import MaskedMax
from frame_models.layers.recurrent_layer import RecurrentLayer
from frame_models.layers.reverse_frames import ReverseFrames
from frame_models.layers.weighted_average import WeightedAverage
from video_models import VideoModel

OUTPUTS = ("states", "last", "average", "max", "frames")
PREDICTIONS = ("ramp", "last", "max", "mean")


def recurrent_network(
    cell: str,
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    cells: int,
    layers: int,
    bidirectional: bool,
    backward: bool,
    output: str,
    prediction: str,
    dropout: float,
    head: VideoModel,
) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """Builds a stack of recurrent layers and a classifier of what they give.

    `cell` is that of `RecurrentLayer`; all else, the returned value and the errors are documented
    with the models `lstm` and `gru`.
    """
    _check(cells, layers, bidirectional, backward, output, prediction)
    x = join(frames)
    if backward:
        x = ReverseFrames()(x, mask=mask)
    states = []
    for _ in range(layers):
        read = RecurrentLayer(cells, cell, bidirectional, dropout)(x, mask=mask)
        x = read["frames"]
        states.append(read["states"])
    if output == "frames":
        return _classify_frames(x, mask, num_classes, prediction, head)
    if output == "states":
        features = keras.layers.Concatenate()(states) if layers > 1 else states[0]
    elif output == "last":
        features = read["last"]
    else:
        features = (MaskedAverage if output == "average" else MaskedMax)()(x, mask=mask)
    return head(features, num_classes)


def _check(cells, layers, bidirectional, backward, output, prediction):
    """Refuses what no network can be built of."""
    if cells < 1:
        raise ValueError(f"cells must be positive. Received: cells={cells}.")
    if layers < 1:
        raise ValueError(f"layers must be positive. Received: layers={layers}.")
    if backward and bidirectional:
        raise ValueError(
            "A bidirectional network reads backward already: leave one of the two out. "
            "Received: backward=True, bidirectional=True."
        )
    if output not in OUTPUTS:
        raise ValueError(
            f"output must be one of {', '.join(OUTPUTS)}. Received: output={output!r}."
        )
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"prediction must be one of {', '.join(PREDICTIONS)}. "
            f"Received: prediction={prediction!r}."
        )
    if output != "frames" and prediction != "ramp":
        raise ValueError(
            "prediction needs output='frames'. "
            f"Received: prediction={prediction!r}, output={output!r}."
        )


def _classify_frames(x, mask, num_classes, prediction, head) -> dict[str, keras.KerasTensor]:
    """Classifies every frame, and makes one prediction of them."""
    answers = head(FramesToRows()(x, mask=mask), num_classes)
    if isinstance(answers, dict):
        raise ValueError("The head must answer once for each frame: no ensemble.")
    members = RowsToFrames()([answers, mask])
    ramp = FrameWeights("ramp")(mask)
    if prediction == "max":
        probabilities = MaskedMax(dtype="float32")(members, mask=mask)
    else:
        weights = ramp if prediction == "ramp" else FrameWeights(prediction)(mask)
        probabilities = WeightedAverage()([members, weights])
    total = ops.sum(ramp, axis=1, keepdims=True)
    return {
        "probabilities": probabilities,
        "members": members,
        "member_weights": ramp / ops.maximum(total, 1.0),
    }
