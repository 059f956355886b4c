"""What a batch of training data asks of a model: its labels as matrices. Needs no TensorFlow."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from yt8m.data import labels as labels_lib


class Targets(NamedTuple):
    """What the answers to a batch are compared with.

    Attributes:
        labels: (batch, num_classes) float32, 1 for the classes of a video and else 0: what a
            metric compares with.
        learned: the same shape, from 0 to 1: what the loss compares with. These are the labels,
            or a teacher's answers mixed with them.
        counted: the same shape, 1 for the classes that count in loss and metric and else 0; None
            where all classes count.
    """

    labels: Any
    learned: Any
    counted: Any = None


class LabelReader:
    """Makes targets of the labels of a batch, which come in one of several forms.

    The labels are class ids (batch, most labels), padded with -1, or a dict of them as `labels`
    and, where the data has them,
        label_scores: (batch, most labels), 1 or 0. The labels are then ratings, and only rated
            classes count.
        task: (batch,), the number of the task of each video, where there are `task_classes`. Only
            the classes of its own task count.
        teacher_classes, teacher_scores: (batch, k), the classes that a teacher finds likeliest,
            padded with -1, and their probabilities. What is learned is then the teacher's by a
            share of `distillation`; the classes that the teacher leaves out have 0. The
            cross-entropy with such labels is the mean of the cross-entropies with the labels and
            with the teacher, weighed by that share.

    Args:
        num_classes: the size of the vocabulary.
        distillation: the share of the teacher, from 0 to 1.
        task_classes: (tasks, num_classes), 1 for the classes of a task and else 0; None where
            there are no tasks.
    """

    def __init__(
        self,
        num_classes: int,
        distillation: float = 0.0,
        task_classes: np.ndarray | None = None,
    ):
        self.num_classes = num_classes
        self.distillation = distillation
        self.task_classes = task_classes

    def __call__(self, batch) -> Targets:
        """Returns the targets of the labels of a batch."""
        if not isinstance(batch, dict):
            batch = {"labels": batch}
        if self.task_classes is not None:
            targets = self._of_tasks(batch["labels"], batch["task"])
        elif "label_scores" in batch:
            targets = self._of_ratings(batch["labels"], batch["label_scores"])
        else:
            targets = self._of_labels(batch["labels"])
        if "teacher_classes" in batch:
            taught = self._taught(targets, batch["teacher_classes"], batch["teacher_scores"])
            targets = targets._replace(learned=taught)
        return targets

    def _of_labels(self, ids) -> Targets:
        labels = labels_lib.multi_hot(ids, self.num_classes)
        return Targets(labels, learned=labels)

    def _of_ratings(self, ids, scores) -> Targets:
        labels, rated = labels_lib.rated(ids, scores, self.num_classes)
        return Targets(labels, learned=labels, counted=rated)

    def _of_tasks(self, ids, tasks) -> Targets:
        own = ops.take(ops.convert_to_tensor(self.task_classes), tasks, axis=0)
        return self._of_labels(ids)._replace(counted=own)

    def _taught(self, targets: Targets, classes, scores):
        """The labels, moved to the answers of the teacher for the videos that it knows."""
        answers = labels_lib.with_scores(classes, scores, self.num_classes)
        known = ops.cast(ops.any(classes >= 0, axis=1, keepdims=True), "float32")
        return targets.labels + self.distillation * known * (answers - targets.labels)
