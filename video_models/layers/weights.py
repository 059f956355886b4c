"""How classifier weights start and what holds them small."""

import math

import keras


def slim_l2(scale: float) -> keras.regularizers.Regularizer | None:
    """Makes the penalty `scale * sum(w^2) / 2`.

    The half is that of TF-Slim's `l2_regularizer`, so that published values such as 1e-8 keep
    their meaning: `keras.regularizers.L2` has no half and gets `scale / 2`.

    Args:
        scale: strength of the penalty, 0 or more.

    Returns:
        The regularizer, or None where `scale` is 0.

    Raises:
        ValueError: `scale` is negative.

    Example:
        >>> float(slim_l2(0.5)(keras.ops.array([2.0])))
        1.0
    """
    if scale < 0:
        raise ValueError(f"l2 must be 0 or more. Received: l2={scale}.")
    return keras.regularizers.L2(scale / 2) if scale else None


def prior_bias(prior: float) -> keras.initializers.Initializer:
    """Makes the initial bias at which a sigmoid's output is `prior`.

    Args:
        prior: probability strictly between 0 and 1.

    Returns:
        A constant initializer, `log(prior / (1 - prior))`.

    Raises:
        ValueError: `prior` is not strictly between 0 and 1.

    Example:
        >>> bias = prior_bias(0.2)((1,))
        >>> round(float(keras.ops.sigmoid(bias)[0]), 3)
        0.2
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior must be between 0 and 1, exclusive. Received: prior={prior}.")
    return keras.initializers.Constant(math.log(prior / (1 - prior)))


def scaled_glorot(scale: float) -> keras.initializers.Initializer:
    """Makes Glorot's uniform initializer, its values times `scale`.

    Args:
        scale: positive; 1 is Keras' own default for a dense layer.

    Returns:
        The initializer.

    Raises:
        ValueError: `scale` is not positive.

    Example:
        >>> tuple(scaled_glorot(0.05)((8, 4)).shape)
        (8, 4)
    """
    if not scale > 0:
        raise ValueError(f"kernel_scale must be positive. Received: kernel_scale={scale}.")
    return keras.initializers.VarianceScaling(scale**2, mode="fan_avg", distribution="uniform")
