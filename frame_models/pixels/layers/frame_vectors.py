"""The frames of a clip as vectors, which a backbone makes of them."""

import keras
from keras import layers

from frame_models.layers.frame_rows import FramesToRows
from frame_models.pixels.layers.backbones import add_backbone
from frame_models.pixels.layers.hidden_layers import hidden_layers

POOLING = ("avg", "max", "none")


def frame_vectors(
    pixels: keras.KerasTensor,
    mask: keras.KerasTensor,
    *,
    backbone: str,
    weights: str | None,
    pooling: str,
    hidden: tuple[int, ...],
    dropout: float,
    width: float,
    momentum: float | None,
    pixel_range: tuple[float, ...] | None = None,
) -> keras.KerasTensor:
    """Makes each frame of each clip a row, and each row a vector.

    At inference a row of padding is of a grey frame. In training it is of some frame of the batch,
    see `FramesToRows`: batch norms of the backbone then take their statistics of real frames.

    Args:
        pixels: (batch, time, height, width, channels), of known height and width.
        mask: (batch, time), bool, true for a frame of the clip and false for padding.
        backbone: the name of an image network, see `backbones.names`.
        weights: None, "imagenet" or the path of a file, see `backbones.add_backbone`.
        pooling: what becomes of the backbone's last map: "avg" averages and "max" takes the
            maximum over its places, and "none" joins all places into one long vector. A backbone
            that ends in a vector keeps it.
        hidden: widths of dense layers, with ReLU, behind the backbone.
        dropout: share of their activations that training drops.
        width: scales the number of channels of the backbone and the widths of `hidden`.
        momentum: of the backbone's batch norms, see `backbones.add_backbone`.
        pixel_range: of the pixels of a backbone in a file, see there.

    Returns:
        (batch * time, size), which `RowsToFrames` puts back.

    Raises:
        ValueError: an argument is out of its range, or the backbone does not take such frames.

    Example:
        >>> pixels, mask = keras.Input((5, 16, 16, 3)), keras.Input((5,), dtype="bool")
        >>> settings = {"weights": None, "pooling": "avg", "dropout": 0.5, "momentum": None}
        >>> settings |= {"backbone": "karpathy", "hidden": (32,), "width": 0.25}
        >>> frame_vectors(pixels, mask, **settings).shape
        (None, 8)
    """
    if pooling not in POOLING:
        raise ValueError(
            f"pooling must be one of {', '.join(POOLING)}. Received: pooling={pooling!r}."
        )
    time, *shape = pixels.shape[1:]
    if None in shape:
        raise ValueError(f"Frames must be of a known size. Received: pixels of {pixels.shape}.")
    size = shape[0] * shape[1] * shape[2]
    rows = layers.Reshape((-1 if time is None else time, size))(pixels)
    images = layers.Reshape(shape)(FramesToRows()(rows, mask=mask))
    x = add_backbone(
        images,
        backbone,
        weights=weights,
        width=width,
        momentum=momentum,
        pixel_range=pixel_range,
    )
    if len(x.shape) == 4:
        x = _pool(x, pooling)
    return hidden_layers(x, hidden, dropout, width)


def _pool(x: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    if pooling == "none":
        return layers.Flatten(data_format="channels_last")(x)
    kind = layers.GlobalAveragePooling2D if pooling == "avg" else layers.GlobalMaxPooling2D
    return kind(data_format="channels_last")(x)
