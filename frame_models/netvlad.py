"""NetVLAD pooling of each feature, a hidden layer and a classifier."""

import keras

from frame_models.layers.each_feature import pool_each, share_sizes
from frame_models.layers.netvlad import NetVLAD
from video_models import VideoModel, moe
from video_models import hidden as hidden_layer

# Name -> spec: what `netvlad@NAME` is short for in a spec.
PUBLISHED = {
    # Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, and the authors' code.
    "plain": "netvlad(clusters=256, head=moe(l2=1e-6))",
    "gated": "netvlad(clusters=256, gating=True, head=moe(l2=1e-6, gating=True))",
    "gated_pooling": "netvlad(clusters=256, gating=True, head=moe(l2=1e-6))",
    "glu": "netvlad(clusters=256, gating=True, gate='glu', head=moe(l2=1e-6, gating=True))",
}


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    clusters: int | tuple[int, ...] = 256,
    hidden: int = 1024,
    relu: bool = False,
    gating: bool = False,
    gate: str = "context",
    remove_diag: bool = False,
    dropout: float = 0.0,
    head: VideoModel = moe.build,
) -> keras.KerasTensor:
    """Pools the residuals of the frames from learnt clusters, and classifies what it pooled.

    The published Gated NetVLAD is `netvlad(gating=True, head=moe(gating=True))`.

    Args:
        frames: feature name -> (batch, time, size); each feature is pooled by itself.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        clusters: number of clusters of the first feature, a half of it for each further one; or a
            number for each.
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
        ValueError: an argument is out of its range.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, winner of the 2017 competition:
        `NetVLADModelLF` in the authors' code.
    """
    sizes = share_sizes("clusters", clusters, len(frames), share=2)
    pooled = pool_each(frames, mask, lambda i: NetVLAD(sizes[i]))
    return hidden_layer.build(
        pooled,
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
