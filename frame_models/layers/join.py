"""Joining the features of a frame into one vector."""

import keras


def join(frames: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    """Joins features along their size, in the order of the dict.

    Args:
        frames: feature name -> (batch, time, size).

    Returns:
        (batch, time, sum of the sizes); the tensor itself where there is one feature.

    Raises:
        ValueError: there is no feature.

    Example:
        >>> join({"rgb": keras.Input((None, 8)), "audio": keras.Input((None, 4))}).shape
        (None, None, 12)
    """
    if not frames:
        raise ValueError("frames must hold at least one feature. Received: frames={}.")
    features = list(frames.values())
    return features[0] if len(features) == 1 else keras.layers.Concatenate(axis=-1)(features)
