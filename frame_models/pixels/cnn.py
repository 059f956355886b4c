"""A 2D CNN makes every frame a vector, and any frame model makes a prediction of the vectors."""

import keras

from frame_models import FrameModel, average
from frame_models.layers.frame_rows import RowsToFrames
from frame_models.pixels.layers.frame_vectors import frame_vectors

# Name -> spec: what `cnn@NAME` is short for in a spec.
PUBLISHED = {
    # Yue-Hei Ng et al., https://arxiv.org/abs/1503.08909.
    "conv_pooling": (
        "cnn(backbone='inception_v1', pooling='none', temporal=conv_pooling(head=softmax))"
    ),
    "late_pooling": (
        "cnn(backbone='inception_v1', pooling='none', temporal=late_pooling(head=softmax))"
    ),
    "slow_pooling": (
        "cnn(backbone='inception_v1', pooling='none', temporal=slow_pooling(head=softmax))"
    ),
    "local_pooling": (
        "cnn(backbone='inception_v1', pooling='none', temporal=local_pooling(head=softmax))"
    ),
    "time_convolution": (
        "cnn(backbone='inception_v1', pooling='none', temporal=time_convolution(head=softmax))"
    ),
    "deep_lstm": "cnn(backbone='inception_v1', temporal=lstm@deep)",
    # Donahue et al., https://arxiv.org/abs/1411.4389.
    "lrcn": (
        "cnn(backbone='karpathy', pooling='none', hidden=(4096,), temporal=lstm(cells=256, "
        "layers=1, output='frames', prediction='mean', head=softmax))"
    ),
}


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    backbone: str = "resnet50v2",
    weights: str | None = None,
    pooling: str = "avg",
    hidden: tuple[int, ...] = (),
    dropout: float = 0.5,
    width: float = 1.0,
    momentum: float | None = None,
    pixel_range: tuple[float, ...] | None = None,
    temporal: FrameModel = average.build,
) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """Shows every frame to an image network, and what it gives to a frame model.

    The frame model finds one feature, `pixels`, and decides on the head: the default pools the
    vectors and has a logistic one, `temporal=average(head=softmax)` is for one label a clip.
    `single_frame` averages predictions instead.

    Published systems, with `head=softmax` for data of one label a clip:
        Conv pooling (Ng et al.): `cnn(pooling='none', temporal=conv_pooling(head=softmax))`. Late,
        slow and local pooling alike; `time_convolution` sees all places of a window at once.
        Deep LSTM (Ng et al.): `cnn(temporal=lstm(cells=512, layers=5, output='frames',
        head=softmax))`.
        LRCN (Donahue et al.): `cnn(backbone='karpathy', pooling='none', hidden=(4096,),
        temporal=lstm(cells=256, layers=1, output='frames', prediction='mean', head=softmax))`.

    All frames of a batch pass the backbone at once: memory grows with batch times time. Padding
    never reaches a result, nor the batch norms' statistics.

    Args:
        pixels: (batch, time, height, width, channels), of known height and width. Networks of
            `keras.applications` need three channels.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        backbone: the image network: one of `keras.applications`, without its classifier, such as
            "InceptionV3"; "cnn_m_2048", "inception_v1", "karpathy" or "karpathy_multiresolution";
            or the path of a `.keras` file of an image network. Pixels reach those of Keras as
            their ImageNet weights expect them.
        weights: what the backbone begins with: None for random weights; "imagenet" for those that
            Keras downloads; or the path of a local file of weights for it. It is read when a
            training begins or goes on, and not when a saved model is loaded.
        pooling: what becomes of the backbone's last map: "avg" averages and "max" takes the
            maximum over its places, and "none" joins all places into one long vector.
        hidden: widths of dense layers, with ReLU, between the backbone and the frame model.
        dropout: share of their activations that training drops.
        width: scales the number of channels of the backbone and the widths of `hidden`, not the
            frame model. Of `keras.applications`, MobileNets alone can be scaled.
        momentum: of the moving statistics of the backbone's batch norms; None keeps its own, often
            0.99 or 0.999. A training of fewer than a thousand steps needs a lower one.
        pixel_range: the least and the greatest value of the pixels that a backbone in a file
            takes; None for -1 and 1.
        temporal: the frame model, called as `temporal(frames, mask, num_classes)`: `build` of one.

    Returns:
        What the frame model returns.

    Raises:
        ValueError: an argument is out of its range, there is no such backbone, it does not take
            such frames, or the weights are not there or are of another network.

    Reference:
        Yue-Hei Ng et al., Beyond short snippets: deep networks for video classification,
        https://arxiv.org/abs/1503.08909; Donahue et al., Long-term recurrent convolutional
        networks for visual recognition and description, https://arxiv.org/abs/1411.4389.
    """
    rows = frame_vectors(
        pixels,
        mask,
        backbone=backbone,
        weights=weights,
        pooling=pooling,
        hidden=hidden,
        dropout=dropout,
        width=width,
        momentum=momentum,
        pixel_range=pixel_range,
    )
    frames = RowsToFrames(dtype=keras.config.dtype_policy().name)([rows, mask])
    return temporal({"pixels": frames}, mask, num_classes)
