"""Sizes that fit into no memory are told before any of it is taken."""

import time

import keras
import pytest
from toy_records import FRAMES, VIDEOS

from yt8m.base.errors import UserError
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips
from yt8m.modeling import keras_model, memory, specs
from yt8m.training import optimizers


@pytest.mark.parametrize(
    ("spec", "num_classes", "parts"),
    [
        ("mlp(hidden=1000000000000)", 5, ["kernel of the layer dense", "(6, 1000000000000)"]),
        ("moe", 10**12, ["(6, 3000000000000)", "its weights take 72,000 GB"]),
        ("average(head=hidden(units=10000000000000))", 5, ["(9, 10000000000000)"]),
        ("gru(cells=1000000000)", 5, ["kernel of the layer gru_cell (9, 3000000000)"]),
        ("netvlad(clusters=1000000000000)", 5, ["of the layer assignment (6, 1000000000000)"]),
        ("lstm(cells=2000000)", 5, ["recurrent_kernel of the layer lstm_cell"]),
        ("mlp(hidden=9223372036854775807)", 5, ["(6, 9223372036854775807)"]),
        ("logistic", 2**63, ["(6, 9223372036854775808)"]),
    ],
)
def test_a_model_that_is_too_large(spec, num_classes, parts):
    spec = specs.model(spec)
    start = time.process_time()
    with pytest.raises(UserError, match="The model is too large: with ") as error:
        keras_model.build(spec, VIDEOS if "features" in spec.inputs else FRAMES, num_classes)
    assert time.process_time() - start < 20
    for part in parts:
        assert part in str(error.value)


def test_half_of_the_memory_is_for_weights(monkeypatch):
    monkeypatch.setattr(memory, "of_machine", lambda: 2.0 * 4 * (6 * 5 + 5))
    assert keras_model.build(specs.model("logistic"), VIDEOS, 5).count_params() == 35
    with pytest.raises(UserError, match="too large: with kernel of the layer"):
        keras_model.build(specs.model("logistic"), VIDEOS, 6)
    assert keras.layers.Dense(2).add_weight.__qualname__ == "Layer.add_weight"


@pytest.mark.parametrize(
    ("name", "settings", "copies"),
    [
        ("sgd", {}, 2),
        ("sgd", {"momentum": 0.9}, 3),
        ("adam", {}, 4),
        ("adam", {"ema_momentum": 0.9}, 5),
    ],
)
def test_training_takes_several_times_as_much(name, settings, copies, monkeypatch):
    """The weights, their gradients, and what the optimizer keeps."""
    model = keras_model.build(specs.model("logistic"), VIDEOS, 5)
    needed = copies * 35 * 4
    for held in (needed, needed - 1):
        monkeypatch.setattr(memory, "of_machine", lambda held=held: held)
        optimizer = optimizers.get(name, 0.1, **settings)
        if held == needed or copies == 2:
            with memory.training_checked(model):
                optimizer.build(model.trainable_variables)
        else:
            with pytest.raises(UserError, match="35 parameters are too many to train here"):
                with memory.training_checked(model):
                    optimizer.build(model.trainable_variables)


@pytest.mark.parametrize(
    "clips", ["clips(frames=1000000000)", "clips(resize=10000000, crop=1000000)"]
)
def test_a_clip_that_is_too_large(clips):
    schema = ClipSchema(("pixels",), Clips.from_spec(clips), None, ("a", "b"))
    with pytest.raises(UserError, match=r"One clip is too large: .* x 3 \(frames, .*fewer or smal"):
        keras_model.build(specs.model("cnn"), schema, 2)


def test_the_memory_of_the_machine_is_known():
    assert 1e8 < memory.of_machine() < 1e15
