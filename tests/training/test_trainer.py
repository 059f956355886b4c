"""The loss of a training step: of labels, members, ratings and teachers, in NumPy."""

import keras
import numpy as np
import pytest
from toy_records import FRAMES, VIDEOS, frame_batch, predict

from yt8m import metrics
from yt8m.data import labels
from yt8m.modeling import keras_model, losses, specs
from yt8m.training.trainer import Trainer


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
