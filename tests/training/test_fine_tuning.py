"""Which layers learn and how fast: their order in a model, and what a training then changes."""

import pathlib

import keras
import numpy as np
import pytest
from keras import layers
from npz import arrays
from toy_records import FRAMES, frame_batch

from yt8m.modeling import keras_model, layer_graph, losses, specs
from yt8m.training import averages, fine_tuning, optimizers
from yt8m.training.trainer import Trainer

LABELS = np.array([[0, 3], [1, -1], [2, -1], [4, 2]])


# Layers of `toy` below its last two.
FROZEN = ("rms_normalization", "dense", "batch_normalization")


def fix_names_and_weights():
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def fixed():
    fix_names_and_weights()


def backbone(name="backbone", channels=3):
    """Two convolutions, each with a batch norm."""
    pixels = keras.Input((4, 4, channels))
    x = pixels
    for i in (1, 2):
        x = layers.Conv2D(2, 3, padding="same", name=f"conv{i}")(x)
        x = layers.ReLU()(layers.BatchNormalization(name=f"norm{i}")(x))
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(x), name=name)


def head(x, name=""):
    x = layers.Dense(3, name=f"hidden{name}")(x)
    return layers.Dense(2, activation="softmax", name=f"answer{name}")(layers.Dropout(0.1)(x))


def nested():
    pixels = keras.Input((4, 4, 3))
    scaled = layers.BatchNormalization(name="norm0")(layers.Rescaling(2.0)(pixels))
    return keras.Model(pixels, head(backbone()(scaled)))


def wrapped():
    """A sequential network in a `TimeDistributed`."""
    network = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(2, 3, name="conv")])
    pixels = keras.Input((5, 4, 4, 3))
    x = layers.TimeDistributed(network)(pixels)
    return keras.Model(pixels, head(layers.Flatten()(x)))


def residual():
    """Three blocks that a value may pass by."""
    x = features = keras.Input((3,))
    for i in range(3):
        inside = layers.Dense(3, name=f"a{i}")(layers.BatchNormalization(name=f"n{i}")(x))
        x = layers.Add()([x, layers.Dense(3, name=f"b{i}")(inside)])
    return keras.Model(features, head(x))


def two_streams():
    """Streams of one architecture, of which one has a layer more."""
    pixels, flow = keras.Input((4, 4, 3)), keras.Input((4, 4, 6))
    spatial = head(backbone("spatial")(pixels), "_of_pixels")
    temporal = layers.Dense(3, name="extra")(backbone("temporal", 6)(flow))
    return keras.Model([pixels, flow], layers.Average()([spatial, head(temporal, "_of_flow")]))


def names(some):
    return [layer.name for layer in some]


def by_rank(model):
    result = {}
    for layer, rank in layer_graph.ranks(model).items():
        result.setdefault(rank, []).append(layer.name)
    return result


def layers_with_weights(model):
    """The layers that count, from the input to the output; of layers side by side the lower."""
    ranks = layer_graph.ranks(model)
    counted = [layer for layer in ranks if layer_graph.has_kernel(layer)]
    return sorted(counted, key=lambda layer: -ranks[layer])


def test_a_nested_model_counts_by_its_layers():
    model = nested()
    order = ["conv1", "conv2", "hidden", "answer"]
    assert names(layers_with_weights(model)) == order
    assert by_rank(model) == {
        3: ["norm0", "conv1", "norm1"],
        2: ["conv2", "norm2"],
        1: ["hidden"],
        0: ["answer"],
    }


def test_a_wrapped_model_counts_by_its_layers():
    assert names(layers_with_weights(wrapped())) == ["conv", "hidden", "answer"]


def test_a_residual_network_is_counted_along_its_blocks():
    """On the way past the blocks every `b` would be next to the head."""
    order = ["a0", "b0", "a1", "b1", "a2", "b2", "hidden", "answer"]
    assert names(layers_with_weights(residual())) == order
    assert sorted(by_rank(residual())[4]) == ["b1", "n2"]


def test_each_stream_is_counted_from_its_own_output():
    ranks = by_rank(two_streams())
    assert sorted(ranks[0]) == ["answer_of_flow", "answer_of_pixels"]
    assert sorted(ranks[2]) == ["conv2", "extra", "norm2"]
    assert sorted(ranks[4]) == ["conv1", "norm1"]
    assert len(layers_with_weights(two_streams())) == 9


def test_a_layer_of_layers_is_one():
    spec = "netvlad(clusters=2, hidden=4, gating=True, head=moe(mixtures=2))"
    model = keras_model.build(specs.model(spec), FRAMES, 5)
    expected = ["net_vlad", "dense", "context_gating", "mixture_of_experts"]
    assert names(layers_with_weights(model))[-4:] == expected
    assert "batch_norm" not in names(layers_with_weights(model))


def trainer(rates=None, model=None, **settings):
    model = model or toy()
    made = Trainer(model, 5, losses.CrossEntropy())
    settings = {"learning_rate": 0.1, "rates": rates} | settings
    optimizer = optimizers.get(settings.pop("name", "sgd"), **settings)
    made.compile(optimizer=optimizer)
    made(model.input)
    made.optimizer.build(made.trainable_variables)
    return made


def toy():
    """A norm, a dense layer, a batch norm; a dense layer, a batch norm; and a classifier."""
    fix_names_and_weights()
    last = "hidden(units=4, relu=True, head=softmax)"
    spec = f"average(head=mlp(hidden=4, blocks=0, dropout=0.0, head={last}))"
    return keras_model.build(specs.model(spec), FRAMES, 5)


def values(model):
    return [variable.numpy() for variable in model.weights]


def test_frozen_layers_keep_every_bit_and_their_statistics():
    model = toy()
    assert fine_tuning.apply(model, 2, 0.0) == {}
    frozen = {v.path for v in model.weights if v.path.split("/")[0] in FROZEN}
    assert len(frozen) == 6
    made = trainer(model=model)
    assert frozen.isdisjoint(variable.path for variable in made.trainable_variables)
    before = values(model)
    made.train_on_batch(frame_batch(), LABELS)
    made.train_on_batch(frame_batch(), LABELS)
    same = {
        variable.path
        for variable, old in zip(model.weights, before, strict=True)
        if np.array_equal(variable.numpy(), old)
    }
    assert same == frozen


def test_lower_layers_learn_by_their_share():
    """One step of gradient descent moves them by exactly that share."""
    moves = []
    for top_layers in (0, 1):
        model = toy()
        rates = fine_tuning.apply(model, top_layers, 0.25 * top_layers)
        before = values(model)
        trainer(rates, model).train_on_batch(frame_batch(), LABELS)
        moved = [v.numpy() - old for v, old in zip(model.weights, before, strict=True)]
        moves.append({v.path: m for v, m in zip(model.weights, moved, strict=True) if v.trainable})
    full, shared = moves
    assert set(rates.values()) == {0.25}
    assert set(full) - set(rates) == {"dense_2/kernel", "dense_2/bias"}
    for path, move in shared.items():
        share = rates.get(path, 1.0)
        np.testing.assert_allclose(move, share * full[path], rtol=1e-4, atol=1e-7)
    assert max(np.abs(shared[path]).max() for path in rates) > 1e-4


ON_JAX = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[3])
from test_fine_tuning import trained
np.savez(sys.argv[2], **trained(dict(np.load(sys.argv[1]))))
"""


def trained(values):
    """The weights after two steps from `values`, with layers that keep theirs and a slow one."""
    model = toy()
    for variable in model.weights:
        variable.assign(values[variable.path])
    fine_tuning.apply(model, 2, 0.0)
    settings = {"name": "adamw", "weight_decay": 0.1, "clip_gradient_norm": 1.0}
    made = trainer({"dense_1/kernel": 0.25}, model, **settings)
    for _ in range(2):
        made.train_on_batch(frame_batch(), LABELS)
    return {v.path: np.asarray(v) for v in model.weights}


def test_jax_fine_tunes_as_tensorflow_does(tmp_path, jax_process):
    random = np.random.default_rng(8)
    values = {v.path: random.uniform(0.5, 1, v.shape).astype("float32") for v in toy().weights}
    np.savez(tmp_path / "in.npz", **values)
    folder = pathlib.Path(__file__).parent
    jax_process.run(ON_JAX, tmp_path / "in.npz", tmp_path / "out.npz", folder)
    there, here = arrays(tmp_path / "out.npz"), trained(values)
    assert set(there) == set(here)
    for name, value in here.items():
        np.testing.assert_allclose(there[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
        is_frozen = name.split("/")[0] in FROZEN
        assert np.array_equal(there[name], values[name]) == is_frozen, name


def test_the_moving_average_of_the_weights_knows_what_learns():
    """Also where a layer made of layers does not."""
    spec = "netvlad(clusters=4, hidden=4, head=softmax)"
    model = keras_model.build(specs.model(spec), FRAMES, 5)
    fine_tuning.apply(model, 2, 0.0)
    made = trainer(model=model, ema_momentum=0.5)
    weights = averages.Weights(made)
    made.train_on_batch(frame_batch(), LABELS)
    made.train_on_batch(frame_batch(), LABELS)
    averaged = weights.update(made, 2)
    learns = {variable.path for variable in made.trainable_variables}
    assert "net_vlad/centres" not in learns and "dense/kernel" in learns
    for mine, theirs in zip(averaged.weights, model.weights, strict=True):
        assert mine.path == theirs.path
        is_same = np.array_equal(mine.numpy(), theirs.numpy())
        assert is_same == (mine.path not in learns), mine.path


def test_an_optimizer_that_would_overwrite_the_weights_is_refused():
    made = Trainer(toy(), 5, losses.CrossEntropy())
    made.compile(keras.optimizers.Adam(use_ema=True))
    with pytest.raises(ValueError, match="Make the optimizer with `optimizers.get`. Received: a A"):
        averages.Weights(made)


def test_all_layers_learn_by_default():
    model = toy()
    assert fine_tuning.apply(model, 0, 0.0) == {}
    assert fine_tuning.apply(model, 3, 0.0) == {}
    assert fine_tuning.apply(model, 1, 1.0) == {}
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize(
    ("top_layers", "lower_rate", "message"),
    [
        (4, 0.1, "top_layers must be at most 3, the layers .* Received: top_layers=4."),
        (-1, 0.0, "top_layers must be 0 or more, .* Received: top_layers=-1, lower_rate=0.0."),
        (1, 1.5, "lower_rate from 0 to 1. Received: top_layers=1, lower_rate=1.5."),
        (0, 0.1, "needs top_layers above 0. Received: top_layers=0, lower_rate=0.1."),
    ],
)
def test_layers_and_rates_that_cannot_be_are_refused(top_layers, lower_rate, message):
    with pytest.raises(ValueError, match=message):
        fine_tuning.apply(toy(), top_layers, lower_rate)


def test_two_rates_under_one_name_are_refused():
    """`conv2` of one stream is the third layer from its output, of the other the fourth."""
    with pytest.raises(ValueError, match="Received: conv2/bias, once above and once below"):
        fine_tuning.apply(two_streams(), 3, 0.1)
