"""Soft-DBoW pooling of each feature, a hidden layer and a classifier."""

import keras

from frame_models.layers.each_feature import pool_each, share_sizes
from frame_models.layers.gated_soft_dbow import GatedSoftDBoW
from frame_models.layers.soft_dbow import SoftDBoW
from video_models import VideoModel, moe
from video_models import hidden as hidden_layer

# Name -> spec: what `soft_dbow@NAME` is short for in a spec.
PUBLISHED = {
    # Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, and the authors' code.
    "plain": "soft_dbow(clusters=8000)",
    "gated": "soft_dbow(clusters=4096, gated=True, head=moe(l2=1e-6, gating=True))",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    clusters: int | tuple[int, ...] = 4096,
    gated: bool = False,
    max_pool: bool = False,
    hidden: int = 1024,
    relu: bool = False,
    gating: bool = False,
    gate: str = "context",
    remove_diag: bool = False,
    dropout: float = 0.0,
    head: VideoModel = moe.build,
) -> keras.KerasTensor:
    """Counts the frames in learnt clusters, softly, and classifies the counts.

    The published Gated Soft-DBoW is `soft_dbow(gated=True, head=moe(gating=True))`.

    Args:
        frames: feature name -> (batch, time, size); each feature is pooled by itself.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        clusters: number of clusters of the first feature, an eighth of it for each further one; or
            a number for each.
        gated: weigh the first feature's counts by gates made of its largest shares.
        max_pool: append the largest share of a frame in each cluster; not with `gated`.
        hidden: size of the hidden layer.
        relu: batch norm and ReLU6 in the hidden layer in place of a bias.
        gating: gate the hidden layer.
        gate: "context", context gating, or "glu", a gated linear unit; it needs `gating`.
        remove_diag: leave a value out of its own context gate; it needs `gating`.
        dropout: share of the values before the classifier that training drops.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range, or excludes another one.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, winner of the 2017 competition:
        `SoftDbofModelLF` and `GatedDbofModelLF` in the authors' code.
    """
    if gated and max_pool:
        raise ValueError("max_pool excludes gated. Received: max_pool=True, gated=True.")
    sizes = share_sizes("clusters", clusters, len(frames), share=8)

    def pooling(position: int) -> keras.layers.Layer:
        if gated and position == 0:
            return GatedSoftDBoW(sizes[0])
        return SoftDBoW(sizes[position], max_pool)

    return hidden_layer.build(
        pool_each(frames, mask, pooling, center=False),
        num_classes,
        units=hidden,
        relu=relu,
        gating=gating,
        gate=gate,
        remove_diag=remove_diag,
        dropout=dropout,
        stddev=sizes[0] ** -0.5,
        head=head,
    )
