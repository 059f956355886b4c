"""What a training learns from and is judged by, whatever kind of examples it is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from yt8m.data.reader import Reader
from yt8m.data.schema import Schema
from yt8m.data.teacher import TeacherScores
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.evaluation import report
from yt8m.evaluation.examples import Examples


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges a model, and keeps what it found in the run.

    Attributes:
        examples: what is judged by.
        reader: of them.
        pattern: that named them.
        loss: reported as a mean.
        folder: where the metrics are written.
        names: of the classes, where they are known.
    """

    examples: Examples
    reader: Any
    pattern: str
    loss: keras.losses.Loss
    folder: str
    names: Sequence[str] | None = None

    @property
    def name(self) -> str:
        """What tells this data from other data that a model may have been judged by."""
        return self.examples.name(self.pattern)

    def __call__(self, model: keras.Model, step: int) -> dict[str, Any]:
        """Returns the metrics of a model by name, and writes them with those of the classes.

        Raises:
            UserError: a score is NaN, or the folder cannot be written.
        """
        state = self.examples.judge(model, self.reader.anew(), self.loss)
        results = state.result()
        details = {"eval_data_pattern": self.pattern, "step": step}
        name = f"step-{step:09d}"
        report.write(self.folder, name, results | details, state.per_class(), self.names)
        return results


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a training learns from and is judged by.

    Attributes:
        examples: what is learnt from: whole videos, rated segments or clips.
        reader: of them; a `ClipReader` for clips.
        judge: tells the better model; None keeps the last one.
        teacher: whose scores are learnt besides the labels, or None.
        task_classes: (tasks, num_classes), 1 for the classes of a task, where several are trained.
        recorded: what else of the data decides the weights, for the run's record.
        names: of the classes of shards, where they are known.
        features_dir: the folder of shards that says how their features were made; empty if unknown.
    """

    examples: Examples
    reader: Reader
    judge: Judge | None
    teacher: TeacherScores | None = None
    task_classes: np.ndarray | None = None
    recorded: dict[str, Any] = dataclasses.field(default_factory=dict)
    names: Sequence[str] | None = None
    features_dir: str = ""

    @property
    def schema(self) -> Schema | ClipSchema:
        """What the examples hold."""
        return self.reader.schema

    @property
    def num_classes(self) -> int:
        """The size of the vocabulary."""
        return self.reader.num_classes
