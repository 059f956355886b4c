"""A model of pixels, shown optical flow in their place."""

from collections.abc import Callable

import keras

from frame_models.pixels import temporal_cnn_m


def build(
    flow: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    model: Callable[..., keras.KerasTensor] = temporal_cnn_m.build,
) -> keras.KerasTensor:
    """Gives a model the flow as its pixels. By default it is the temporal stream by itself.

    An image network with weights of ImageNet takes flow of three channels alone.

    Args:
        flow: (batch, time, height, width, channels), displacements from -1 to 1.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        model: the model, called as `model(flow, mask, num_classes)`: `build` of a model of pixels.

    Returns:
        What the model returns.

    Reference:
        Simonyan and Zisserman, Two-stream convolutional networks for action recognition in videos,
        https://arxiv.org/abs/1406.2199.
    """
    return model(flow, mask, num_classes)
