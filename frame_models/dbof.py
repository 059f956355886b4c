"""Deep bag of frames: many units pooled over time, a hidden layer and a classifier."""

import keras
from keras import layers

from frame_models.layers.deep_bag_of_frames import DeepBagOfFrames
from frame_models.layers.join import join
from video_models import VideoModel, moe
from video_models.layers.batch_norm import BatchNorm


def build(
    frames: dict[str, keras.KerasTensor],
    mask: keras.KerasTensor,
    num_classes: int,
    *,
    clusters: int = 8192,
    hidden: int = 1024,
    activation: str = "sigmoid",
    pooling: str = "max",
    momentum: float = 0.99,
    head: VideoModel = moe.build,
) -> keras.KerasTensor:
    """Projects the frames to many units, pools each over time, and classifies a hidden layer.

    Args:
        frames: feature name -> (batch, time, size); the features are joined.
        mask: (batch, time), bool, true for the frames of a video and false for padding.
        num_classes: number of classes.
        clusters: number of units a frame is projected to.
        hidden: size of the hidden layer.
        activation: "sigmoid" or "relu6", of the units and of the hidden layer.
        pooling: "max" or "average", over the frames.
        momentum: of the moving statistics of the three batch norms.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Abu-El-Haija et al., https://arxiv.org/abs/1609.08675, section 5.1.2, and `DbofModel` of the
        google/youtube-8m starter code.
    """
    if hidden < 1:
        raise ValueError(f"hidden must be positive. Received: hidden={hidden}.")
    # The second batch norm takes out every offset that this one could add.
    norm = BatchNorm(momentum, center=False)
    joined = norm(join(frames), mask=mask)
    pooled = DeepBagOfFrames(clusters, activation, pooling, momentum)(joined, mask=mask)
    initializer = keras.initializers.RandomNormal(stddev=clusters**-0.5)
    x = layers.Dense(hidden, use_bias=False, kernel_initializer=initializer)(pooled)
    x = BatchNorm(momentum)(x)
    return head(layers.Activation(activation)(x), num_classes)
