"""Pooling of frames by cluster: what NetVLAD and its kin share."""

import math

import keras
from keras import ops

from frame_models.layers.frame_layer import FramePooling
from frame_models.layers.l2_normalize import l2_normalize
from frame_models.layers.padding import zero_padding
from frame_models.layers.soft_assignment import SoftAssignment


@keras.saving.register_keras_serializable(package="frame_models")
class ClusterPooling(FramePooling):
    """Shares the frames out among clusters and sums them: `V[:, k] = sum_t a_k(x_t) x_t`.

    The base of the layers that pool by cluster: they make more of frames and shares in `pool`.

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
        `(batch, size * clusters)`, value d of cluster k at `d * clusters + k`. The mask ends here.

    Raises:
        ValueError: `clusters` is not positive.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(ClusterPooling(clusters=4)(frames).shape)
        (2, 32)
    """

    def __init__(self, clusters: int, momentum: float = 0.99, epsilon: float = 0.001, **kwargs):
        super().__init__(**kwargs)
        self.clusters = clusters
        self.momentum = momentum
        self.epsilon = epsilon
        self.assignment = SoftAssignment(
            clusters, momentum, epsilon, dtype=self.dtype_policy, name="assignment"
        )

    def build(self, input_shape):
        """Makes the assignment's weights."""
        self.assignment.build(input_shape)

    def add_centres(self, name: str, size: int):
        """Adds a weight (size, clusters) from N(0, 1 / sqrt(size)), as the published models do."""
        initializer = keras.initializers.RandomNormal(stddev=1 / math.sqrt(size))
        return self.add_weight(name=name, shape=(size, self.clusters), initializer=initializer)

    def call(self, inputs, mask=None, training=None):
        """Returns the vector of each video."""
        frames = zero_padding(inputs, mask)
        shares = self.assignment(frames, mask=mask, training=training)
        return ops.cast(self.pool(frames, shares, training), self.compute_dtype)

    def pool(self, frames, shares, training):
        """Makes a vector of each video.

        Args:
            frames: (batch, time, size), zeros where there is padding.
            shares: (batch, time, clusters), see `SoftAssignment`; zeros where there is padding.
            training: whether this is training.

        Returns:
            (batch, output_size).
        """
        return ops.reshape(cluster_sums(frames, shares), (-1, self.output_size(frames.shape[-1])))

    def intermediates(self, inputs, mask=None):
        """Returns `assignments` (batch, time, clusters): the shares of each frame sum to 1."""
        return {"assignments": self.assignment(zero_padding(inputs, mask), mask=mask)}

    def output_size(self, size: int) -> int:
        """The length of a video's vector, for frames of this size."""
        return size * self.clusters


def cluster_sums(frames: keras.KerasTensor, shares: keras.KerasTensor) -> keras.KerasTensor:
    """Sums the frames (batch, time, size) by their shares: (batch, size, clusters).

    Example:
        >>> frames, shares = keras.ops.ones((2, 5, 8)), keras.ops.ones((2, 5, 4))
        >>> tuple(cluster_sums(frames, shares).shape)
        (2, 8, 4)
    """
    return ops.matmul(ops.transpose(frames, (0, 2, 1)), shares)


def frame_counts(shares: keras.KerasTensor) -> keras.KerasTensor:
    """How many frames each cluster has, of shares (batch, time, clusters): (batch, clusters).

    Example:
        >>> keras.ops.convert_to_numpy(frame_counts(np.array([[[0.5, 0.5], [1.0, 0.0]]]))).tolist()
        [[1.5, 0.5]]
    """
    return ops.sum(ops.cast(shares, "float32"), axis=1)


def largest_shares(shares: keras.KerasTensor) -> keras.KerasTensor:
    """The largest share of a frame in each cluster, scaled to unit norm: (batch, clusters).

    Example:
        >>> shares = np.array([[[0.5, 0.0], [1.0, 0.0]]])
        >>> keras.ops.convert_to_numpy(largest_shares(shares)).tolist()
        [[1.0, 0.0]]
    """
    return l2_normalize(ops.max(shares, axis=1), axis=1)


def normalized_clusters(sums: keras.KerasTensor) -> keras.KerasTensor:
    """Scales each cluster of (batch, size, clusters) to unit norm, then all as one flat vector.

    Returns:
        (batch, size * clusters), float32.

    Example:
        >>> tuple(normalized_clusters(keras.ops.ones((2, 8, 4))).shape)
        (2, 32)
    """
    sums = l2_normalize(sums, axis=1)
    return l2_normalize(ops.reshape(sums, (-1, sums.shape[1] * sums.shape[2])), axis=1)
