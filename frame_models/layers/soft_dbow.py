"""Soft-DBoW: how many frames belong to each cluster."""

import keras
from keras import ops

from frame_models.layers.cluster_pooling import ClusterPooling, frame_counts, largest_shares
from frame_models.layers.l2_normalize import l2_normalize


@keras.saving.register_keras_serializable(package="frame_models")
class SoftDBoW(ClusterPooling):
    """Sums the shares of all frames in each cluster: a soft bag of visual words.

    Args:
        clusters: number of clusters.
        max_pool: append the largest share of a frame in each cluster.
        momentum: of the batch norm's moving statistics.
        epsilon: added to the batch norm's variance.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, clusters)`, of unit norm, or `(batch, 2 * clusters)` with `max_pool`, each half of
        unit norm; zeros for a video without frames.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, section 3.1 (`SoftDBoF` in the
        authors' code).

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(SoftDBoW(clusters=4, max_pool=True)(frames).shape)
        (2, 8)
    """

    def __init__(
        self,
        clusters: int,
        max_pool: bool = False,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        **kwargs,
    ):
        super().__init__(clusters, momentum, epsilon, **kwargs)
        self.max_pool = max_pool

    def pool(self, frames, shares, training):
        """Returns the normalised sums and, if asked for, the normalised maxima."""
        pooled = l2_normalize(frame_counts(shares), axis=1)
        if not self.max_pool:
            return pooled
        return ops.concatenate([pooled, largest_shares(shares)], axis=-1)

    def output_size(self, size: int) -> int:
        """The length of a video's vector, for frames of this size."""
        return self.clusters * (2 if self.max_pool else 1)
