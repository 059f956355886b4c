"""An image network inflated to clips: its kernels repeated along time."""

import keras
from keras import layers

from frame_models.pixels.layers.backbones import add_backbone
from frame_models.pixels.layers.fill_padding import FillPadding
from frame_models.pixels.layers.inflation import inflate
from frame_models.pixels.layers.sub_network import SubNetwork, add_network
from video_models import VideoModel, softmax


def build(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    backbone: str = "resnet50v2",
    weights: str | None = None,
    time_kernel: int | None = 3,
    time_strides: bool = False,
    space_only: tuple[str, ...] = (),
    edges: str = "replicate",
    dropout: float = 0.5,
    width: float = 1.0,
    momentum: float | None = None,
    pixel_range: tuple[float, ...] | None = None,
    head: VideoModel = softmax.build,
) -> keras.KerasTensor:
    """Reads a clip with an inflated backbone, and classifies the average of its last map.

    A clip of one repeated image begins with the features that the image network gives the image,
    so weights of images are a start for clips. Padding shows the clip's last frame.

    I3D out of an image network is `inflated(backbone='inception_v1', weights=FILE,
    time_kernel=None, time_strides=True, space_only=('max_pooling2d', 'max_pooling2d_1'),
    edges='zeros')`.

    Args:
        pixels: (batch, time, height, width, channels), of known height and width. Networks of
            `keras.applications` need three channels.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        num_classes: number of classes.
        backbone: the image network, see `cnn`.
        weights: what the backbone begins with: None, "imagenet" or the path of a file, see `cnn`.
        time_kernel: how many steps of time the kernels span that are larger than 1 x 1; None takes
            as many as rows.
        time_strides: let what strides in space stride in time as well, and pools reach as far in
            time as in space. Otherwise the clip keeps its length, which costs more.
        space_only: names of the backbone's layers that leave time alone.
        edges: what is beyond the ends of a clip: "replicate" repeats the first and the last frame,
            "zeros" is published.
        dropout: share of the pooled values that training drops.
        width: scales the number of channels of the backbone. Of `keras.applications`, MobileNets
            alone can be scaled.
        momentum: of the moving statistics of the backbone's batch norms, see `cnn`.
        pixel_range: the least and the greatest value of the pixels that a backbone in a file
            takes; None for -1 and 1.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range, there is no such backbone, it does not take
            such frames or cannot be inflated, or the weights are not there or of another network.

    Reference:
        Carreira and Zisserman, Quo vadis, action recognition? https://arxiv.org/abs/1705.07750,
        section 2.3.
    """
    x = FillPadding()(pixels, mask=mask)
    for layer in _image_layers(pixels.shape[2:], backbone, weights, width, momentum, pixel_range):
        if isinstance(layer, SubNetwork):
            network = inflate(
                layer.network,
                time_kernel,
                num_frames=pixels.shape[1],
                time_strides=time_strides,
                space_only=space_only,
                edges=edges,
            )
            x = add_network(x, network, copy_weights=True)
        else:
            x = layer(x)
    of_maps = len(x.shape) == 5
    pool = layers.GlobalAveragePooling3D if of_maps else layers.GlobalAveragePooling1D
    x = pool(data_format="channels_last", dtype="float32")(x)
    x = layers.Dropout(dropout)(x) if dropout else x
    return head(x, num_classes)


def _image_layers(
    shape: tuple[int | None, ...],
    backbone: str,
    weights: str | None,
    width: float,
    momentum: float | None,
    pixel_range: tuple[float, ...] | None,
) -> list[keras.layers.Layer]:
    """The backbone, and what stands before it, which clips go through as images do."""
    image = keras.Input(shape)
    features = add_backbone(
        image,
        backbone,
        weights=weights,
        width=width,
        momentum=momentum,
        pixel_range=pixel_range,
    )
    return keras.Model(image, features).layers[1:]
