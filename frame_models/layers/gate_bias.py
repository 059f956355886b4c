"""Where the gates of a GRU start."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class GateBias(keras.initializers.Initializer):
    """Starts the biases of a GRU's two gates at 1, and those of its candidate at 0.

    The update gate then keeps about three quarters of the state from one frame to the next, and
    the gradient reaches further back. An LSTM has its forget bias of 1 to the same end.

    Reference:
        `GRUCell` of TensorFlow 1, which the models of Miech, Laptev and Sivic,
        https://arxiv.org/abs/1706.06905, are made of. Keras starts all three at 0.

    Example:
        >>> keras.ops.convert_to_numpy(GateBias()((6,))).tolist()
        [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """

    def __call__(self, shape, dtype=None):
        """Makes the bias: update gate, reset gate, candidate, each a third of `shape`."""
        units = shape[-1] // 3
        return ops.cast(ops.arange(3 * units) < 2 * units, dtype or keras.config.floatx())

    def get_config(self):
        """Returns the arguments it was made with: there are none."""
        return {}
