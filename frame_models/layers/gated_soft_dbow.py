"""Gated Soft-DBoW: cluster counts gated by the largest shares."""

import keras
from keras import ops

from frame_models.layers.cluster_pooling import ClusterPooling, frame_counts, largest_shares
from frame_models.layers.l2_normalize import l2_normalize
from video_models.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable(package="frame_models")
class GatedSoftDBoW(ClusterPooling):
    """Weighs the sums of the shares in each cluster by gates made of the largest shares.

    With shares a: `sum_t a * sigmoid(BN(L2(max_t a) @ reduction @ expansion))`, scaled to unit
    norm. The two matrices lead through a space as small as a frame.

    Args:
        clusters: number of clusters.
        momentum: of the batch norms' moving statistics.
        epsilon: added to the batch norms' variances.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, clusters)`, of unit norm; zeros for a video without frames.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        `GatedDBoF` in the code of Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(GatedSoftDBoW(clusters=4)(frames).shape)
        (2, 4)
    """

    def build(self, input_shape):
        """Makes the weights of the assignment and of the gates."""
        super().build(input_shape)
        size = input_shape[-1]
        self.reduction = self.add_weight(
            name="reduction",
            shape=(self.clusters, size),
            initializer=keras.initializers.RandomNormal(stddev=size**-0.5),
        )
        self.expansion = self.add_centres("expansion", size)
        self.gate_norm = BatchNorm(
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=self.dtype_policy,
            name="gate_norm",
        )
        self.gate_norm.build((input_shape[0], self.clusters))

    def pool(self, frames, shares, training):
        """Returns the gated, normalised sums."""
        largest = ops.cast(largest_shares(shares), self.compute_dtype)
        gates = ops.matmul(largest, ops.cast(self.reduction, self.compute_dtype))
        gates = ops.matmul(gates, ops.cast(self.expansion, self.compute_dtype))
        gates = ops.sigmoid(self.gate_norm(gates, training=training))
        return l2_normalize(frame_counts(shares) * ops.cast(gates, "float32"), axis=1)

    def output_size(self, size: int) -> int:
        """The length of a video's vector, for frames of this size."""
        return self.clusters
