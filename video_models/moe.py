"""Mixture of experts for each class, optionally with context gating of the probabilities."""

import keras

from video_models.layers.context_gating import ContextGating
from video_models.layers.mixture_of_experts import MixtureOfExperts


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    mixtures: int = 2,
    l2: float = 1e-8,
    prior: float = 0.5,
    low_rank_gates: int | None = None,
    gating: bool = False,
    remove_diag: bool = False,
) -> keras.KerasTensor:
    """Builds a mixture of logistic experts for each class, the usual head of the frame models.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes.
        mixtures: experts of each class, besides the dummy that answers 0.
        l2: penalty on the kernels, `l2 * sum(w^2) / 2` as in TF-Slim.
        prior: probability every expert starts at.
        low_rank_gates: rank of the gates' kernel, made as a product of two without bias or
            activation between; None keeps it whole. For 1024 inputs and 3862 classes the whole has
            12 million values, rank 64 less than one million.
        gating: weigh the probabilities by each other (context gating). Its kernel has
            `num_classes^2` values: 15 million for 3862 classes.
        remove_diag: leave a probability out of its own gate; it needs `gating`.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range, or `remove_diag` is given without `gating`.

    Reference:
        `MoeModel` of the google/youtube-8m starter code; the gating is `moe_prob_gating` and the
        low rank `moe_low_rank_gating` of Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905.
    """
    if remove_diag and not gating:
        raise ValueError("remove_diag needs gating=True. Received: remove_diag=True, gating=False.")
    probabilities = MixtureOfExperts(num_classes, mixtures, l2, prior, low_rank_gates)(features)
    if gating:
        probabilities = ContextGating(remove_diag, dtype="float32")(probabilities)
    return probabilities
