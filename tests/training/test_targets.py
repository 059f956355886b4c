"""What a batch asks of a model, in each form that labels come in, and what is left out."""

import keras
import numpy as np
import pytest

from yt8m.modeling import losses
from yt8m.training.targets import LabelReader
from yt8m.training.trainer import Trainer

IDS = np.array([[0, 2], [3, -1]])
LABELS = np.array([[1, 0, 1, 0], [0, 0, 0, 1]])
TASK_CLASSES = np.array([[1, 1, 1, 0], [0, 0, 0, 1]], "float32")
TEACHER = {
    "teacher_classes": np.array([[1, 2], [-1, -1]]),
    "teacher_scores": np.array([[0.5, 0.75], [0, 0]], "float32"),
}
# Of the first video by half; of the second the teacher knows nothing.
TAUGHT = np.array([[0.5, 0.25, 0.875, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("labels", [IDS, {"labels": IDS}], ids=["ids", "dict"])
def test_all_classes_of_plain_labels_count(labels):
    targets = LabelReader(4)(labels)
    np.testing.assert_array_equal(targets.labels, LABELS)
    np.testing.assert_array_equal(targets.learned, LABELS)
    assert targets.counted is None


def test_only_what_is_rated_counts():
    ratings = np.array([[1, 0], [0, 0]], "float32")
    targets = LabelReader(4)({"labels": IDS, "label_scores": ratings})
    np.testing.assert_array_equal(targets.labels, [[1, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(targets.learned, targets.labels)
    np.testing.assert_array_equal(targets.counted, LABELS)


@pytest.mark.parametrize("teacher", [{}, TEACHER], ids=["labels", "teacher"])
def test_only_the_classes_of_its_task_count(teacher):
    batch = {"labels": IDS, "task": np.array([0, 1])} | teacher
    targets = LabelReader(4, distillation=0.5, task_classes=TASK_CLASSES)(batch)
    np.testing.assert_array_equal(targets.labels, LABELS)
    np.testing.assert_array_equal(targets.learned, TAUGHT if teacher else LABELS)
    np.testing.assert_array_equal(targets.counted, TASK_CLASSES)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_teacher_has_its_share_of_what_is_learned(share):
    targets = LabelReader(4, distillation=share)({"labels": IDS} | TEACHER)
    np.testing.assert_array_equal(targets.labels, LABELS)
    np.testing.assert_allclose(targets.learned, LABELS + 2 * share * (TAUGHT - LABELS), rtol=1e-6)
    assert targets.counted is None


@pytest.mark.parametrize("loss", ["warp", "softmax"])
def test_a_loss_that_needs_all_classes_is_refused_where_some_count(loss):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, {"probabilities": keras.layers.Activation("sigmoid")(inputs)})
    trainer = Trainer(model, 4, losses.get(loss), task_classes=TASK_CLASSES)
    trainer.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=f"such as cross_entropy, or .* Received: {loss.title()}"):
        trainer.test_on_batch(np.zeros((2, 4)), {"labels": IDS, "task": np.array([0, 1])})
