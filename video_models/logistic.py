"""Logistic regression: one sigmoid unit for each class."""

import keras

from video_models.layers.weights import prior_bias, scaled_glorot, slim_l2


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    l2: float = 1e-8,
    prior: float = 0.5,
    kernel_scale: float = 1.0,
) -> keras.KerasTensor:
    """Builds `sigmoid(x @ kernel + bias)`, the simplest classifier and the default head.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes.
        l2: penalty on the kernel, `l2 * sum(w^2) / 2` as in TF-Slim; not on the bias.
        prior: probability every class starts at. With thousands of classes, a few of them true a
            video, 0.001 spares the steps that would only push all biases down.
        kernel_scale: the kernel starts at this times Glorot's uniform distribution. Behind a wide
            hidden layer 0.05 starts all videos near the prior, which few examples a class need.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: `l2` is negative, `prior` is not between 0 and 1, or `kernel_scale` is not
            positive.

    Reference:
        `LogisticModel` of the google/youtube-8m starter code, with its l2.
    """
    return keras.layers.Dense(
        num_classes,
        activation="sigmoid",
        kernel_initializer=scaled_glorot(kernel_scale),
        bias_initializer=prior_bias(prior),
        kernel_regularizer=slim_l2(l2),
        dtype="float32",
    )(features)
