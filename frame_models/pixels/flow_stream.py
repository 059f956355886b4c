"""A model of pixels, shown optical flow in their place."""

import keras

from frame_models.pixels import PixelModel, temporal_cnn_m

# Name -> spec: what `flow_stream@NAME` is short for in a spec.
PUBLISHED = {
    # Simonyan and Zisserman, https://arxiv.org/abs/1406.2199: the temporal stream.
    "cnn_m": "flow_stream(model=temporal_cnn_m)",
    # Carreira and Zisserman, https://arxiv.org/abs/1705.07750.
    "i3d": "flow_stream(model=i3d)",
    # Donahue et al., https://arxiv.org/abs/1411.4389.
    "lrcn": "flow_stream(model=cnn@lrcn)",
}


def build(
    flow: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    model: PixelModel = temporal_cnn_m.build,
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
