"""Softmax regression: the classes of a video share a probability of one."""

import keras

from video_models.layers.weights import scaled_glorot, slim_l2


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    l2: float = 1e-8,
    kernel_scale: float = 1.0,
) -> keras.KerasTensor:
    """Builds `softmax(x @ kernel + bias)`, the head for data with one label a video.

    It also serves models that classify every frame by itself and then average. Train it with
    `--loss="softmax(scores='log_probabilities')"`, which also takes several labels a video.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes.
        l2: penalty on the kernel, `l2 * sum(w^2) / 2` as in TF-Slim; not on the bias.
        kernel_scale: the kernel starts at this times Glorot's uniform distribution. A small one
            starts all videos near equal probabilities.

    Returns:
        (batch, num_classes), probabilities that sum to one, float32 under every dtype policy.

    Raises:
        ValueError: `l2` is negative or `kernel_scale` is not positive.

    Reference:
        Gong et al., Deep convolutional ranking for multilabel image annotation,
        https://arxiv.org/abs/1312.4894; at every frame in Ng et al., Beyond short snippets: deep
        networks for video classification, https://arxiv.org/abs/1503.08909.
    """
    return keras.layers.Dense(
        num_classes,
        activation="softmax",
        kernel_initializer=scaled_glorot(kernel_scale),
        kernel_regularizer=slim_l2(l2),
        dtype="float32",
    )(features)
