"""Mixture of experts, one small mixture for each class."""

import keras
from keras import ops

from video_models.layers.weights import prior_bias, slim_l2


@keras.saving.register_keras_serializable(package="video_models")
class MixtureOfExperts(keras.layers.Layer):
    """Classifies with a mixture of logistic experts for each class.

    Every class has `mixtures` logistic experts and a softmax gate over `mixtures + 1` choices.
    The last choice is a dummy expert that always answers 0, so the gate can also say "none":
    `p = sum_{m < mixtures} softmax(gates)[m] * sigmoid(experts)[m]`.

    It computes in float32 unless told otherwise, also under a mixed precision policy: the rounding
    of bfloat16 would tie many of the probabilities that a ranking metric has to tell apart.

    Args:
        num_classes: number of classes.
        mixtures: experts of each class, without the dummy.
        l2: penalty on the kernels, `l2 * sum(w^2) / 2` as in TF-Slim.
        prior: probability every expert starts at; 0.5 leaves the biases at 0.
        low_rank_gates: rank of the gates' kernel, which is then the product of `gates1`
            (size, rank) and `gates2` (rank, units); None keeps it whole.
        dtype: dtype or dtype policy of the computation and the output.
        **kwargs: what every Keras layer takes, such as `name`.

    Input shape:
        `(..., size)`, float.

    Output shape:
        `(..., num_classes)`, probabilities.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Jordan and Jacobs, Hierarchical mixtures of experts and the EM algorithm, 1994; per class
        with a dummy expert in Abu-El-Haija et al., https://arxiv.org/abs/1609.08675, and in the
        google/youtube-8m starter code, whose class-major order of the units is kept: unit
        `c * mixtures + m` is expert m of class c. The low rank is that of the code of Miech,
        Laptev and Sivic, https://arxiv.org/abs/1706.06905.

    Example:
        >>> tuple(MixtureOfExperts(num_classes=5, mixtures=2)(np.ones((3, 8))).shape)
        (3, 5)
    """

    def __init__(
        self,
        num_classes: int,
        mixtures: int = 2,
        l2: float = 1e-8,
        prior: float = 0.5,
        low_rank_gates: int | None = None,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if num_classes < 1:
            raise ValueError(f"num_classes must be positive. Received: num_classes={num_classes}.")
        if mixtures < 1:
            raise ValueError(f"mixtures must be positive. Received: mixtures={mixtures}.")
        if low_rank_gates is not None and low_rank_gates < 1:
            raise ValueError(
                "low_rank_gates must be positive, or None. "
                f"Received: low_rank_gates={low_rank_gates}."
            )
        slim_l2(l2), prior_bias(prior)  # An error belongs here, not in `build`.
        self.num_classes = num_classes
        self.mixtures = mixtures
        self.l2 = l2
        self.prior = prior
        self.low_rank_gates = low_rank_gates

    def build(self, input_shape):
        """Makes the gates, without bias, and the experts, with one."""
        units = self.num_classes * (self.mixtures + 1)
        if self.low_rank_gates is None:
            self.gates = self._linear(units, "gates")
            self.gates.build(input_shape)
        else:
            self.gates1 = self._linear(self.low_rank_gates, "gates1")
            self.gates1.build(input_shape)
            self.gates2 = self._linear(units, "gates2")
            self.gates2.build((*input_shape[:-1], self.low_rank_gates))
        self.experts = keras.layers.Dense(
            self.num_classes * self.mixtures,
            bias_initializer=prior_bias(self.prior),
            kernel_regularizer=slim_l2(self.l2),
            dtype=self.dtype_policy,
            name="experts",
        )
        self.experts.build(input_shape)

    def _linear(self, units: int, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            use_bias=False,
            kernel_regularizer=slim_l2(self.l2),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs):
        """Mixes the experts of each class."""
        leading = ops.shape(inputs)[:-1]
        whole = self.low_rank_gates is None
        gates = self.gates(inputs) if whole else self.gates2(self.gates1(inputs))
        gates = ops.reshape(gates, (*leading, self.num_classes, self.mixtures + 1))
        experts = ops.reshape(self.experts(inputs), (*leading, self.num_classes, self.mixtures))
        shares = ops.softmax(gates, axis=-1)[..., :-1]
        return ops.sum(shares * ops.sigmoid(experts), axis=-1)

    def compute_output_shape(self, input_shape):
        """Replaces the size by the number of classes."""
        return (*input_shape[:-1], self.num_classes)

    def get_config(self):
        """Returns the arguments the layer was made with."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "mixtures": self.mixtures,
            "l2": self.l2,
            "prior": self.prior,
            "low_rank_gates": self.low_rank_gates,
        }
