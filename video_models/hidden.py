"""One hidden layer, optionally gated, before a classifier: what follows the published poolings."""

import keras
from keras import layers

from video_models import VideoModel, moe
from video_models.layers.batch_norm import BatchNorm
from video_models.layers.context_gating import ContextGating
from video_models.layers.gated_linear_unit import GatedLinearUnit


def build(
    features: keras.KerasTensor,
    num_classes: int,
    *,
    units: int = 1024,
    relu: bool = False,
    gating: bool = False,
    gate: str = "context",
    remove_diag: bool = False,
    dropout: float = 0.0,
    momentum: float = 0.99,
    stddev: float | None = None,
    head: VideoModel = moe.build,
) -> keras.KerasTensor:
    """Builds a dense layer with a bias, or with batch norm and ReLU6, a gate and a classifier.

    Args:
        features: (batch, size), one vector a video.
        num_classes: number of classes.
        units: size of the hidden layer.
        relu: batch norm and ReLU6 in place of the bias.
        gating: gate the hidden layer.
        gate: "context", context gating, or "glu", a gated linear unit; it needs `gating`.
        remove_diag: leave a value out of its own gate; it needs `gating` with gate "context".
        dropout: share of the values before the classifier that training drops.
        momentum: of the moving statistics of the batch norms.
        stddev: the kernel starts at N(0, stddev); None takes Glorot's uniform distribution.
        head: the classifier, called as `head(features, num_classes)`: `build` of a video model.

    Returns:
        (batch, num_classes), probabilities, float32 under every dtype policy.

    Raises:
        ValueError: an argument is out of its range, or needs another one.

    Reference:
        Miech, Laptev and Sivic, https://arxiv.org/abs/1706.06905, figure 1 and table 2, and the
        authors' code.
    """
    _check(units, gating, gate, remove_diag)
    if stddev is not None and not stddev > 0:
        raise ValueError(f"stddev must be positive. Received: stddev={stddev}.")
    initializer = (
        keras.initializers.RandomNormal(stddev=stddev) if stddev is not None else "glorot_uniform"
    )
    x = layers.Dense(units, use_bias=not relu, kernel_initializer=initializer)(features)
    if relu:
        x = BatchNorm(momentum)(x)
        x = layers.Activation("relu6")(x)
    if gating:
        x = GatedLinearUnit()(x) if gate == "glu" else ContextGating(remove_diag, momentum)(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return head(x, num_classes)


def _check(units: int, gating: bool, gate: str, remove_diag: bool):
    if units < 1:
        raise ValueError(f"The hidden layer needs a positive size. Received: {units}.")
    if gate not in ("context", "glu"):
        raise ValueError(f"gate must be 'context' or 'glu'. Received: gate={gate!r}.")
    if gate != "context" and not gating:
        raise ValueError(f"gate needs gating=True. Received: gate={gate!r}, gating=False.")
    if remove_diag and not (gating and gate == "context"):
        raise ValueError(
            "remove_diag needs gating=True and gate='context'. "
            f"Received: remove_diag=True, gating={gating}, gate={gate!r}."
        )
