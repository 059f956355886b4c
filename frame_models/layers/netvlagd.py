"""NetVLAGD: NetVLAD with gates in place of the centres."""

import keras
from keras import ops

from frame_models.layers.cluster_pooling import ClusterPooling, cluster_sums, normalized_clusters


@keras.saving.register_keras_serializable(package="frame_models")
class NetVLAGD(ClusterPooling):
    """Sums the frames of each cluster and gates them: `V[:, k] = sigmoid(g_k) sum_t a_k(x_t) x_t`.

    The gates are weights, one for each value of each cluster, and the same for all videos. Each
    cluster's sum is scaled to unit norm, then all of them together.

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
        `NetVLAGD` in the code of Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(NetVLAGD(clusters=4)(frames).shape)
        (2, 32)
    """

    def build(self, input_shape):
        """Makes the assignment's weights and the gates."""
        super().build(input_shape)
        self.gates = self.add_centres("gates", input_shape[-1])

    def pool(self, frames, shares, training):
        """Returns the normalised sums."""
        gates = ops.sigmoid(ops.cast(self.gates, shares.dtype))
        return normalized_clusters(cluster_sums(frames, shares) * gates)
