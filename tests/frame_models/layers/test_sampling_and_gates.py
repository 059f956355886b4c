"""Frame sampling, gates, distillation, and how features share clusters: against NumPy."""

import keras
import numpy as np
import pytest

from frame_models import mixture, netvlad, soft_dbow
from frame_models.layers.distillation import Distillation
from frame_models.layers.each_feature import share_sizes
from frame_models.layers.frame_sampling import FrameSampling
from video_models import hidden
from video_models.layers.gated_linear_unit import GatedLinearUnit
from video_models.layers.squeeze_gating import SqueezeGating

RANDOM = np.random.default_rng(7)
LENGTHS = np.array([6, 3, 1, 0])
TIME = 8


def frames_and_mask():
    """Frame t of video v holds 10 v + t, padding -1; real frames come first."""
    mask = np.arange(TIME) < LENGTHS[:, None]
    values = np.where(mask, 10 * np.arange(4)[:, None] + np.arange(TIME), -1)
    return {"frames": {"x": values[..., None].astype("float32")}, "mask": mask}


def sample(layer, training=True):
    result = layer(frames_and_mask(), training=training)
    return np.array(result["frames"]["x"])[..., 0], np.array(result["mask"])


@pytest.mark.parametrize("method", ["frames", "sequence"])
def test_samples_are_frames_of_their_video(method):
    layer = FrameSampling(5, method, seed=3)
    seen = [set() for _ in LENGTHS]
    for _ in range(60):
        values, valid = sample(layer)
        assert values.shape == valid.shape == (4, 5)
        for video, length in enumerate(LENGTHS):
            row = values[video][valid[video]] - 10 * video
            assert ((row >= 0) & (row < length)).all()
            expected = min(length, 5) if method == "sequence" else 5 * (length > 0)
            assert len(row) == expected
            if method == "sequence":
                assert (np.diff(row) == 1).all()
            seen[video] |= set(row.astype(int))
    assert [len(s) for s in seen] == list(LENGTHS), "every frame is drawn in the end"


def test_sampling_is_off_at_inference_and_repeatable_in_training():
    given = frames_and_mask()
    values, valid = sample(FrameSampling(2), training=False)
    np.testing.assert_array_equal(values, given["frames"]["x"][..., 0])
    np.testing.assert_array_equal(valid, given["mask"])
    np.testing.assert_array_equal(sample(FrameSampling(2, "all"))[0], values)
    first, again, other = (sample(FrameSampling(5, seed=s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_sampling_minds_a_mask_with_holes():
    given = frames_and_mask()
    given["mask"] = np.roll(given["mask"], 2, axis=1)
    given["frames"]["x"] = np.roll(given["frames"]["x"], 2, axis=1)
    result = FrameSampling(5, seed=0)(given, training=True)
    values, valid = np.array(result["frames"]["x"])[..., 0], np.array(result["mask"])
    assert (values[valid] >= 0).all() and valid[:3].all() and not valid[3].any()


@pytest.mark.parametrize("arguments", [{"num_frames": 0}, {"method": "some"}], ids=str)
def test_sampling_refuses(arguments):
    with pytest.raises(ValueError, match="Received"):
        FrameSampling(**arguments)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gated_linear_unit_is_its_formula():
    x = RANDOM.normal(size=(5, 4)).astype("float32")
    layer = GatedLinearUnit()
    layer.build(x.shape)
    layer.set_weights([RANDOM.normal(size=w.shape) for w in layer.weights])
    kernel, bias, gate_kernel, gate_bias = layer.get_weights()
    expected = (x @ kernel + bias) * sigmoid(x @ gate_kernel + gate_bias)
    np.testing.assert_allclose(np.array(layer(x)), expected, rtol=1e-4, atol=1e-5)


def test_squeeze_gating_is_its_formula():
    x = RANDOM.normal(size=(5, 8)).astype("float32")
    layer = SqueezeGating(reduction=4)
    layer.build(x.shape)
    layer.set_weights([RANDOM.uniform(0.5, 1.5, size=w.shape) for w in layer.weights])
    squeeze, expand, gamma, beta, mean, variance = layer.get_weights()
    narrow = (x @ squeeze - mean) / np.sqrt(variance + 0.001) * gamma + beta
    expected = x * sigmoid(np.maximum(narrow, 0) @ expand)
    np.testing.assert_allclose(np.array(layer(x)), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="reduction must not exceed"):
        SqueezeGating(reduction=9).build(x.shape)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def test_distillation_is_a_divergence_from_the_mixture_and_only_in_training():
    mixture_scores = RANDOM.normal(size=(3, 6)).astype("float32")
    branches = RANDOM.normal(size=(3, 2, 6)).astype("float32")
    layer = Distillation(weight=0.5, temperature=2.0)
    np.testing.assert_array_equal(
        np.array(layer([mixture_scores, branches], training=False)), mixture_scores
    )
    assert layer.losses == []
    layer([mixture_scores, branches], training=True)
    target, given = log_softmax(mixture_scores / 2)[:, None], log_softmax(branches / 2)
    expected = 0.5 * (np.exp(target) * (target - given)).sum(-1).mean()
    np.testing.assert_allclose(float(layer.losses[0]), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("value", "features", "share", "expected"),
    [
        (256, 2, 2, (256, 128)),
        (4096, 3, 8, (4096, 512, 512)),
        (4, 2, 8, (4, 1)),
        ((5, 7), 2, 2, (5, 7)),
    ],
)
def test_features_share_clusters_as_the_originals_do(value, features, share, expected):
    assert share_sizes("clusters", value, features, share) == expected


def inputs():
    frames = {"rgb": keras.Input((None, 8)), "audio": keras.Input((None, 4))}
    return frames, keras.Input((None,), dtype="bool")


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (netvlad.build, {"clusters": (4, 2, 1)}, r"Received: clusters=\(4, 2, 1\)"),
        (netvlad.build, {"clusters": 0}, "Received: clusters=0"),
        (netvlad.build, {"gate": "glu"}, "gate needs gating=True"),
        (netvlad.build, {"gate": "none", "gating": True}, "gate must be"),
        (netvlad.build, {"gating": True, "gate": "glu", "remove_diag": True}, "remove_diag needs"),
        (netvlad.build, {"hidden": 0}, "Received: 0"),
        (soft_dbow.build, {"gated": True, "max_pool": True}, "max_pool excludes gated"),
        (mixture.build, {"branches": (netvlad.build,)}, "2 or more models"),
        (mixture.build, {"branches": (mixture.build, netvlad.build)}, "must answer once"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hyperparameters_that_cannot_be_are_refused(build, arguments, message):
    frames, mask = inputs()
    with pytest.raises(ValueError, match=message):
        with keras.StatelessScope(initialize_variables=False):
            build(frames, mask, 3, **arguments)


@pytest.mark.parametrize("gate", ["context", "glu"])
def test_the_gate_is_the_one_asked_for(gate):
    features = keras.Input((6,))
    model = keras.Model(features, hidden.build(features, 3, units=4, gating=True, gate=gate))
    names = [type(layer).__name__ for layer in model.layers]
    assert ("ContextGating" in names, "GatedLinearUnit" in names) == (
        gate == "context",
        gate == "glu",
    )
