"""NetFV: Fisher vectors with learnt clusters."""

import keras
from keras import ops

from frame_models.layers.cluster_pooling import ClusterPooling, cluster_sums, normalized_clusters
from frame_models.layers.l2_normalize import l2_normalize


@keras.saving.register_keras_serializable(package="frame_models")
class NetFV(ClusterPooling):
    """Sums first and second order differences of the frames from each cluster.

    With shares `a_k`, centres `c_k` and scales `s_k`:
    `FV1[:, k] = sum_t a_k(x_t) (x_t - c_k) / s_k` and
    `FV2[:, k] = sum_t a_k(x_t) ((x_t - c_k)^2 / s_k^2 - 1)`.
    FV1 is scaled to unit norm by cluster and then as a whole, FV2 as a whole only: so does the
    authors' code.

    Args:
        clusters: number of clusters.
        coupled: take `coupling_factor` times the assignment's kernel for the centres, instead of
            weights of their own.
        coupling_factor: see `coupled`.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, 2 * size * clusters)`: FV1, then FV2, each of unit norm; zeros for a video without
        frames.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, equation 4, and the authors'
        code, where a scale is `w^2 + 1e-6` of a weight w.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(NetFV(clusters=4)(frames).shape)
        (2, 64)
    """

    def __init__(
        self,
        clusters: int,
        coupled: bool = False,
        coupling_factor: float = 0.01,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        **kwargs,
    ):
        super().__init__(clusters, momentum, epsilon, **kwargs)
        self.coupled = coupled
        self.coupling_factor = coupling_factor

    def build(self, input_shape):
        """Makes the assignment's weights, the scales and, where they are not coupled, centres."""
        super().build(input_shape)
        size = input_shape[-1]
        self.scales = self.add_weight(
            name="scales",
            shape=(size, self.clusters),
            initializer=keras.initializers.RandomNormal(mean=1.0, stddev=size**-0.5),
        )
        if not self.coupled:
            self.centres = self.add_centres("centres", size)

    def pool(self, frames, shares, training):
        """Returns both normalised sums. They are made in float32, for they subtract near equals."""
        frames, shares = ops.cast(frames, "float32"), ops.cast(shares, "float32")
        counts = ops.sum(shares, axis=1, keepdims=True)
        sums = cluster_sums(frames, shares)
        centres = self._centres()
        scales = ops.square(ops.cast(self.scales, "float32")) + 1e-6
        first = (sums - counts * centres) / scales
        second = cluster_sums(ops.square(frames), shares)
        second = second - 2 * centres * sums + counts * ops.square(centres)
        second = second / ops.square(scales) - counts
        flat = ops.reshape(second, (-1, second.shape[1] * second.shape[2]))
        return ops.concatenate([normalized_clusters(first), l2_normalize(flat, axis=1)], axis=-1)

    def _centres(self):
        if self.coupled:
            return self.coupling_factor * ops.cast(self.assignment.kernel, "float32")
        return ops.cast(self.centres, "float32")

    def output_size(self, size: int) -> int:
        """The length of a video's vector, for frames of this size."""
        return 2 * size * self.clusters
