"""Distillation from a mixture to its branches, while they train together."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class Distillation(keras.layers.Layer):
    """Passes the mixture's scores on, and adds a loss that pulls the branches towards them.

    The loss is `weight * mean_b KL(softmax(mixture / temperature) || softmax(b / temperature))`
    over the branches b and the videos. It is added in training only.

    Args:
        weight: of the loss.
        temperature: softens both distributions over the classes.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        training: whether to add the loss.

    Input shape:
        A list: scores (logits) of the mixture `(batch, classes)` and of its branches
        `(batch, branches, classes)`.

    Output shape:
        `(batch, classes)`, the mixture's scores.

    Raises:
        ValueError: `weight` is negative or `temperature` is not positive.

    Reference:
        Lan, Zhu and Gong, https://arxiv.org/abs/1806.04606; `MixNeXtVladModel` of the authors of
        NeXtVLAD, who sum over the branches.

    Example:
        >>> mixture, branches = np.ones((2, 7)), np.ones((2, 3, 7))
        >>> tuple(Distillation(weight=9.0)([mixture, branches]).shape)
        (2, 7)
    """

    def __init__(self, weight: float = 1.0, temperature: float = 3.0, **kwargs):
        super().__init__(**kwargs)
        if weight < 0:
            raise ValueError(f"weight must be 0 or more. Received: weight={weight}.")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive. Received: temperature={temperature}.")
        self.weight = weight
        self.temperature = temperature

    def call(self, inputs, training=None):
        """Adds the loss and returns the mixture's scores."""
        mixture, branches = inputs
        if training and self.weight:
            target = ops.expand_dims(ops.log_softmax(mixture / self.temperature, axis=-1), 1)
            given = ops.log_softmax(branches / self.temperature, axis=-1)
            divergence = ops.sum(ops.exp(target) * (target - given), axis=-1)
            self.add_loss(self.weight * ops.mean(divergence))
        return mixture

    def compute_output_shape(self, input_shape):
        """The shape of the mixture's scores."""
        return input_shape[0]

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {**super().get_config(), "weight": self.weight, "temperature": self.temperature}
