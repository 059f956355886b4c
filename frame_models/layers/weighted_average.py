"""The average over time with a weight for each frame."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class WeightedAverage(keras.layers.Layer):
    """Divides the weighted sum over the frames by the sum of their weights.

    Where the weights are 0 throughout, the average is 0. It computes in float32 unless told
    otherwise: it serves probabilities.

    Args:
        dtype: dtype or dtype policy of the computation and the output.
        **kwargs: what every Keras layer takes, such as `name`.

    Input shape:
        A list: values `(batch, time, size)` and weights `(batch, time)`, each weight 0 or at
        least 1.

    Output shape:
        `(batch, size)`.

    Example:
        >>> values, weights = np.array([[[1.0], [4.0]]]), np.array([[1.0, 2.0]])
        >>> float(WeightedAverage()([values, weights])[0, 0])
        3.0
    """

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs):
        """Averages without a matrix product, which some devices round to fewer digits."""
        values, weights = inputs
        total = ops.sum(values * ops.expand_dims(weights, -1), axis=1)
        return total / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)

    def intermediates(self, inputs, mask=None):
        """Returns `frame_weights` (batch, time): they sum to 1, or are 0 throughout."""
        _, weights = inputs
        return {"frame_weights": weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)}

    def compute_output_shape(self, input_shape):
        """Removes the time axis."""
        batch, _, size = input_shape[0]
        return (batch, size)
