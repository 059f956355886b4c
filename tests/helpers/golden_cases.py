"""Layers and models against numbers from the original TensorFlow 1 programs. Any backend.

`errors` says how far a golden's two outputs are missed: at inference, and with the statistics of
the batch.
"""

import json
import operator
import sys

import keras
import numpy as np
from paths import find_golden

from frame_models.layers.gated_soft_dbow import GatedSoftDBoW
from frame_models.layers.netfv import NetFV
from frame_models.layers.netrvlad import NetRVLAD
from frame_models.layers.netvlad import NetVLAD
from frame_models.layers.netvlagd import NetVLAGD
from frame_models.layers.nextvlad import NeXtVLAD
from frame_models.layers.soft_dbow import SoftDBoW
from yt8m.conversion import tf1_weights
from yt8m.modeling import specs

NUM_CLASSES = 25
STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")

# Golden of a whole model -> its spec.
MODELS = {
    "starter_logistic": "logistic",
    "starter_moe": "moe",
    "willow_moe": "moe(mixtures=3)",
    "willow_moe_gated": "moe(gating=True)",
    "starter_frame_logistic": "average(head=logistic)",
    "starter_lstm": "lstm(cells=4, layers=2, output='last', head=moe)",
    "starter_dbof_max_sigmoid": "dbof(clusters=7, hidden=5)",
    "starter_dbof_max_relu6": "dbof(clusters=7, hidden=5, activation='relu6')",
    "starter_dbof_average_sigmoid": "dbof(clusters=7, hidden=5, pooling='average')",
    "starter_dbof_average_relu6": (
        "dbof(clusters=7, hidden=5, pooling='average', activation='relu6')"
    ),
    "willow_model_gated_netvlad": (
        "netvlad(clusters=4, hidden=8, gating=True, head=moe(gating=True))"
    ),
    "willow_model_netvlad_relu": "netvlad(clusters=4, hidden=8, relu=True)",
    "willow_model_gated_netrvlad": (
        "netrvlad(clusters=4, hidden=8, gating=True, head=moe(gating=True))"
    ),
    "willow_model_gated_netfv": "netfv(clusters=4, hidden=8, gating=True, head=moe(gating=True))",
    "willow_model_softdbow": "soft_dbow(clusters=16, hidden=8, head=moe(gating=True))",
    "willow_model_gated_softdbow": (
        "soft_dbow(clusters=16, hidden=8, gated=True, head=moe(gating=True))"
    ),
    "willow_model_lstm": "lstm(cells=4, layers=2)",
    "willow_model_gru": "gru(cells=4, layers=2)",
}


def _norm(attribute: str, scope: str) -> dict[str, str]:
    return {f"{attribute}.{name}": f"{scope}/{name}" for name in STATISTICS}


ASSIGNMENT = {"assignment.kernel": "cluster_weights"} | _norm("assignment.batch_norm", "cluster_bn")
NEXTVLAD = {
    "expand.kernel": "fully_connected/weights",
    "expand.bias": "fully_connected/biases",
    "attention.kernel": "fully_connected_1/weights",
    "attention.bias": "fully_connected_1/biases",
    "kernel": "cluster_weights",
    "centres": "cluster_weights2",
}
NEXTVLAD |= _norm("cluster_norm", "cluster_bn") | _norm("output_norm", "vlad_bn")
CENTRES = {"centres": "cluster_weights2"}
SCALES = {"scales": "covar_weights"}
GATES = {"reduction": "dim_red", "expansion": "cluster_weights_2"} | _norm(
    "gate_norm", "cluster_bn_2"
)

# Golden of a layer -> the layer and, weight by weight, the variables.
LAYERS = {
    "willow_pool_netvlad": (lambda: NetVLAD(5), ASSIGNMENT | CENTRES),
    "willow_pool_netrvlad": (lambda: NetRVLAD(5), ASSIGNMENT),
    "willow_pool_netvlagd": (lambda: NetVLAGD(5), ASSIGNMENT | {"gates": "gate_weights"}),
    "willow_pool_netfv_uncoupled": (lambda: NetFV(5), ASSIGNMENT | SCALES | CENTRES),
    "willow_pool_netfv_coupled": (lambda: NetFV(5, coupled=True), ASSIGNMENT | SCALES),
    "willow_pool_softdbow": (lambda: SoftDBoW(5), ASSIGNMENT),
    "willow_pool_softdbow_max": (lambda: SoftDBoW(5, max_pool=True), ASSIGNMENT),
    "willow_pool_gateddbow": (lambda: GatedSoftDBoW(5), ASSIGNMENT | GATES),
    "nextvlad_pool": (lambda: NeXtVLAD(5, groups=4, expansion=2), NEXTVLAD),
    "nextvlad_pool_masked": (lambda: NeXtVLAD(5, groups=4, expansion=2), NEXTVLAD),
}
NAMES = [*MODELS, *LAYERS]


def load(name: str) -> dict[str, np.ndarray] | None:
    """Reads a golden; None where it is too large for the repository and not beside it."""
    path = find_golden(f"{name}.npz")
    if path is None:
        return None
    with np.load(path) as arrays:
        return dict(arrays)


def errors(name: str, golden: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest differences from `out/infer` and `out/train`."""
    stored = tf1_weights.clean_names([key[2:] for key in golden if key.startswith("w/")])
    variables = {name: golden[f"w/{key}"] for name, key in stored.items()}
    answers = (_model if name in MODELS else _layer)(name, golden, variables)
    return {key: float(np.abs(value - golden[key]).max()) for key, value in answers.items()}


def _answers(layer: keras.Layer, inputs, **arguments) -> dict[str, np.ndarray]:
    """What a layer answers at inference and in training, by the keys of a golden."""

    def answer(trainable, others, inputs):
        infer, _ = layer.stateless_call(trainable, others, inputs, training=False, **arguments)
        train, _ = layer.stateless_call(trainable, others, inputs, training=True, **arguments)
        return {"out/infer": infer, "out/train": train}

    if keras.config.backend() == "jax":
        import jax

        answer = jax.jit(answer)  # Else each operation is compiled by itself.
    state = (
        [variable.value for variable in variables]
        for variables in (layer.trainable_variables, layer.non_trainable_variables)
    )
    return {key: keras.ops.convert_to_numpy(value) for key, value in answer(*state, inputs).items()}


def _model(name: str, golden: dict, variables: dict) -> dict[str, np.ndarray]:
    build = specs.model(MODELS[name]).partial()
    if "in/features" in golden:
        features = keras.Input(golden["in/features"].shape[1:])
        model = keras.Model(features, build(features, NUM_CLASSES))
        inputs = golden["in/features"]
    else:
        x = golden["in/frames"]
        sizes = {"rgb": 1024, "audio": 128} if x.shape[-1] == 1152 else {"joined": x.shape[-1]}
        parts = np.split(x, np.cumsum(list(sizes.values()))[:-1], axis=-1)
        frames = {key: keras.Input((None, size), name=key) for key, size in sizes.items()}
        mask = keras.Input((None,), dtype="bool", name="mask")
        model = keras.Model(frames | {"mask": mask}, build(frames, mask, NUM_CLASSES))
        inputs = dict(zip(frames, parts, strict=True))
        inputs["mask"] = np.arange(x.shape[1]) < golden["in/num_frames"][:, None]
    tf1_weights.fill(model, variables)
    return _answers(model, inputs)


def _layer(name: str, golden: dict, variables: dict) -> dict[str, np.ndarray]:
    make, attributes = LAYERS[name]
    layer = make()
    assert variables.keys() == set(attributes.values())
    frames = golden["in/frames"] if "in/frames" in golden else golden["in/frames_flat"]
    frames = frames.reshape(3, 7, -1)
    layer.build(frames.shape)
    assert len(layer.weights) == len(attributes)
    for attribute, variable in attributes.items():
        weight = operator.attrgetter(attribute)(layer)
        value = variables[variable]
        if value.ndim == 3:  # (1, size, clusters), or (1, clusters, size) for the gates.
            value = value[0].T if variable == "gate_weights" else value[0]
        weight.assign(value)
    mask = golden["in/mask"].astype("bool") if "in/mask" in golden else None
    answers = _answers(layer, frames, mask=mask)
    if name == "nextvlad_pool_masked":
        _show_padding(layer, mask)
        answers |= {"out/train": _answers(layer, frames)["out/train"]}
    return answers


def _show_padding(layer: NeXtVLAD, mask: np.ndarray):
    """Does as the original, whose batch statistics see padding: only its attention is masked."""
    attention = layer.attention
    masked = np.where(mask[..., None], 0.0, -1e9).astype("float32")
    layer.attention = lambda frames: attention(frames) + masked


def main():
    """Prints the errors of every golden at hand as JSON. For another backend's process."""
    given = {name: load(name) for name in NAMES}
    results = {name: errors(name, golden) for name, golden in given.items() if golden is not None}
    json.dump({"backend": keras.config.backend(), "errors": results}, sys.stdout)


if __name__ == "__main__":
    main()
