"""The batch norm of all layers here."""

import keras


def batch_norm(
    momentum: float = 0.99, epsilon: float = 0.001, **kwargs
) -> keras.layers.BatchNormalization:
    """Makes a batch norm whose moving variance starts at 0, where Keras starts it at 1.

    What is normalised here is often small: a value of a frame of unit norm has a variance of a
    thousandth. With a momentum of 0.99 a start at 1 outweighs that for the first 700 steps, and a
    model that was trained for fewer answers at inference with a scale that it has never seen. From
    0 the moving variance is too small by the factor `1 - momentum^steps`, as the moving mean is.

    Args:
        momentum: of the moving statistics. TF-Slim's 0.999 needs thousands of steps.
        epsilon: added to the variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`, and `center`.

    Returns:
        The layer.
    """
    return keras.layers.BatchNormalization(
        momentum=momentum, epsilon=epsilon, moving_variance_initializer="zeros", **kwargs
    )
