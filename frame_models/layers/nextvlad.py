"""NeXtVLAD: NetVLAD on frames split into groups, each with an attention of its own."""

import keras
from keras import ops

from frame_models.layers.cluster_pooling import cluster_sums
from frame_models.layers.frame_layer import FramePooling
from frame_models.layers.l2_normalize import l2_normalize
from frame_models.layers.padding import zero_padding
from video_models.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable(package="frame_models")
class NeXtVLAD(FramePooling):
    """Expands each frame, splits it into groups, and pools all groups into the same clusters.

    A frame x becomes `expansion * size` values and is cut into `groups` pieces. Group g has the
    attention `sigmoid(x @ w_g + b_g)` and shares itself out among the clusters by a softmax; the
    residuals of all groups of all frames are summed. The clusters are as small as a group, which
    is where the parameters are saved.

    Args:
        clusters: number of clusters.
        groups: number of groups; it divides `expansion * size`.
        expansion: how many times larger a frame is made first.
        momentum: of the batch norms' moving statistics.
        epsilon: added to the batch norms' variances.
        **kwargs: what every Keras layer takes, such as `name` and `dtype`.

    Call arguments:
        mask: `(batch, time)`, bool, true for a frame of the video; None takes every frame for one.
        training: whether the batch norm takes the statistics of these frames, and updates its own.

    Input shape:
        `(batch, time, size)`, float; mask `(batch, time)`, bool, true for a frame of the video.

    Output shape:
        `(batch, expansion * size / groups * clusters)`, value d of cluster k at
        `d * clusters + k`. Each cluster is scaled to unit norm; a batch norm replaces NetVLAD's
        second scaling. The mask ends here.

    Raises:
        ValueError: an argument is not positive, or `groups` does not divide `expansion * size`.

    Reference:
        Lin, Xiao and Fan, https://arxiv.org/abs/1811.05014, and the authors' code. The code's batch
        statistics include padded frames; these do not.

    Example:
        >>> frames = keras.ops.ones((2, 5, 8))  # 2 videos of 5 frames, 8 values each
        >>> tuple(NeXtVLAD(clusters=4, groups=2, expansion=2)(frames).shape)
        (2, 32)
    """

    def __init__(
        self,
        clusters: int,
        groups: int = 8,
        expansion: int = 2,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value in (("clusters", clusters), ("groups", groups), ("expansion", expansion)):
            if value < 1:
                raise ValueError(f"{name} must be positive. Received: {name}={value}.")
        self.clusters = clusters
        self.groups = groups
        self.expansion = expansion
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        """Makes the expansion, the attention, the assignment, the centres and the batch norms."""
        width = self.expansion * input_shape[-1]
        if width % self.groups:
            raise ValueError(
                f"groups must divide expansion * size = {width}. Received: groups={self.groups}."
            )
        initializer = keras.initializers.VarianceScaling(2.0)
        self.expand = self._dense("expand", width, input_shape)
        wide = (*input_shape[:-1], width)
        self.attention = self._dense("attention", self.groups, wide)
        self.kernel = self.add_weight(
            name="kernel", shape=(width, self.groups * self.clusters), initializer=initializer
        )
        self.centres = self.add_weight(
            name="centres", shape=(width // self.groups, self.clusters), initializer=initializer
        )
        self.cluster_norm = self._norm(
            "cluster_norm", (*input_shape[:-1], self.groups * self.clusters)
        )
        self.output_norm = self._norm("output_norm", self.compute_output_shape(input_shape))

    def _dense(self, name: str, units: int, input_shape: tuple) -> keras.layers.Dense:
        initializer = keras.initializers.VarianceScaling(2.0)
        layer = keras.layers.Dense(
            units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name
        )
        layer.build(input_shape)
        return layer

    def _norm(self, name: str, input_shape: tuple) -> keras.layers.BatchNormalization:
        layer = BatchNorm(
            momentum=self.momentum, epsilon=self.epsilon, dtype=self.dtype_policy, name=name
        )
        layer.build(input_shape)
        return layer

    def call(self, inputs, mask=None, training=None):
        """Returns the vector of each video."""
        # The groups of all frames follow each other on the time axis.
        frames, attention, shares = self._attend(inputs, mask, training)
        shares = shares * self._by_group(attention, 1)
        width = self.expansion * inputs.shape[-1]
        sums = cluster_sums(self._by_group(frames, width // self.groups), shares)
        counts = ops.sum(shares, axis=1, keepdims=True)
        residuals = l2_normalize(sums - counts * ops.cast(self.centres, shares.dtype), axis=1)
        flat = ops.reshape(residuals, (-1, width // self.groups * self.clusters))
        return self.output_norm(ops.cast(flat, self.compute_dtype), training=training)

    def _attend(self, inputs, mask, training):
        """Returns the wide frames, the attention to their groups, and the shares of all groups."""
        frames = self.expand(zero_padding(inputs, mask))
        attention = zero_padding(ops.sigmoid(self.attention(frames)), mask)
        scores = ops.matmul(frames, ops.cast(self.kernel, self.compute_dtype))
        scores = self.cluster_norm(scores, mask=mask, training=training)
        return frames, attention, ops.softmax(self._by_group(scores, self.clusters), axis=-1)

    def intermediates(self, inputs, mask=None):
        """Returns the shares and the attention of the groups of each frame.

        `assignments` (batch, time, groups, clusters): the shares of each group sum to 1.
        `group_attention` (batch, time, groups): each from 0 to 1, by itself.
        """
        _, attention, shares = self._attend(inputs, mask, training=False)
        by_frame = (ops.shape(attention)[0], -1, self.groups * self.clusters)
        shares = zero_padding(ops.reshape(shares, by_frame), mask)
        shape = (ops.shape(attention)[0], -1, self.groups, self.clusters)
        return {"assignments": ops.reshape(shares, shape), "group_attention": attention}

    def _by_group(self, x, size: int):
        """(batch, time, groups * size) as (batch, time * groups, size)."""
        return ops.reshape(x, (ops.shape(x)[0], -1, size))

    def output_size(self, size: int) -> int:
        """The length of a video's vector, for frames of this size."""
        return self.expansion * size // self.groups * self.clusters
