"""From a spec and a schema to a model that takes stored features, and how it is trained."""

import keras
import numpy as np
import pytest
from toy_records import FRAMES, VIDEOS, frame_batch, predict

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.data import labels
from yt8m.data.schema import Feature, Schema
from yt8m.modeling import keras_model, losses, specs
from yt8m.training.trainer import Trainer


def test_the_model_takes_what_the_file_holds():
    model = keras_model.build(specs.model("average"), FRAMES, 5)
    described = {t.name: (t.dtype, t.shape) for t in model.inputs}
    assert described == {
        "rgb": ("uint8", (None, None, 6)),
        "audio": ("uint8", (None, None, 3)),
        "num_frames": ("int32", (None,)),
    }
    assert model.output["probabilities"].dtype == "float32"


def test_preprocessing_is_inside_the_model():
    """Dequantised, normalised over both features together, averaged: in NumPy."""
    model = keras_model.classifier(keras_model.build(specs.model("average"), FRAMES, 5))
    batch = frame_batch()
    kernel, bias = (v.numpy() for v in model.trainable_variables)
    joined = np.concatenate([batch["rgb"], batch["audio"]], axis=-1).astype(np.float64)
    joined = joined * 4 / 255 + 4 / 512 - 2
    joined /= np.linalg.norm(joined, axis=-1, keepdims=True)
    means = np.stack([x[:n].mean(axis=0) for x, n in zip(joined, batch["num_frames"], strict=True)])
    expected = 1 / (1 + np.exp(-(means @ kernel + bias)))
    np.testing.assert_allclose(predict(model, batch), expected, atol=1e-6)


def test_normalisation_can_be_left_out():
    model = keras_model.build(specs.model("logistic"), VIDEOS, 5, normalize="none")
    assert not [layer for layer in model.layers if "normalize" in layer.name]


@pytest.mark.parametrize(
    ("spec", "schema", "part"),
    [
        ("moe", FRAMES, "average(head=moe)"),
        ("average", VIDEOS, "average takes frames and mask, but the records are video-level"),
    ],
)
def test_a_model_for_other_records_is_refused(spec, schema, part):
    with pytest.raises(UserError) as error:
        keras_model.build(specs.model(spec), schema, 5)
    assert part in str(error.value)


def test_a_setting_out_of_range_is_one_sentence():
    with pytest.raises(UserError, match="mixtures must be positive. Received: mixtures=0"):
        keras_model.build(specs.model("average(head=moe(mixtures=0))"), FRAMES, 5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("average(head=mlp(input_dropout=1.0))", "input_dropout of mlp must.*: input_dropout=1.0"),
        ("mixture(branches=(average, lstm(dropout=-0.5)))", "dropout of lstm must be .*=-0.5"),
    ],
)
def test_a_dropout_out_of_range_is_refused(spec, message):
    with pytest.raises(UserError, match=message):
        keras_model.build(specs.model(spec), FRAMES, 5)


def test_labels_stay_sparse_until_the_loss():
    model = keras_model.build(specs.model("average"), FRAMES, 5)
    trainer = Trainer(model, 5, losses.CrossEntropy())
    trainer.compile(optimizer=keras.optimizers.SGD(0.0))
    batch, ids = frame_batch(), np.array([[0, 3, 3], [1, -1, -1], [-1, -1, -1], [4, 2, 0]])
    dense = labels.multi_hot_array(ids, 5)
    np.testing.assert_array_equal(np.asarray(labels.multi_hot(ids, 5)), dense)
    probabilities = predict(keras_model.classifier(model), batch)
    expected = float(losses.CrossEntropy()(dense.astype("float32"), probabilities))
    received = trainer.train_on_batch(batch, ids, return_dict=True)["loss_mean"]
    assert float(received) == pytest.approx(expected, rel=1e-5)


def test_each_feature_can_be_normalised_by_itself():
    schema = Schema("video", (*VIDEOS.features, Feature("mean_audio", 3, "float32", "mean_audio")))
    inputs = keras_model.make_inputs(schema)
    scaled = keras.Model(inputs, keras_model.preprocess(inputs, schema, "rms"))
    batch = {"mean_rgb": np.arange(12.0).reshape(2, 6), "mean_audio": np.zeros((2, 3))}
    received = scaled(batch)
    expected = batch["mean_rgb"] / np.sqrt((batch["mean_rgb"] ** 2).mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(np.asarray(received["mean_rgb"]), expected, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(received["mean_audio"]), 0)


@pytest.mark.parametrize("loss", [losses.CrossEntropy(), losses.MeanCrossEntropy()])
def test_the_members_of_an_ensemble_are_averaged_and_learn_alone(loss):
    model = keras_model.build(specs.model("ensemble(members=2, member=logistic)"), VIDEOS, 5)
    trainer = Trainer(model, 5, loss)
    trainer.compile(optimizer=keras.optimizers.SGD(0.0))
    batch = {"mean_rgb": np.random.default_rng(0).normal(size=(4, 6)).astype("float32")}
    outputs = model(batch, training=False)
    members = np.asarray(outputs["members"])
    assert members.shape == (4, 2, 5)
    assert np.abs(members[:, 0] - members[:, 1]).max() > 0.01
    np.testing.assert_allclose(np.asarray(outputs["probabilities"]), members.mean(1), rtol=1e-6)
    ids = np.array([[0], [1], [2], [-1]])
    truth = labels.multi_hot_array(ids, 5).astype("float32")
    expected = np.mean([float(loss(truth, members[:, m])) for m in (0, 1)])
    received = trainer.train_on_batch(batch, ids, return_dict=True)["loss_mean"]
    assert float(received) == pytest.approx(expected, rel=1e-5)
    assert keras_model.classifier(model).output.shape == (None, 5)


def test_an_ensemble_of_ensembles_is_refused():
    with pytest.raises(UserError, match="cannot be an ensemble"):
        keras_model.build(specs.model("ensemble(member=ensemble)"), VIDEOS, 5)


def test_members_are_weighed_where_the_model_says_so():
    spec = specs.model("lstm(cells=3, layers=1, output='frames', head=logistic)")
    model = keras_model.build(spec, FRAMES, 5)
    trainer = Trainer(model, 5, losses.CrossEntropy())
    trainer.compile(optimizer=keras.optimizers.SGD(0.0))
    batch, ids = frame_batch(), np.array([[0], [1], [2], [-1]])
    outputs = {name: np.asarray(value) for name, value in model(batch, training=False).items()}
    truth = labels.multi_hot_array(ids, 5).astype("float32")
    expected = 0.0
    for video in range(4):
        for frame, weight in enumerate(outputs["member_weights"][video]):
            answer = outputs["members"][video, frame]
            expected += weight * float(losses.CrossEntropy()(truth[video], answer)) / 4
    received = trainer.train_on_batch(batch, ids, return_dict=True)["loss_mean"]
    assert float(received) == pytest.approx(expected, rel=1e-4)


def one_loss(y, loss, spec="average", **settings) -> tuple[float, dict, keras.Model]:
    """The label loss of a step on the batch of frames, what the model answered, and the trainer."""
    keras.utils.set_random_seed(0)
    model = keras_model.build(specs.model(spec), FRAMES, 5)
    trainer = Trainer(model, 5, loss, **settings)
    trainer.compile(optimizer=keras.optimizers.SGD(0.0))
    batch = frame_batch()
    outputs = {name: np.asarray(value) for name, value in model(batch, training=False).items()}
    return float(trainer.train_on_batch(batch, y, return_dict=True)["loss_mean"]), outputs, trainer


RATINGS = {
    "labels": np.array([[0, 3], [1, -1], [2, 2], [4, 0]]),
    "label_scores": np.array([[1, 0], [0, 0], [0, 1], [1, 1]], "float32"),
}
RATED = [[(0, 1), (3, 0)], [(1, 0)], [(2, 1)], [(4, 1), (0, 1)]]


@pytest.mark.parametrize("spec", ["average", "lstm(cells=3, layers=1, output='frames')"])
def test_only_rated_classes_carry_loss(spec):
    received, outputs, _ = one_loss(RATINGS, losses.CrossEntropy(), spec)
    members = outputs.get("members", outputs["probabilities"][:, None])
    weights = outputs.get("member_weights", np.ones((4, 1)))
    expected = 0.0
    for segment, ratings in enumerate(RATED):
        for class_id, truth in ratings:
            p = np.float64(members[segment, :, class_id])
            each = np.log(p + 1e-5) if truth else np.log(1 - p + 1e-5)
            expected -= (weights[segment] * each).sum() / 4
    assert received == pytest.approx(expected, rel=1e-4)


def test_the_gap_of_ratings_leaves_out_what_is_not_rated():
    _, _, trainer = one_loss(RATINGS, losses.CrossEntropy(), gap=metrics.StreamingGAP())
    batch_gap = float(trainer.gap.result())
    whole = {"labels": np.array([[0, -1], [-1, -1], [2, -1], [4, 0]])}
    _, _, other = one_loss(whole, losses.CrossEntropy(), gap=metrics.StreamingGAP())
    assert batch_gap > float(other.gap.result())


def test_distillation_is_the_mean_of_two_losses():
    ids = np.array([[0, 3], [1, -1], [-1, -1], [4, 0]])
    taught = {
        "labels": ids,
        "teacher_classes": np.array([[3, 2], [1, 0], [4, -1], [-1, -1]]),
        "teacher_scores": np.array([[0.9, 0.2], [0.5, 0.25], [1, 0], [0, 0]], "float32"),
    }
    received, outputs, _ = one_loss(taught, losses.CrossEntropy(), distillation=0.3)
    soft = np.zeros((4, 5), "float32")
    soft[0, [3, 2]], soft[1, [1, 0]], soft[2, 4] = (0.9, 0.2), (0.5, 0.25), 1
    hard = labels.multi_hot_array(ids, 5).astype("float32")
    soft[3] = hard[3]  # The teacher does not know this video.
    on = [float(losses.CrossEntropy()(y, outputs["probabilities"])) for y in (hard, soft)]
    assert received == pytest.approx(0.7 * on[0] + 0.3 * on[1], rel=1e-5)
