"""What a model of raw video takes: the counterpart of the schema of shards. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import Clips, Flow

CLIP = "clip"


@dataclasses.dataclass(frozen=True)
class ClipSchema:
    """What a clip is, and what its labels are called.

    Attributes:
        inputs: which of `pixels` and `flow` the model takes, in its order.
        clips: how clips are cut.
        flow: how flow is shown; None for a model of pixels alone.
        classes: the names of the labels; a class id is a place among them. A training sorts them;
            imported weights have an order of their own.
        tasks: the names of data sets that are trained on together, each with classes and a head of
            its own; () for one data set. The classes of a task are called `TASK/LABEL`.
        kind: `clip`, which tells it from the kinds of records.
    """

    inputs: tuple[str, ...]
    clips: Clips
    flow: Flow | None
    classes: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    kind: str = CLIP

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs of the model that hold values."""
        return self.inputs

    @property
    def task_ranges(self) -> tuple[tuple[int, int], ...]:
        """The first class of each task and the one behind its last; () for one data set."""
        ranges = []
        for task in self.tasks:
            own = [i for i, name in enumerate(self.classes) if name.startswith(f"{task}/")]
            if own[-1] - own[0] >= len(own):
                raise ValueError(f"the classes of the task {task} do not follow each other")
            ranges.append((own[0], own[-1] + 1))
        return tuple(ranges)

    @property
    def task_classes(self) -> np.ndarray | None:
        """(tasks, classes) float32, 1 for the classes of a task; None for one data set."""
        if not self.tasks:
            return None
        own = np.zeros((len(self.tasks), len(self.classes)), np.float32)
        for row, (start, end) in zip(own, self.task_ranges, strict=True):
            row[start:end] = 1
        return own

    @property
    def inputs_of_model(self) -> tuple[str, ...]:
        """The positional parameters of a model that takes such clips."""
        return (*self.inputs, "mask")

    def channels(self, name: str) -> int:
        """The channels of an input."""
        return 3 if name == "pixels" else self.flow.num_channels

    def __str__(self) -> str:
        return f"clips of {' and '.join(self.inputs)}, {self.clips}" + (
            f", {self.flow}" if self.flow else ""
        )

    def to_json(self) -> dict:
        """This schema as plain dictionaries and lists."""
        return {
            "kind": self.kind,
            "inputs": list(self.inputs),
            "clips": self.clips.to_json(),
            "flow": self.flow.to_json() if self.flow else None,
            "classes": list(self.classes),
            "tasks": list(self.tasks),
        }

    @classmethod
    def from_json(cls, data: dict) -> ClipSchema:
        """The inverse of `to_json`."""
        flow = data["flow"]
        return cls(
            tuple(data["inputs"]),
            Clips.from_json(data["clips"]),
            None if flow is None else Flow.from_json(flow),
            tuple(data["classes"]),
            tuple(data["tasks"]),
        )

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def class_ids(self, labels: tuple[str, ...], where: str) -> list[int]:
        """The class ids of labels.

        Args:
            labels: names.
            where: the video, for the error.

        Raises:
            UserError: a label is none of the classes.
        """
        known = self._numbers
        for label in labels:
            if label not in known:
                shown = ", ".join(self.classes[:8]) + (", ..." if len(known) > 8 else "")
                raise UserError(
                    f"{where} has the label {label!r}, which is none of the {len(known)} classes "
                    f"trained on ({shown}). Correct the manifest, or train on it."
                )
        return sorted(known[label] for label in labels)
