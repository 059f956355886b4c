"""Two streams: a model of the pixels and one of the flow, whose answers are fused."""

import keras
from keras import ops

from frame_models.pixels import PixelModel, cnn_m, temporal_cnn_m
from frame_models.pixels.layers.fusion import Fusion
from frame_models.pixels.layers.sub_network import SubNetwork

# Name -> spec: what `two_stream@NAME` is short for in a spec.
PUBLISHED = {
    # Simonyan and Zisserman, https://arxiv.org/abs/1406.2199.
    "cnn_m": "two_stream(spatial=cnn_m, temporal=temporal_cnn_m)",
    # Carreira and Zisserman, https://arxiv.org/abs/1705.07750.
    "i3d": "two_stream(spatial=i3d, temporal=i3d, fusion='product')",
}


def build(
    pixels: keras.KerasTensor,
    flow: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    spatial: PixelModel = cnn_m.build,
    temporal: PixelModel = temporal_cnn_m.build,
    fusion: str = "average",
    weights: tuple[float, ...] = (0.5, 0.5),
) -> dict[str, keras.KerasTensor]:
    """Builds a model of the pixels beside a model of the flow, with a loss each.

    So each learns what it would learn alone. Two-stream I3D adds the logits:
    `two_stream(spatial=i3d, temporal=i3d, fusion='product')`.

    The variables of the streams have the paths that they have in the models alone, behind
    `spatial/` and `temporal/`.

    Args:
        pixels: (batch, time, height, width, channels), from -1 to 1.
        flow: (batch, time, height, width, channels), displacements from -1 to 1.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        spatial: the model of the pixels, called as `spatial(pixels, mask, num_classes)`.
        temporal: the model of the flow, called as `temporal(flow, mask, num_classes)`: `build` of
            a model of pixels.
        fusion: "average" of the probabilities, or their "product", scaled to sum to one: the
            softmax of the sum of the logits. It needs heads that answer a softmax.
        weights: how much the pixels and the flow count. In a product they are exponents, scaled to
            a sum of 2. LRCN has (1/3, 2/3).

    Returns:
        `probabilities` (batch, num_classes), and `members` (batch, 2, num_classes), those of the
        pixels and of the flow, each of which the label loss is taken of.

    Raises:
        ValueError: there are not two weights, a stream answers several times, or an argument is
            out of its range.

    Reference:
        Simonyan and Zisserman, Two-stream convolutional networks for action recognition in videos,
        https://arxiv.org/abs/1406.2199; Carreira and Zisserman, https://arxiv.org/abs/1705.07750.
    """
    if len(weights) != 2:
        raise ValueError(f"weights must be two numbers. Received: weights={weights}.")
    fused = Fusion(fusion, weights)
    answers = [
        _stream("spatial", spatial, pixels, mask, num_classes),
        _stream("temporal", temporal, flow, mask, num_classes),
    ]
    members = ops.stack(answers, axis=1)
    return {"probabilities": fused(members), "members": members}


def _stream(
    name: str,
    model: PixelModel,
    frames: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
) -> keras.KerasTensor:
    """Builds a stream as a network of its own, which keeps weights it may come with."""
    clip = keras.Input(frames.shape[1:], dtype=frames.dtype)
    clip_mask = keras.Input(mask.shape[1:], dtype=mask.dtype)
    answer = model(clip, clip_mask, num_classes)
    if isinstance(answer, dict):
        raise ValueError(f"The {name} stream must answer once: no ensemble or answer a frame.")
    network = keras.Model([clip, clip_mask], answer)
    stream = SubNetwork(network, name=name)
    probabilities = stream([frames, mask])
    stream.network.set_weights(network.get_weights())
    return probabilities
