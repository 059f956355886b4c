"""The SavedModel of a run: its signatures, its weights, and what it refuses."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from toy_records import FRAMES, VIDEOS, frame_batch

from yt8m.data.schema import FRAME, Feature, Schema
from yt8m.modeling import keras_model, specs
from yt8m.serving import saved_model

NUM_CLASSES = 7
FLOATS = Schema(FRAME, tuple(Feature(f.name, f.size, "float32", f.key) for f in FRAMES.features))
NETVLAD = "netvlad(clusters=4, hidden=48, relu=True, gating=True, head=moe)"


def make_model(spec: str, schema: Schema, seed: int = 0) -> keras.Model:
    """A model none of whose variables has its initial value, batch norm's statistics included."""
    keras.utils.set_random_seed(seed)
    built = keras_model.build(specs.model(spec), schema, NUM_CLASSES)
    rng = np.random.default_rng(seed)
    for variable in built.variables:
        if variable.dtype == "float32":
            values = rng.normal(scale=0.5, size=variable.shape)
            positive = "variance" in variable.name
            variable.assign(np.abs(values) + 0.1 if positive else values)
    return keras_model.classifier(built)


def export(folder, model: keras.Model, schema: Schema = FRAMES, **settings):
    """Writes a SavedModel and loads it."""
    settings = {"max_frames": 300, "top_k": NUM_CLASSES} | settings
    saved_model.save(str(folder), model, schema, **settings)
    return tf.saved_model.load(str(folder))


def call(module, batch: dict, signature: str = "features") -> dict:
    tensors = {name: tf.constant(values) for name, values in batch.items()}
    return {k: v.numpy() for k, v in module.signatures[signature](**tensors).items()}


def full_scores(answer: dict) -> np.ndarray:
    """The answer of all classes, in the order of the classes."""
    scores = np.full((len(answer["classes"]), NUM_CLASSES), np.nan)
    np.put_along_axis(scores, answer["classes"].astype(int), answer["scores"], axis=1)
    return scores


@pytest.fixture(scope="module")
def netvlad() -> keras.Model:
    return make_model(NETVLAD, FRAMES)


@pytest.fixture(scope="module")
def exported(netvlad, tmp_path_factory):
    return export(tmp_path_factory.mktemp("netvlad"), netvlad)


def test_has_two_signatures_and_a_default(exported):
    signatures = exported.signatures
    assert set(signatures) == {"serving_default", "serialized", "features"}
    for name in ("serialized", "serving_default"):
        assert signatures[name].structured_input_signature == (
            (),
            {"serialized": tf.TensorSpec([None], tf.string, "serialized")},
        )
        assert set(signatures[name].structured_outputs) == {"classes", "scores", "ids"}
    assert signatures["features"].structured_input_signature[1] == {
        "rgb": tf.TensorSpec([None, None, 6], tf.uint8, "rgb"),
        "audio": tf.TensorSpec([None, None, 3], tf.uint8, "audio"),
        "num_frames": tf.TensorSpec([None], tf.int32, "num_frames"),
    }
    outputs = signatures["features"].structured_outputs
    assert {name: output.dtype for name, output in outputs.items()} == {
        "classes": tf.int32,
        "scores": tf.float32,
    }


# One that reads in a loop, one with several outputs while it trains, one that attends.
@pytest.mark.parametrize(
    ("spec", "schema"),
    [
        (NETVLAD, FRAMES),
        (NETVLAD, FLOATS),
        ("lstm(cells=8, layers=2)", FRAMES),
        ("mixture(branches=(attention(hidden=(16,)), gru(cells=8)))", FRAMES),
        ("transformer(width=16, layers=1, heads=2)", FLOATS),
        ("mlp(hidden=16, dropout=0.1, head=moe(gating=True))", VIDEOS),
    ],
    ids=lambda value: value.split("(")[0] if isinstance(value, str) else value.features[0].dtype,
)
def test_answers_what_the_model_does(spec, schema, tmp_path):
    model = make_model(spec, schema)
    batch = {"mean_rgb": np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)}
    if schema.kind == FRAME:
        batch = {
            name: values if name == "num_frames" else values.astype(schema.features[0].dtype)
            for name, values in frame_batch().items()
        }
    answer = call(export(tmp_path, model, schema), batch)
    expected = np.asarray(model(batch, training=False))
    np.testing.assert_allclose(full_scores(answer), expected, rtol=0, atol=1e-5)
    assert (np.diff(answer["scores"]) <= 0).all()
    assert np.ptp(expected, axis=0).max() > 0.01


def test_videos_alone_or_without_frames_answer_the_same(exported, netvlad):
    batch = frame_batch()
    batch["num_frames"][1] = 0
    together = full_scores(call(exported, batch))
    for row in range(4):
        alone = {name: values[row : row + 1] for name, values in batch.items()}
        received = full_scores(call(exported, alone))
        np.testing.assert_allclose(received[0], together[row], rtol=0, atol=1e-5)
    nothing = {
        "rgb": np.zeros((2, 0, 6), np.uint8),
        "audio": np.zeros((2, 0, 3), np.uint8),
        "num_frames": np.zeros(2, np.int32),
    }
    received = full_scores(call(exported, nothing))
    np.testing.assert_allclose(received, together[[1, 1]], rtol=0, atol=1e-5)


def test_frames_past_the_longest_are_cut(netvlad, tmp_path):
    module = export(tmp_path, netvlad, max_frames=4)
    batch = frame_batch()
    cut = {name: values[:, :4] for name, values in batch.items() if name != "num_frames"}
    cut["num_frames"] = np.minimum(batch["num_frames"], 4)
    expected = np.asarray(netvlad(cut, training=False))
    np.testing.assert_allclose(full_scores(call(module, batch)), expected, rtol=0, atol=1e-5)
    assert np.abs(np.asarray(netvlad(batch, training=False)) - expected).max() > 1e-3


def test_top_k_and_names(netvlad, tmp_path):
    names = [f"n\u00e4me {index}" for index in range(NUM_CLASSES)]
    answer = call(export(tmp_path, netvlad, top_k=3, names=names), frame_batch())
    assert answer["classes"].shape == answer["scores"].shape == answer["names"].shape == (4, 3)
    for classes, received in zip(answer["classes"], answer["names"], strict=True):
        assert [name.decode() for name in received] == [f"n\u00e4me {c}" for c in classes]
    scores = np.asarray(netvlad(frame_batch(), training=False))
    np.testing.assert_array_equal(answer["classes"], np.argsort(-scores, axis=1)[:, :3])


def rounded(values: np.ndarray, method: str) -> np.ndarray:
    """What is left of a matrix of 1024 values or more."""
    if values.ndim < 2 or values.size < 1024:
        return values
    if method == "float16":
        return values.astype("float16").astype("float32")
    flat = values.reshape(-1, values.shape[-1])
    steps = [max(abs(column)) / 127 for column in flat.T]
    columns = [np.round(column / step) * step for column, step in zip(flat.T, steps, strict=True)]
    return np.stack(columns, axis=1).reshape(values.shape)


@pytest.mark.parametrize(("method", "share"), [("float16", 0.5), ("int8", 0.25)])
def test_quantised_weights_are_small_and_computed_in_float32(method, share, tmp_path):
    spec = "netvlad(clusters=64, hidden=128, relu=True, head=moe)"
    model = make_model(spec, FRAMES)
    export(tmp_path / "whole", model)
    module = export(tmp_path / "small", model, method=method)

    def size(name: str) -> int:
        return sum(p.stat().st_size for p in (tmp_path / name).glob("variables/*.data-*"))

    assert share < size("small") / size("whole") < share + 0.04
    checkpoint = str(tmp_path / "small" / "variables" / "variables")
    types = tf.train.load_checkpoint(checkpoint).get_variable_to_dtype_map().values()
    assert getattr(tf, method) in types
    before = np.asarray(model(frame_batch(), training=False))
    for variable in model.variables:
        variable.assign(rounded(np.asarray(variable.value), method))
    expected = np.asarray(model(frame_batch(), training=False))
    received = full_scores(call(module, frame_batch()))
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)
    assert np.abs(expected - before).max() > 2e-5


def test_no_weight_is_in_the_graph(tmp_path):
    """It would be there a second time, in full size, or be folded to that when it is loaded."""
    sizes, counts = [], []
    for hidden in (500, 999):
        model = make_model(f"hidden(units={hidden})", VIDEOS)
        saved_model.save(str(tmp_path / str(hidden)), model, VIDEOS, 300, 3, "int8")
        sizes.append((tmp_path / str(hidden) / "saved_model.pb").stat().st_size)
        counts.append(model.count_params())
    assert counts[1] - counts[0] > 10_000
    assert sizes[1] - sizes[0] < 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_frames": np.array([8, 1, 3, 2], np.int32)}, "num_frames must be from 0"),
        ({"num_frames": np.array([7, -1, 3, 2], np.int32)}, "num_frames must be from 0"),
        ({"num_frames": np.array([7], np.int32)}, "not of as many videos and frames"),
        ({"audio": np.zeros((4, 6, 3), np.uint8)}, "not of as many videos and frames"),
        ({"audio": np.zeros((1, 7, 3), np.uint8)}, "not of as many videos and frames"),
    ],
    ids=["too many frames", "negative", "one for all", "other lengths", "other videos"],
)
def test_features_that_do_not_fit_are_errors(change, message, exported):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(exported, frame_batch() | change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_is_an_error(value, tmp_path):
    module = export(tmp_path, make_model("mlp(hidden=16)", VIDEOS), VIDEOS)
    features = np.zeros((2, 6), np.float32)
    call(module, {"mean_rgb": features})
    features[1, 2] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match="a prediction is not finite"):
        call(module, {"mean_rgb": features})


def operations(folder) -> set[str]:
    """The kinds of operations in a SavedModel."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    return {node.op for function in functions for node in function.node_def}


def test_no_operation_of_cudnn_is_in_the_graph(monkeypatch, tmp_path):
    """Keras chooses it where it sees a GPU; the SavedModel must run on any machine."""
    rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    model = make_model("lstm(cells=8)", FRAMES)
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    assert [layer.use_cudnn for layer in layers] == ["auto"] * len(layers)
    saved_model.save(str(tmp_path), model, FRAMES, 300, 3)
    found = operations(tmp_path)
    assert "MatMul" in found
    assert not [name for name in found if "Cudnn" in name]
    assert [layer.use_cudnn for layer in layers] == ["auto"] * len(layers)
