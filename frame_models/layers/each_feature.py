"""Pooling each feature of the frames by itself."""

from collections.abc import Callable

import keras

from video_models.layers.batch_norm import BatchNorm


def pool_each(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    make_layer: Callable[[int], keras.layers.Layer],
    *,
    normalize: bool = True,
    center: bool = True,
    momentum: float = 0.99,
) -> keras.KerasTensor:
    """Normalises the frames, pools each feature with a layer of its own and joins the results.

    Args:
        frames: feature name -> (batch, time, size).
        mask: (batch, time), bool, true for the frames of a video.
        make_layer: from the position of a feature (0 for the first) to its pooling layer.
        normalize: normalise every value of the frames over videos and time first. The batch norm
            does not see padding.
        center: let the batch norm learn offsets. Without it where all that follows takes no notice
            of them, as in front of another batch norm.
        momentum: of the batch norm's moving statistics.

    Returns:
        (batch, sum of what the layers give).

    Raises:
        ValueError: there is no feature.

    Example:
        >>> frames = {"rgb": keras.Input((None, 8)), "audio": keras.Input((None, 4))}
        >>> mask = keras.Input((None,), dtype="bool")
        >>> pool_each(frames, mask, lambda position: keras.layers.GlobalAveragePooling1D()).shape
        (None, 12)
    """
    if not frames:
        raise ValueError("frames must hold at least one feature. Received: frames={}.")
    pooled = []
    for position, feature in enumerate(frames.values()):
        if normalize:
            norm = BatchNorm(momentum, center=center)
            feature = norm(feature, mask=mask)
        pooled.append(make_layer(position)(feature, mask=mask))
    return pooled[0] if len(pooled) == 1 else keras.layers.Concatenate()(pooled)


def share_sizes(
    name: str, value: int | tuple[int, ...], num_features: int, share: int
) -> tuple[int, ...]:
    """Gives each feature its number of clusters, or of groups.

    Args:
        name: of the hyperparameter, for errors.
        value: one for each feature, or the first feature's; then each further feature gets
            `value // share`, and at least 1.
        num_features: number of features.
        share: what the original divides the audio feature's number by.

    Returns:
        A number for each feature.

    Raises:
        ValueError: a number is not positive, or there are not as many as features.

    Example:
        >>> share_sizes("clusters", 256, num_features=2, share=2)
        (256, 128)
    """
    sizes = value
    if isinstance(value, int):
        sizes = (value,) + (max(1, value // share),) * (num_features - 1)
    if len(sizes) != num_features or min(sizes) < 1:
        raise ValueError(
            f"{name} must be a positive number, or one for each of {num_features} feature(s). "
            f"Received: {name}={value}."
        )
    return sizes
