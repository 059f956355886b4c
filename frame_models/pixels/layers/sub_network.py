"""A whole network as one layer of another."""

import json
import re

import keras


@keras.saving.register_keras_serializable(package="frame_models")
class SubNetwork(keras.layers.Layer):
    """Applies a network, whose variables then belong to this layer.

    Paths of variables begin with the name of the layer, so a model may hold the same network twice.
    Below it they do not depend on what else the process has built: a layer of the network that was
    named by its class and a count, such as `conv2d_17`, is counted anew within the network. So the
    variables of two runs of one spec have the same paths. The layer makes a network of its own,
    with new weights, and is saved with all that it needs.

    Args:
        network: a functional model of one output, or what `get_config` has kept of one. Its layers
            are named anew.
        **kwargs: what every Keras layer takes, such as `name`.

    Call arguments:
        training: whether the network runs as in training.

    Input shape:
        That of the network, a list where it has several inputs.

    Output shape:
        That of the network, and its dtype.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> network = keras.Model(image, keras.layers.Conv2D(4, 3, name="conv2d_17")(image))
        >>> layer = SubNetwork(network, name="stream")
        >>> tuple(layer(np.zeros((2, 8, 8, 3))).shape)
        (2, 6, 6, 4)
        >>> layer.weights[0].path
        'stream/conv2d/kernel'
    """

    def __init__(self, network: keras.Model | dict, **kwargs):
        super().__init__(**kwargs)
        if isinstance(network, keras.Model):
            _name_layers(network)
            network = keras.saving.serialize_keras_object(network)
        self._config = json.dumps(network)  # Keras would track, and copy, what is in a dict.

    def build(self, input_shape):
        """Makes the network, within the name scope of the layer."""
        self.network = keras.saving.deserialize_keras_object(json.loads(self._config))

    def call(self, inputs, training=None):
        """Runs the network."""
        return self.network(inputs, training=training)

    def compute_output_spec(self, inputs, training=None):
        """Asks the network: its output may be float32 under a mixed precision policy."""
        shapes = [x.shape for x in inputs] if isinstance(inputs, list) else inputs.shape
        shape = self.network.compute_output_shape(shapes)
        return keras.KerasTensor(shape, dtype=self.network.output.dtype)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {**super().get_config(), "network": json.loads(self._config)}


def _name_layers(network: keras.Model):
    """Counts the layers that are named by their class from the network's first layer on."""
    automatic = {}
    for layer in network.layers:
        stem = re.sub(r"_\d+$", "", layer.name)
        if stem.replace("_", "") == type(layer).__name__.lower():
            automatic.setdefault(stem, []).append(layer)
    for stem, layers in automatic.items():
        for place, layer in enumerate(layers):
            layer.name = f"{stem}_{place}" if place else stem


def add_network(
    x: keras.KerasTensor, network: keras.Model, copy_weights: bool = False
) -> keras.KerasTensor:
    """Applies a network as one layer.

    Args:
        x: the input.
        network: as `SubNetwork` takes one. Its layers are named anew.
        copy_weights: whether to begin with the weights of the network.

    Returns:
        The output.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> network = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
        >>> model = keras.Model(image, add_network(image, network, copy_weights=True))
        >>> pixels = np.ones((2, 8, 8, 3))
        >>> bool(keras.ops.all(model(pixels) == network(pixels)))
        True
    """
    layer = SubNetwork(network)
    output = layer(x)
    if copy_weights:
        layer.network.set_weights(network.get_weights())
    return output
