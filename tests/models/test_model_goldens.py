"""Models against numbers from the original TensorFlow 1 programs."""

import pathlib

import keras
import numpy as np
import pytest

from frame_models import average
from video_models import logistic, moe

DATA = pathlib.Path(__file__).parents[1] / "data"
NUM_CLASSES = 25
GATING = ["gating_prob_weights"] + [
    f"gating_prob_bn/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")
]
LOGISTIC = ["fully_connected/weights", "fully_connected/biases"]
MIXTURE = ["gates/weights", "experts/weights", "experts/biases"]


def set_weights(model: keras.Model, golden, names: list[str]):
    """Sets the weights in the order of `names`, and checks that it used every one."""
    assert {f"w/{name}" for name in names} == {key for key in golden if key.startswith("w/")}
    paths = {weight.path: weight for weight in model.weights}
    assert len(paths) == len(names)
    for weight, name in zip(sorted(model.weights, key=_order), names, strict=True):
        assert weight.shape == golden[f"w/{name}"].shape, (weight.path, name)
        weight.assign(golden[f"w/{name}"])


def _order(weight) -> int:
    """Gates before experts, all before gating, kernels before what follows them."""
    known = [
        ("mixture_of_experts", "gates/kernel"),
        ("mixture_of_experts", "experts/kernel"),
        ("mixture_of_experts", "experts/bias"),
        ("dense", "kernel"),
        ("dense", "bias"),
        ("context_gating", "kernel"),
        ("context_gating", "gamma"),
        ("context_gating", "beta"),
        ("context_gating", "moving_mean"),
        ("context_gating", "moving_variance"),
    ]
    matches = [
        i
        for i, (layer, name) in enumerate(known)
        if weight.path.startswith(layer) and weight.path.endswith("/" + name)
    ]
    assert len(matches) == 1, weight.path
    return matches[0]


def check(model: keras.Model, inputs: dict, golden):
    for training, key in ((False, "out/infer"), (True, "out/train")):
        result = np.array(model(inputs, training=training))
        np.testing.assert_allclose(result, golden[key], rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.parametrize(
    ("name", "build", "hyperparameters", "weights"),
    [
        ("starter_logistic", logistic.build, {}, LOGISTIC),
        ("starter_moe", moe.build, {}, MIXTURE),
        ("willow_moe", moe.build, {"mixtures": 3}, MIXTURE),
        ("willow_moe_gated", moe.build, {"gating": True}, MIXTURE + GATING),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_video_model(name, build, hyperparameters, weights):
    golden = np.load(DATA / f"{name}.npz")
    features = keras.Input((golden["in/features"].shape[-1],))
    model = keras.Model(features, build(features, NUM_CLASSES, **hyperparameters))
    set_weights(model, golden, weights)
    check(model, golden["in/features"], golden)


def test_frame_logistic():
    golden = np.load(DATA / "starter_frame_logistic.npz")
    frames, num_frames = golden["in/frames"], golden["in/num_frames"]
    inputs = {
        "frames": keras.Input((None, 20), name="frames"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    model = keras.Model(
        inputs, average.build({"joined": inputs["frames"]}, inputs["mask"], NUM_CLASSES)
    )
    set_weights(model, golden, LOGISTIC)
    mask = np.arange(frames.shape[1]) < num_frames[:, None]
    assert not mask.all()
    check(model, {"frames": frames, "mask": mask}, golden)
