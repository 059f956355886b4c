"""How much each frame belongs to each cluster."""

import keras
from keras import ops

from frame_models.layers.frame_projection import FrameProjection


@keras.saving.register_keras_serializable(package="frame_models")
class SoftAssignment(FrameProjection):
    """Shares each frame out among clusters: `softmax(BN(x @ kernel))` over the clusters.

    Every frame gives 1 in all, and padding gives 0. The batch norm does not see padding.

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
        `(batch, time, clusters)`. The mask goes along.

    Raises:
        ValueError: `clusters` is not positive.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, equation 3, with the authors'
        batch norm in place of the bias; kernel from N(0, 1 / sqrt(size)).

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> shares = SoftAssignment(clusters=4)(frames)
        >>> tuple(shares.shape), round(float(keras.ops.sum(shares[0, 0])), 3)
        ((2, 5, 4), 1.0)
    """

    def activate(self, units):
        """The softmax over the clusters."""
        return ops.softmax(units, axis=-1)
