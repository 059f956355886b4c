"""Weights of one run for the model of another, and the mean over a run's last evaluations."""

import dataclasses
import functools
import os

import keras
import numpy as np
import pytest
from toy_records import FRAMES

from frame_models.pixels import cnn_m, two_stream
from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.modeling import keras_model, specs
from yt8m.training import averages, transfer

CONFIG = runs.RunConfig(
    model="average",
    schema=FRAMES,
    num_classes=5,
    preprocessing={"normalize": "l2", "max_frames": 300},
    loss="cross_entropy",
    optimizer={},
    training={},
)
SPEC = "average(head=mlp(hidden=4))"


def build(spec=SPEC, num_classes=5, seed=0):
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return keras_model.build(specs.model(spec), FRAMES, num_classes)


def saved_run(folder, **settings) -> runs.Run:
    """A run as `init_from` finds it: saved, with random values also in the moving statistics."""
    config = dataclasses.replace(CONFIG, **settings)
    runs.start(str(folder), config)
    model = keras_model.classifier(build(num_classes=config.num_classes, seed=1))
    for variable in model.weights:
        variable.assign(np.random.default_rng(2).uniform(0.5, 1, variable.shape))
    runs.save_model(str(folder), model)
    return runs.load(str(folder))


def test_every_weight_is_taken_from_a_run_of_the_same_model(tmp_path):
    source, model = saved_run(tmp_path), build()
    assert transfer.initialize(model, source, "l2") == len(model.weights)
    for mine, theirs in zip(model.weights, source.model.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    "spec",
    [
        "transformer(width=4, heads=2)",
        "sample(model=netvlad(clusters=2, hidden=4, gating=True, head=moe(gating=True)))",
        "mixture(branches=(transformer(width=4, heads=2), nextvlad(clusters=2, groups=2)))",
        "lstm(cells=3, bidirectional=True)",
        "average(head=ensemble(members=2, member=mlp(hidden=4)))",
    ],
)
def test_weights_have_the_same_names_in_every_process(tmp_path, spec):
    """The source is loaded before the model is built, as `--init_from` does."""
    runs.start(str(tmp_path), dataclasses.replace(CONFIG, model=spec))
    runs.save_model(str(tmp_path), keras_model.classifier(build(spec, seed=1)))
    keras.utils.clear_session()
    source = runs.load(str(tmp_path))
    model = keras_model.build(specs.model(spec), FRAMES, 5)
    assert transfer.initialize(model, source, "l2") == len(model.weights)


def test_a_classifier_of_other_classes_stays_and_is_named(tmp_path, caplog):
    source, model = saved_run(tmp_path, num_classes=7), build()
    before = {variable.path: variable.numpy() for variable in model.weights}
    taken = transfer.initialize(model, source, "rms")
    theirs = {variable.path: variable.numpy() for variable in source.model.weights}
    same = [path for path, value in before.items() if theirs[path].shape == value.shape]
    assert taken == len(same) == len(before) - 2
    for variable in model.weights:
        expected = (theirs if variable.path in same else before)[variable.path]
        np.testing.assert_array_equal(variable.numpy(), expected)
        assert (variable.path in caplog.text) == (variable.path not in same)
    assert "trained with --normalize=l2, not rms" in caplog.text


def test_another_model_is_refused(tmp_path):
    source = saved_run(tmp_path)
    with pytest.raises(
        UserError, match=r"has none of the weights of this model: .*\(in the source: none\)"
    ):
        transfer.initialize(build("average(head=moe)"), source, "l2")


def clip(channels, size=21):
    return keras.Input((2, size, size, channels))


def clip_mask():
    return keras.Input((2,), dtype="bool")


SMALL = functools.partial(cnn_m.build, width=0.02)


def stream(channels=3, num_classes=4):
    """A run's model of one stream, as `cnn_m` or `flow_stream` is."""
    inputs, mask = clip(channels), clip_mask()
    return keras.Model([inputs, mask], SMALL(inputs, mask, num_classes))


def both_streams(channels=6, num_classes=4):
    """The layers' numbers go on from stream to stream, and from model to model of a test."""
    pixels, flow, mask = clip(3), clip(channels), clip_mask()
    small = {"spatial": SMALL, "temporal": SMALL}
    outputs = two_stream.build(pixels, flow, mask, num_classes, **small)
    return keras.Model([pixels, flow, mask], outputs)


def as_run(model, seed=3) -> runs.Run:
    random = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    return runs.Run("runs/source", CONFIG, model)


def arrays(model, part=""):
    model = model.get_layer(part) if part else model
    return [variable.numpy() for variable in model.weights]


def assert_same(received, expected):
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stream_trained_alone_is_taken_as_a_stream(tmp_path):
    """Of a saved run, and after other models have taken the first numbers."""
    as_run(stream(channels=6)).model.save(tmp_path / "model.keras")
    source, model = keras.saving.load_model(tmp_path / "model.keras"), both_streams()
    before = arrays(model, "spatial")
    run = runs.Run("runs/flow", CONFIG, source)
    assert transfer.initialize(model, run, "l2") == len(source.weights)
    assert_same(arrays(model, "temporal"), arrays(source))
    assert_same(arrays(model, "spatial"), before)


def test_a_stream_is_taken_out_of_a_run_of_both():
    source, model = as_run(both_streams()), stream(channels=6)
    assert transfer.initialize(model, source, "l2") == len(model.weights)
    assert_same(arrays(model), arrays(source.model, "temporal"))


def test_a_stream_keeps_a_classifier_of_other_classes(caplog):
    source, model = as_run(stream(channels=6, num_classes=7)), both_streams()
    before = arrays(model, "temporal")
    assert transfer.initialize(model, source, "l2") == len(before) - 2
    assert_same(arrays(model, "temporal")[:-2], arrays(source.model)[:-2])
    assert_same(arrays(model, "temporal")[-2:], before[-2:])
    assert "new: the part spatial (16 variables); temporal/dense/kernel (41, 4) (in" in caplog.text
    assert "(in the source: (41, 7));" in caplog.text
    assert "conv2d" not in caplog.text


@pytest.mark.parametrize("part", ["", "temporal"])
def test_flow_begins_with_the_mean_over_red_green_and_blue(part, caplog):
    """Of a network of its own, and of a stream beside one of pixels, which has the weights too."""
    caplog.set_level("INFO", logger="absl")
    source, model = as_run(stream(channels=3)), both_streams() if part else stream(channels=6)
    assert transfer.initialize(model, source, "l2") == len(model.weights)
    first, *others = arrays(source.model)
    received, *rest = arrays(model, part)
    for channel in range(6):
        expected = (first[:, :, 0] + first[:, :, 1] + first[:, :, 2]) / 3
        np.testing.assert_allclose(received[:, :, channel], expected, atol=1e-6)
    assert_same(rest, others)
    assert "each of its 6 channels gets their mean" in caplog.text
    if part:
        assert_same(arrays(model, "spatial"), [first, *others])


def test_other_channels_are_not_adapted_where_more_differs():
    """Another network, and kernels over flow: nothing says what their channels are here."""
    source = as_run(keras.Model(*thin(channels=3, units=5)))
    model = keras.Model(*thin(channels=6, units=4))
    before = arrays(model)
    assert transfer.initialize(model, source, "l2") == 2  # The biases of `conv` and `answer`.
    assert_same(arrays(model)[:1], before[:1])
    source, model = as_run(stream(channels=6)), stream(channels=4)
    assert transfer.initialize(model, source, "l2") == len(model.weights) - 1


def thin(channels, units):
    x = inputs = keras.Input((8, 8, channels))
    x = keras.layers.Conv2D(2, 3, name="conv")(x)
    x = keras.layers.Dense(units, name="hidden")(keras.layers.Flatten()(x))
    return inputs, keras.layers.Dense(3, name="answer")(x)


def test_a_part_that_two_parts_fit_is_not_taken(caplog):
    source, model = as_run(both_streams(channels=3)), stream(channels=3, num_classes=9)
    with pytest.raises(UserError, match="has none of the weights of this model"):
        transfer.initialize(model, source, "l2")
    expected = "the part spatial and the part temporal fit the whole model: none is taken"
    assert expected in caplog.text


def test_the_history_is_the_mean_of_the_last_evaluations(tmp_path):
    history = averages.History(str(tmp_path), 3)
    variables = [keras.Variable(np.zeros((2, 2), "float32")), keras.Variable(np.float32(0))]
    for step, value in enumerate([1.0, 2.0, 4.0, 8.0], start=1):
        for variable in variables:
            variable.assign(np.full(variable.shape, value))
        history.average(variables, step)
    for variable in variables:
        np.testing.assert_allclose(variable.numpy(), (2 + 4 + 8) / 3, rtol=1e-6)
    names = sorted(os.listdir(tmp_path / "checkpoints"))
    assert names == [f"weights-{step:09d}.npz" for step in (2, 3, 4)]


def test_a_damaged_part_of_the_history_is_named_and_left_out(tmp_path, caplog):
    history = averages.History(str(tmp_path), 3)
    variable = keras.Variable(np.float32(0))
    for step in (10, 20, 30):
        if step == 30:
            os.truncate(tmp_path / "checkpoints" / "weights-000000020.npz", 50)
        variable.assign(float(step))
        history.average([variable], step)
    assert float(variable.numpy()) == pytest.approx((10 + 30) / 2)
    assert "weights-000000020.npz cannot be read, and is left out" in caplog.text


def test_a_resumed_training_forgets_what_came_after(tmp_path):
    history = averages.History(str(tmp_path), 3)
    variable = keras.Variable(np.float32(0))
    for step in (10, 20, 30):
        variable.assign(float(step))
        history.average([variable], step)
    history.forget_after(20)
    variable.assign(60.0)
    history.average([variable], 30)
    assert float(variable.numpy()) == pytest.approx((10 + 20 + 60) / 3)
