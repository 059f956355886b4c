"""NeXtVLAD pooling of each feature, a gated hidden layer and a classifier."""

import keras
from keras import layers

from frame_models.layers.each_feature import pool_each, share_sizes
from frame_models.layers.nextvlad import NeXtVLAD
from video_models import VideoModel, logistic
from video_models.layers.batch_norm import BatchNorm
from video_models.layers.squeeze_gating import SqueezeGating

# Name -> spec: what `nextvlad@NAME` is short for in a spec.
PUBLISHED = {
    # Lin, Xiao and Fan, https://arxiv.org/abs/1811.05014.
    "paper": "nextvlad(clusters=128, groups=8, hidden=2048, head=logistic(l2=1e-5))",
    # A branch of the same authors' mixture.
    "branch": "nextvlad(clusters=112, reduction=16, head=logistic(l2=2.5e-6))",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    clusters: int | tuple[int, ...] = 128,
    groups: int | tuple[int, ...] = 8,
    expansion: int = 2,
    hidden: int = 2048,
    reduction: int = 8,
    dropout: float = 0.5,
    momentum: float = 0.99,
    head: VideoModel = logistic.build,
) -> keras.KerasTensor:
    """Pools groups of the expanded frames by learnt clusters, and classifies what it pooled.

    Args:
        frames: feature name -> (batch, time, size); each feature is pooled by itself.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        clusters: number of clusters of the first feature, a half of it for each further one; or a
            number for each.
        groups: number of groups of the first feature, a half of it for each further one; or a
            number for each.
        expansion: how many times larger a frame is made before it is split into groups.
        hidden: size of the hidden layer.
        reduction: how many times narrower the hidden layer's gate is in its middle.
        dropout: share of the pooled values that training drops.
        momentum: of the moving statistics of the batch norms.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Lin, Xiao and Fan, https://arxiv.org/abs/1811.05014, and `NeXtVLADModel` in the authors'
        code. That undoes the whitening of the features in place of the L2 norm; nearest to it is
        to train with no normalisation of the frames.
    """
    if hidden < 1:
        raise ValueError(f"hidden must be positive. Received: hidden={hidden}.")
    sizes = share_sizes("clusters", clusters, len(frames), share=2)
    pieces = share_sizes("groups", groups, len(frames), share=2)
    pooled = pool_each(
        frames,
        mask,
        lambda i: NeXtVLAD(sizes[i], pieces[i], expansion, momentum),
        normalize=False,
    )
    if dropout:
        pooled = layers.Dropout(dropout)(pooled)
    initializer = keras.initializers.VarianceScaling(2.0)
    x = layers.Dense(hidden, use_bias=False, kernel_initializer=initializer)(pooled)
    x = BatchNorm(momentum)(x)
    return head(SqueezeGating(reduction, momentum)(x), num_classes)
