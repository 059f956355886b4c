"""Intermediate values by name, of every model. That of a loaded one: see the models' contract."""

import functools
import re

import keras
import numpy as np
import pytest
from model_contract import Case, cases, masked, randomise
from paths import GOLDEN, ROOT

from video_models import logistic, mlp, moe, softmax
from yt8m import runs
from yt8m.modeling import intermediates

SAVED = GOLDEN / "saved_runs"
PAGE = ROOT / "frame_models" / "README.md"
CASES = cases()
ALL = pytest.mark.parametrize("case", CASES, ids=str)
WITH_MASK = pytest.mark.parametrize("case", [c for c in CASES if "mask" in c.inputs], ids=str)


@functools.cache
def built(case: Case) -> tuple[keras.Model, dict]:
    keras.utils.set_random_seed(1)
    model = case.model()
    randomise(model, narrow=bool(case.clips))
    return model, case.data_for(model)


def answers(model: keras.Model, data: dict) -> dict[str, np.ndarray]:
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in data.items()}
    result = model(tensors, training=False)
    return {name: keras.ops.convert_to_numpy(value) for name, value in result.items()}


@functools.cache
def shown(case: Case) -> dict[str, np.ndarray]:
    model, data = built(case)
    return answers(intermediates.model_of(model, list(intermediates.names(model))), data)


def kind(name: str) -> str:
    """The word of a name that says what it is."""
    return next(word for word in name.split("/") if word not in ("spatial", "temporal"))


def of(case_name: str, **hyperparameters) -> Case:
    return next(c for c in CASES if c.name == case_name).changed(**hyperparameters)


EXPECTED = {
    "video_models.mlp": ["embedding"],
    "video_models.ensemble": ["embedding/0", "embedding/1", "embedding/2"],
    "video_models.tasks": ["embedding"],
    "frame_models.average": ["pooled", "embedding"],
    "frame_models.attention": ["attention", "frame_probabilities", "embedding"],
    "frame_models.dbof": ["units", "pooled", "embedding"],
    "frame_models.transformer": ["attention", "pooled", "embedding"],
    "frame_models.pixels.c3d": ["embedding"],
    "frame_models.pixels.cnn": ["pooled", "embedding"],
    "frame_models.pixels.single_frame": ["frame_weights", "embedding"],
    "frame_models.pixels.two_stream": [
        f"{stream}/{name}"
        for stream in ("spatial", "temporal")
        for name in ("frame_weights", "embedding")
    ],
}
BY_FEATURE = ["assignments/rgb", "pooled/rgb", "assignments/audio", "pooled/audio", "embedding"]
EXPECTED |= dict.fromkeys(
    (f"frame_models.{name}" for name in ("netvlad", "netrvlad", "netvlagd", "netfv", "soft_dbow")),
    BY_FEATURE,
)


@ALL
def test_every_model_has_the_vector_before_its_head(case):
    names = list(shown(case))
    assert "embedding" in {kind(name) for name in names}
    assert names == EXPECTED.get(case.name, names)
    for name, tensor in intermediates.names(built(case)[0]).items():
        assert tensor.dtype == "float32"
        received = shown(case)[name].shape
        assert len(received) == len(tensor.shape), name
        assert all(side in (None, got) for side, got in zip(tensor.shape, received, strict=True))


@ALL
def test_assignments_and_attention_sum_to_one_over_real_frames_and_padding_is_zero(case):
    model, data = built(case)
    for name, values in shown(case).items():
        assert np.isfinite(values).all(), name
        if kind(name) in ("pooled",) or values.ndim < 2 or values.shape[:2] != _time(data):
            continue
        assert (values[~data["mask"]] == 0).all(), name
        assert np.abs(values[data["mask"]]).max() > 0, name
        if kind(name) == "assignments":
            np.testing.assert_allclose(values.sum(-1)[data["mask"]], 1, rtol=1e-5, err_msg=name)
        if kind(name) in ("attention", "frame_weights"):
            np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5, err_msg=name)


def _time(data: dict) -> tuple | None:
    return data["mask"].shape if "mask" in data else None


@WITH_MASK
def test_padding_does_not_reach_what_is_shown(case):
    model, data = built(case)
    showing = intermediates.model_of(model, list(intermediates.names(model)))
    for name, values in answers(showing, masked(data, 1e4)).items():
        np.testing.assert_allclose(values, shown(case)[name], atol=1e-5, err_msg=name)


def recording(head, seen: list):
    """A head that notes what it is called with."""

    def build(features, num_classes):
        seen.append(features)
        return head(features, num_classes)

    return build


HEADS = {
    "logistic": logistic.build,
    "softmax": softmax.build,
    "moe": moe.build,
    "gated moe": functools.partial(moe.build, gating=True),
}
WITH_HEAD = [(case, "gated moe") for case in CASES if "head" in case.parameters]
WITH_HEAD += [(of("frame_models.gru"), head) for head in HEADS]


@pytest.mark.parametrize(("case", "head"), WITH_HEAD, ids=str)
def test_the_embedding_is_what_the_head_is_given(case, head):
    """The head says so itself."""
    seen: list = []
    model = case.changed(head=recording(HEADS[head], seen)).model()
    names = intermediates.names(model)
    data = case.data_for(model)
    both = keras.Model(model.input, {"given": seen[-1], "shown": names["embedding"]})
    result = answers(both, data)
    given, received = result["given"], result["shown"]
    if received.ndim == 3:  # Of each frame, where there is no padding.
        given, received = given.reshape(received.shape)[data["mask"]], received[data["mask"]]
    np.testing.assert_array_equal(received, given)


def test_of_a_head_with_hidden_layers_it_is_the_last():
    case = of("frame_models.average", head=functools.partial(mlp.build, hidden=5))
    model, _ = built(case)
    assert intermediates.names(model)["embedding"].shape == (None, 5)


def test_it_changes_nothing_of_the_model():
    model, data = built(of("frame_models.netvlad"))
    config, paths = model.to_json(), [weight.path for weight in model.variables]
    showing = intermediates.model_of(model, ["assignments/rgb"])
    assert (model.to_json(), [weight.path for weight in model.variables]) == (config, paths)
    assert {id(weight) for weight in showing.weights} <= {id(weight) for weight in model.weights}


def test_weights_that_learn_on_are_seen():
    model = of("frame_models.netvlad").model()
    randomise(model)
    data = of("frame_models.netvlad").data()
    showing = intermediates.model_of(model, ["assignments/rgb"])
    before = answers(showing, data)["assignments/rgb"]
    layer = next(x for x in model.layers if type(x).__name__ == "NetVLAD")
    layer.assignment.batch_norm.beta.assign(np.arange(16.0))
    assert np.abs(answers(showing, data)["assignments/rgb"] - before).max() > 0.1


def test_assignments_are_the_softmax_of_the_published_formula():
    model, data = built(of("frame_models.netvlad"))
    layer = next(x for x in model.layers if type(x).__name__ == "NetVLAD")
    norm = layer.assignment.batch_norm
    gamma, beta, mean, variance = (np.float64(w.numpy()) for w in norm.weights)
    read = keras.Model(model.input, {"x": layer.input[0]})
    scores = answers(read, data)["x"].astype("float64") @ layer.assignment.kernel.numpy()
    scores = (scores - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta
    expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True) * data["mask"][..., None]
    received = shown(of("frame_models.netvlad"))["assignments/rgb"]
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_attention_weighs_what_the_frames_say():
    case = of("frame_models.attention")
    values = shown(case)
    model, data = built(case)
    expected = keras.ops.convert_to_numpy(model(data, training=False))
    weighed = (values["attention"] * values["frame_probabilities"]).sum(1)
    np.testing.assert_allclose(weighed, expected, atol=1e-6)


def test_frame_weights_weigh_the_answers_of_the_frames():
    case = of("frame_models.lstm", output="frames")
    model, data = built(case)
    said = answers(model, data)
    weights = shown(case)["frame_weights"]
    assert shown(case)["embedding"].shape == (*data["mask"].shape, 16)
    weighed = (weights[..., None] * said["members"]).sum(1)
    np.testing.assert_allclose(weighed, said["probabilities"], atol=1e-6)


def test_the_branches_of_a_mixture_are_counted():
    names = list(intermediates.names(built(of("frame_models.mixture"))[0]))
    assert [name for name in names if name.startswith("assignments/rgb")] == [
        f"assignments/rgb/{branch}" for branch in range(3)
    ]
    assert [name for name in names if name.startswith("embedding")] == [
        f"embedding/{branch}" for branch in range(3)
    ]


def test_a_video_without_a_frame_is_finite():
    case = of("frame_models.transformer")
    model, _ = built(case)
    showing = intermediates.model_of(model, ["attention", "embedding"])
    result = answers(showing, case.data((0, 2)))
    assert (result["attention"][0] == 0).all()
    assert all(np.isfinite(values).all() for values in result.values())


def test_mixed_precision_shows_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = of("frame_models.netvlad").model()
    finally:
        keras.config.set_dtype_policy("float32")
    data = of("frame_models.netvlad").data()
    result = answers(intermediates.model_of(model, list(intermediates.names(model))), data)
    assert {values.dtype.name for values in result.values()} == {"float32"}
    total = result["assignments/rgb"].sum(-1)[data["mask"]]
    np.testing.assert_allclose(total, 1, atol=0.02)


def test_a_wrong_name_is_told_the_right_ones():
    model, _ = built(of("frame_models.netvlad"))
    with pytest.raises(ValueError) as error:
        intermediates.model_of(model, ["assignment/rgb"])
    assert "is called 'assignment/rgb'. Did you mean 'assignments/rgb'?" in str(error.value)
    assert "Valid names: assignments/audio, assignments/rgb, embedding, " in str(error.value)


def test_the_example_of_the_page_runs_on_a_run_of_an_earlier_version():
    example = re.search(r"```python\n(from yt8m import runs\n.*?)```", PAGE.read_text(), re.DOTALL)
    model = runs.load(str(SAVED / "tensorflow")).model
    batch = {
        tensor.name: np.full((2, 3, tensor.shape[-1]), 100, "uint8")
        for tensor in model.inputs
        if tensor.name != "num_frames"
    }
    names = {"batch": batch | {"num_frames": np.array([3, 1], "int32")}}
    exec(example[1].replace("runs/gated_netvlad", str(SAVED / "tensorflow")), names)
    assert names["shares"].shape == (2, 3, 4)
    np.testing.assert_allclose(names["shares"].sum(-1), [[1, 1, 1], [1, 0, 0]], atol=1e-5)
    assert names["vectors"].shape == (2, 5)
