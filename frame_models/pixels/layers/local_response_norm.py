"""Local response normalisation, of the first deep image networks."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="frame_models")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the squares of the channels around it.

    `x[i] / (bias + alpha * sum(x[j]^2 for |i - j| <= radius)) ^ beta`, i and j channels. It has no
    weights. It computes in float32 under every dtype policy: half precision overflows at 256^2.
    The defaults are those of AlexNet.

    Args:
        radius: channels on each side that count; AlexNet's n of 5 is a radius of 2.
        bias: the sum's constant, AlexNet's k.
        alpha: the factor of the sum, not of its mean as in Caffe.
        beta: the exponent.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Input shape:
        `(..., channels)`, float.

    Output shape:
        That of the input.

    Raises:
        ValueError: `radius` or `alpha` is negative, or `bias` is not positive.

    Reference:
        Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural
        networks, 2012, section 3.3.

    Example:
        >>> pixel = np.array([[1.0, 1.0, 0.0, 0.0]])
        >>> layer = LocalResponseNormalization(radius=1, bias=2.0, alpha=1.0, beta=1.0)
        >>> keras.ops.convert_to_numpy(layer(pixel)).tolist()  # 1 / (2 + 1 + 1) of the first two
        [[0.25, 0.25, 0.0, 0.0]]
    """

    def __init__(
        self,
        radius: int = 2,
        bias: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if radius < 0 or alpha < 0 or not bias > 0:
            raise ValueError(
                "radius and alpha must not be negative, and bias must be positive. "
                f"Received: radius={radius}, alpha={alpha}, bias={bias}."
            )
        self.radius = radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs):
        """Adds up the squares, shifted by each distance; beyond the last channel are zeros."""
        x = ops.cast(inputs, "float32")
        channels = inputs.shape[-1]
        ends = [(0, 0)] * (len(inputs.shape) - 1) + [(self.radius, self.radius)]
        squares = ops.pad(ops.square(x), ends)
        total = sum(squares[..., i : i + channels] for i in range(2 * self.radius + 1))
        scaled = x * ops.power(self.bias + self.alpha * total, -self.beta)
        return ops.cast(scaled, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Keeps the shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "radius": self.radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }
