"""The batch norm of all layers here."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="video_models")
class BatchNorm(keras.layers.BatchNormalization):
    """A batch norm whose moving variance starts at 0, where that of Keras starts at 1.

    What is normalised here is often small: a value of a frame of unit norm has a variance of a
    thousandth. With a momentum of 0.99 a start at 1 outweighs that for the first 700 steps, and a
    model that was trained for fewer answers at inference with a scale that it has never seen. From
    0 the moving variance is too small by the factor `1 - momentum^steps`, as the moving mean is.

    It also trains on masked frames of a single value, which Keras' own (3.15) does not on JAX: its
    masked moments lose every axis of length 1.

    Args:
        momentum: of the moving statistics, at least 0 and below 1. TF-Slim's 0.999 needs
            thousands of steps.
        epsilon: added to the variance.
        **kwargs: what Keras' batch norm takes, such as `center`, `name` and `dtype`.

    Call arguments:
        training: whether to take the statistics of this batch, and to update the moving ones.
        mask: all axes but the last, bool; what is false is left out of the statistics.

    Input shape:
        `(..., size)`, float.

    Output shape:
        That of the input.

    Raises:
        ValueError: momentum is out of its range.

    Example:
        >>> norm = BatchNorm(momentum=0.5)
        >>> _ = norm(np.array([[1.0], [3.0]]), training=True)
        >>> float(norm.moving_mean[0]), float(norm.moving_variance[0])
        (1.0, 0.5)
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 0.001, **kwargs):
        if not 0 <= momentum < 1:
            raise ValueError(
                f"momentum must be at least 0 and below 1. Received: momentum={momentum}."
            )
        settings = {"moving_variance_initializer": "zeros"} | kwargs
        super().__init__(momentum=momentum, epsilon=epsilon, **settings)

    def _moments(self, inputs, mask):
        shape = (inputs.shape[self.axis],)
        return [ops.reshape(moment, shape) for moment in super()._moments(inputs, mask)]
