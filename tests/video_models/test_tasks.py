"""Several tasks on the same features: a distribution each, and a loss that knows its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from video_models import ensemble, logistic, tasks
from yt8m import metrics
from yt8m.modeling import losses
from yt8m.training.trainer import Trainer

SIZES = (3, 2, 3)
STARTS = (0, 3, 5)
FEATURES = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")


def tasks_model(**settings) -> keras.Model:
    features = keras.Input((5,))
    model = keras.Model(features, tasks.build(features, 8, sizes=SIZES, **settings))
    random = np.random.default_rng(2)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    return model


def probabilities_of(kernel, bias):
    exponentials = np.exp(FEATURES.astype("float64") @ kernel + bias)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def test_each_task_has_a_softmax_of_its_own():
    model = tasks_model()
    weights = [variable.numpy() for variable in model.weights]
    heads = list(zip(weights[::2], weights[1::2], strict=True))
    assert [bias.shape for _, bias in heads] == [(3,), (2,), (3,)]
    expected = np.concatenate([probabilities_of(*head) for head in heads], axis=1)
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-5)


def test_the_loss_of_a_video_is_the_cross_entropy_of_its_task():
    """Its gradient, too: the classifiers of other tasks get none."""
    model = tasks_model()
    labels = np.zeros((3, 8), "float32")
    labels[[0, 1, 2], [1, 6, 7]] = 1  # Tasks 0, 2 and 2.
    with tf.GradientTape() as tape:
        loss = losses.get("softmax", scores="log_probabilities").call(labels, model(FEATURES))
        total = tf.reduce_sum(loss)
    gradients = [gradient.numpy() for gradient in tape.gradient(total, model.trainable_variables)]
    expected = np.zeros(3)
    for task, size in enumerate(SIZES):
        videos = {0: [0], 1: [], 2: [1, 2]}[task]
        own = slice(STARTS[task], STARTS[task] + size)
        kernel, bias = (v.numpy() for v in model.weights[2 * task : 2 * task + 2])
        errors = (probabilities_of(kernel, bias) - labels[:, own])[videos]
        truths = np.log(probabilities_of(kernel, bias))[videos]
        expected[videos] = -(truths * labels[videos, own]).sum(axis=1)
        np.testing.assert_allclose(
            gradients[2 * task], FEATURES[videos].T @ errors, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(gradients[2 * task + 1], errors.sum(axis=0), atol=1e-5)
    # The loss itself has the logarithm of the number of tasks besides.
    np.testing.assert_allclose(loss, expected + np.log(3), rtol=1e-5)


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "softmax(scores='log_probabilities')"], ids=["each", "softmax"]
)
def test_other_tasks_carry_no_loss(loss):
    """As the trainer leaves out classes, by the task of each video: sigmoids sum to nothing."""
    answer = tasks_model(head=logistic.build)
    model = keras.Model(answer.input, {"probabilities": answer.output})
    own = np.zeros((3, 8), "float32")
    for row, start, size in zip(own, STARTS, SIZES, strict=True):
        row[start : start + size] = 1
    call = losses.from_spec(loss)
    gap = metrics.StreamingGAP()
    chosen = losses.get(call.name, **call.arguments)
    trainer = Trainer(model, 8, chosen, gap, task_classes=own)
    trainer.compile(optimizer=keras.optimizers.SGD(1.0))
    before = [variable.numpy() for variable in model.weights]
    trainer.train_on_batch(FEATURES, {"labels": np.array([[1], [6], [7]]), "task": [0, 2, 2]})
    moved = [not np.array_equal(v.numpy(), b) for v, b in zip(model.weights, before, strict=True)]
    assert moved == [True, True, False, False, True, True]


def test_other_tasks_do_not_count_in_the_metric_of_a_training():
    """Each task's own answer is right, and the answers of the other one are as sure."""
    inputs = keras.Input((4,), name="scores")
    model = keras.Model(inputs, {"probabilities": keras.layers.Identity()(inputs)})
    own = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], "float32")
    loss = losses.get("softmax", scores="log_probabilities")
    trainer = Trainer(model, 4, loss, metrics.StreamingGAP(), task_classes=own)
    trainer.compile()
    scores = np.array([[0.9, 0.1, 0.95, 0.05], [0.97, 0.03, 0.2, 0.8]], "float32")
    results = trainer.test_on_batch(
        scores, {"labels": np.array([[0], [3]]), "task": np.array([0, 1])}, return_dict=True
    )
    assert results["gap"] == pytest.approx(1)
    assert results["loss_mean"] == pytest.approx(-np.log([0.9, 0.8]).mean(), rel=1e-5)


def test_sizes_must_be_those_of_the_classes():
    features = keras.Input((5,))
    with pytest.raises(
        ValueError, match=r"of classes, 7. Received: sizes=\(3, 5\), which sum to 8"
    ):
        tasks.build(features, 7, sizes=(3, 5))
    with pytest.raises(ValueError, match=r"needs a class. Received: sizes=\(7, 0\)"):
        tasks.build(features, 7, sizes=(7, 0))
    with pytest.raises(ValueError, match="cannot be an ensemble. Make an ensemble of tasks"):
        tasks.build(features, 7, sizes=(3, 4), head=ensemble.build)
