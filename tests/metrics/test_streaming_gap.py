"""GAP while training: against the exact value, compiled, on JAX, at large counts."""

import sys

import keras
import numpy as np
import pytest
from job_runner import check, run_process

from yt8m.metrics import Evaluation, StreamingGAP, average_precision

tf = pytest.importorskip("tensorflow")


def _exact(scores, labels, top=20):
    evaluation = Evaluation(scores.shape[1], top)
    evaluation.update(scores, labels)
    return evaluation.result()["gap"]


def _stream(metric, scores, labels, splits=1):
    for part in np.array_split(np.arange(len(scores)), splits):
        metric.update_state(labels[part].astype("float32"), scores[part])
    return float(metric.result())


@pytest.mark.parametrize("batch", [1, 40, 3000])
def test_close_to_the_exact_value(predictions, batch):
    scores, labels = predictions(batch, 300)
    labels[0, 0] = True
    assert _stream(StreamingGAP(), scores, labels, 1 + batch // 500) == pytest.approx(
        _exact(scores, labels), abs=1e-3
    )


def test_fewer_classes_than_top_k(predictions):
    scores, labels = predictions(500, 7)
    assert _stream(StreamingGAP(), scores, labels) == pytest.approx(
        _exact(scores, labels), abs=1e-3
    )


def test_a_bin_is_a_tie(predictions):
    scores, labels = predictions(200, 30)
    metric = StreamingGAP(num_bins=4)
    scores = np.clip(scores, 1e-5, 1 - 1e-5)
    found = _stream(metric, scores, labels, 4)
    edges = 1 / (1 + np.exp(-np.array([-7.0, 0.0, 7.0])))
    tied = np.searchsorted(edges, scores).astype(np.float32)
    top = np.argsort(-scores, axis=1)[:, :20]
    tied, hits = np.take_along_axis(tied, top, 1), np.take_along_axis(labels, top, 1)
    expected = average_precision(tied.ravel(), hits.ravel(), labels.sum())
    assert found == pytest.approx(expected, abs=2e-6)


def test_extreme_scores():
    scores = np.array([[0.0, 1.0, 1e-30], [1.0, 0.0, 1 - 1e-7]], np.float32)
    labels = np.array([[0, 1, 0], [1, 0, 0]])
    assert _stream(StreamingGAP(), scores, labels) == pytest.approx(
        average_precision(np.array([0, 1, 0, 1, 0, 1.0]), labels.astype(bool).ravel()), abs=1e-6
    )


def test_a_weight_of_zero_drops_a_video(predictions):
    scores, labels = predictions(100, 50)
    weights = np.arange(100) % 3 * 0.5
    kept = weights > 0
    scores[~kept, 0] = np.nan
    for shape in ((100,), (100, 1)):
        metric = StreamingGAP()
        metric.update_state(labels, scores, sample_weight=weights.reshape(shape))
        assert float(metric.result()) == pytest.approx(_exact(scores[kept], labels[kept]), abs=1e-3)


def test_nan_predictions_give_nan_until_reset(predictions):
    scores, labels = predictions(20, 30)
    metric = StreamingGAP()
    bad = scores.copy()
    bad[3, 4] = np.nan
    assert np.isnan(_stream(metric, bad, labels))
    assert np.isnan(_stream(metric, scores, labels))
    metric.reset_state()
    assert float(metric.result()) == 0
    assert _stream(metric, scores, labels) == pytest.approx(_exact(scores, labels), abs=1e-3)


@pytest.mark.parametrize("scale", [1, 40_000])
def test_counts_beyond_float32(predictions, scale):
    scores, labels = predictions(2000, 300)
    metric = StreamingGAP()
    _stream(metric, scores, labels)
    counts = np.asarray(metric.counts) * scale
    metric.counts.assign(counts)
    metric.num_labels.assign(np.asarray(metric.num_labels) * scale)
    assert scale == 1 or counts[:, 0].sum() > 2**30
    groups = np.flatnonzero(counts[::-1, 0])
    pairs = counts[::-1][groups]
    before = np.cumsum(pairs, axis=0) - pairs
    expected = 0.0
    for (n, p), (n0, p0) in zip(pairs.tolist(), before.tolist(), strict=True):
        # Place by place at first; further on, some neighbours together as the one in the middle.
        edges = np.unique(np.geomspace(n0 + 1, n0 + n + 1, 20_000).astype(int))
        place, width = (edges[:-1] + edges[1:] - 1) / 2, np.diff(edges)
        others = (place - n0 - 1) * (p - 1) / max(n - 1, 1)
        expected += p / n * np.sum(width * (p0 + 1 + others) / place)
    expected /= int(metric.num_labels)
    assert float(metric.result()) == pytest.approx(expected, abs=3e-6)


def test_one_more_pair_after_sixteen_million():
    metric = StreamingGAP()
    metric.counts.assign(np.full((metric.num_bins, 2), 2**24))
    metric.update_state(np.ones((1, 1)), np.full((1, 1), 0.5, "float32"))
    assert int(np.asarray(metric.counts).sum()) == 2**25 * metric.num_bins + 2


def test_xla_equals_eager(predictions):
    scores, labels = predictions(256, 200)
    eager, compiled = StreamingGAP(), StreamingGAP()

    @tf.function(jit_compile=True)
    def step(y_true, y_pred):
        compiled.update_state(y_true, y_pred)
        return compiled.result()

    for part in np.split(np.arange(256), 4):
        eager.update_state(labels[part], scores[part])
        result = step(labels[part], scores[part])
    # XLA's logarithm may round another way at the edge of a bin.
    difference = np.abs(np.asarray(eager.counts) - np.asarray(compiled.counts)).sum()
    assert difference <= 10
    assert float(result) == pytest.approx(float(eager.result()), abs=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_fit_under_mixed_precision(predictions, jit_compile):
    scores, labels = predictions(96, 40)
    inputs = keras.Input((40,))
    # A model that returns its input: what evaluate reports is known.
    model = keras.Model(inputs, keras.layers.Identity(dtype="mixed_bfloat16")(inputs))
    model.compile(loss="binary_crossentropy", metrics=[StreamingGAP()], jit_compile=jit_compile)
    found = model.evaluate(scores, labels, batch_size=32, verbose=0, return_dict=True)["gap"]
    rounded = np.asarray(keras.ops.cast(keras.ops.cast(scores, "bfloat16"), "float32"))
    assert min(abs(found - _exact(s, labels)) for s in (scores, rounded)) < 1e-3


def test_config_round_trip():
    metric = StreamingGAP(top_k=7, num_bins=64, name="train_gap")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(again, StreamingGAP)
    assert again.get_config() == metric.get_config()
    assert (again.top_k, again.num_bins, again.name) == (7, 64, "train_gap")
    assert keras.saving.get_registered_name(StreamingGAP) == "yt8m>StreamingGAP"


@pytest.mark.parametrize(("argument", "value"), [("top_k", 0), ("num_bins", -1)])
def test_sizes_that_are_not_positive_are_refused(argument, value):
    with pytest.raises(ValueError, match=rf"{argument} must be positive\. Received: {argument}="):
        StreamingGAP(**{argument: value})


_JAX = """
import sys
import jax, keras, numpy as np
assert keras.backend.backend() == "jax"
from yt8m.metrics import StreamingGAP
assert "tensorflow" not in sys.modules, "yt8m.metrics must not import tensorflow"
data = np.load(sys.argv[1])
metric = StreamingGAP()
step = jax.jit(metric.stateless_update_state)
state = metric.stateless_reset_state()
for part in np.split(np.arange(len(data["scores"])), 4):
    state = step(state, data["labels"][part], data["scores"][part])
print(float(jax.jit(metric.stateless_result)(state)))
"""

_REPLICAS = """
import sys
import numpy as np, tensorflow as tf
from yt8m.metrics import StreamingGAP
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
data = np.load(sys.argv[1])
arrays = data["labels"], data["scores"]
dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(100, drop_remainder=True)
with strategy.scope():
    metric = StreamingGAP()
@tf.function
def step(y_true, y_pred):
    strategy.run(metric.update_state, args=(y_true, y_pred))
for batch in strategy.experimental_distribute_dataset(dataset):
    step(*batch)
print(float(metric.result()))
"""


def test_jax_computes_it_without_tensorflow(predictions, tmp_path, jax_process):
    scores, labels = predictions(400, 300)
    np.savez(tmp_path / "data.npz", scores=scores, labels=labels)
    found = float(jax_process.run(_JAX, tmp_path / "data.npz"))
    assert found == pytest.approx(_exact(scores, labels), abs=1e-3)


def test_replicas_add_up(predictions, tmp_path):
    scores, labels = predictions(400, 300)
    np.savez(tmp_path / "data.npz", scores=scores, labels=labels)
    printed = check(run_process([sys.executable, "-c", _REPLICAS, str(tmp_path / "data.npz")]))
    assert float(printed) == pytest.approx(_stream(StreamingGAP(), scores, labels), abs=1e-6)
