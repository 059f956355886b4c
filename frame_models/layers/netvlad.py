"""NetVLAD: what the frames of each cluster differ from its centre by."""

import keras
from keras import ops

from frame_models.layers.cluster_pooling import ClusterPooling, cluster_sums, normalized_clusters


@keras.saving.register_keras_serializable(package="frame_models")
class NetVLAD(ClusterPooling):
    """Sums the residuals of each cluster: `V[:, k] = sum_t a_k(x_t) (x_t - c_k)`.

    `a_k` is the share of a frame in cluster k, learnt apart from the centres `c_k`. Each cluster's
    sum is scaled to unit norm, then all of them together.

    Args:
        clusters: number of clusters.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, size * clusters)`, of unit norm; zeros for a video without frames.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        Arandjelovic et al., https://arxiv.org/abs/1511.07247; over frames as in Miech, Laptev and
        Sivic, https://arxiv.org/abs/1706.06905, equation 2, and the authors' code.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(NetVLAD(clusters=4)(frames).shape)
        (2, 32)
    """

    def build(self, input_shape):
        """Makes the assignment's weights and the centres."""
        super().build(input_shape)
        self.centres = self.add_centres("centres", input_shape[-1])

    def pool(self, frames, shares, training):
        """Returns the normalised sums of the residuals."""
        counts = ops.sum(shares, axis=1, keepdims=True)
        centres = ops.cast(self.centres, shares.dtype)
        return normalized_clusters(cluster_sums(frames, shares) - counts * centres)
