"""Gated linear unit: a dense layer gated by another."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="video_models")
class GatedLinearUnit(keras.layers.Layer):
    """Computes `values(x) * sigmoid(gates(x))`, both dense layers of the input's size.

    The alternative to context gating in table 2 of the paper below, which gates the input itself.

    Args:
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(batch, size)`, float.

    Output shape:
        That of the input.

    Reference:
        Dauphin et al., https://arxiv.org/abs/1612.08083; compared with context gating in Miech,
        Laptev and Sivic, https://arxiv.org/abs/1706.06905.

    Example:
        >>> tuple(GatedLinearUnit()(np.ones((2, 8))).shape)
        (2, 8)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def build(self, input_shape):
        """Makes the two dense layers."""
        self.values = keras.layers.Dense(input_shape[-1], dtype=self.dtype_policy, name="values")
        self.gates = keras.layers.Dense(input_shape[-1], dtype=self.dtype_policy, name="gates")
        self.values.build(input_shape)
        self.gates.build(input_shape)

    def call(self, inputs):
        """Gates the values."""
        return self.values(inputs) * ops.sigmoid(self.gates(inputs))

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape
