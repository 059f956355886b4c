"""Gated recurrent units over the frames, then a classifier."""

import keras

from frame_models.layers.recurrent_network import recurrent_network
from video_models import VideoModel, moe

# Name -> spec: what `gru@NAME` is short for in a spec.
PUBLISHED = {
    # Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, and the authors' code.
    "willow": "gru(cells=1200, head=moe(l2=1e-6))",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    cells: int = 1200,
    layers: int = 2,
    bidirectional: bool = False,
    backward: bool = False,
    output: str = "states",
    prediction: str = "ramp",
    dropout: float = 0.0,
    head: VideoModel = moe.build,
) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """Reads the frames of each video in order with a stack of GRUs, and classifies what is left.

    It sees the order of the frames, which pooling does not. Every step waits for the one before, so
    it trains slower than pooling, and on a GPU also slower than `lstm`: cuDNN has no GRU that
    resets the state before the matrix product, as this one does.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video, which come first, and false for
            padding.
        num_classes: number of classes.
        cells: size of the state of a layer, for each direction.
        layers: number of layers, each of which reads the outputs of the one before.
        bidirectional: let every layer read from the end as well, with other weights. Its outputs
            are those of both directions, joined.
        backward: read every video from its last frame to its first. Not with `bidirectional`.
        output: what the head sees.
            "states": the final states of all layers, `[h1, h2, ...]`; with `bidirectional`,
            a layer has `[h, h]`, forward before backward.
            "last": h of the last layer alone, when it has read the video.
            "average" or "max": that of the last layer's outputs over the frames.
            "frames": the last layer's output at each frame, by itself; see below.
        prediction: how `output="frames"` makes one prediction of those of all frames: their
            average with weights that grow linearly from the first frame to the last ("ramp"), that
            of the last frame read ("last"), the highest of each class ("max"), or their average
            ("mean").
        dropout: share of the inputs of each layer that training drops, the same for all frames of
            a video.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy. A video without a
        frame is classified by states of zeros.

        With `output="frames"` a dict: `probabilities` (batch, num_classes); `members` (batch,
        time, num_classes), the probabilities at each frame in the order of reading, each of which
        the label loss is taken of; and `member_weights` (batch, time), the weight of that loss,
        which grows linearly and sums to 1, whatever `prediction` is. Padding, and a video without
        a frame, has zeros in all of them. `members` takes `batch * time * num_classes * 4` bytes,
        and training several times that: 0.6 GB for 128 videos of 300 frames and 3862 classes.

    Raises:
        ValueError: an argument is out of its range, two do not go together, or the head answers
            several times where every frame is classified.

    Reference:
        `GruModel` of Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, is the default.
        `output="frames"` is Yue-Hei Ng et al., https://arxiv.org/abs/1503.08909, section 3.3.
    """
    return recurrent_network(
        "gru",
        frames,
        mask,
        num_classes,
        cells=cells,
        layers=layers,
        bidirectional=bidirectional,
        backward=backward,
        output=output,
        prediction=prediction,
        dropout=dropout,
        head=head,
    )
