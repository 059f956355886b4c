"""What a model is trained on and judged by: whole videos, rated segments, or clips of raw video.

A job chooses once which of the three it is about. The object that it makes then knows how they
are read, how a model is judged on them, and which metric tells the better model: see
`VideoExamples`, `SegmentExamples` and `ClipExamples` in the modules beside this one.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import keras


@dataclasses.dataclass(frozen=True)
class Examples(abc.ABC):
    """What the three kinds have in common.

    Attributes:
        source: how they are read, see `inputs`.
    """

    source: Any
    # The name of the metric, among the results of `judge`, that tells the better model.
    metric: ClassVar[str]

    def open(self, pattern: str) -> Any:
        """A reader of what a pattern names.

        Raises:
            UserError: nothing matches, nothing can be read, or it does not fit the model.
        """
        return self.source.open(pattern)

    def name(self, pattern: str) -> str:
        """What tells this data from other data, and from the same data judged otherwise."""
        return pattern

    @abc.abstractmethod
    def check_labels(self, reader: Any) -> None:
        """Fails before the work where there is nothing to judge by.

        Raises:
            UserError: the first records, or all videos, are without labels.
        """

    @abc.abstractmethod
    def judge(
        self, model: keras.Model, reader: Any, loss: keras.losses.Loss, path: str = ""
    ) -> Any:
        """Predicts, compares with the labels, and returns a state with `result`, `per_class`.

        Args:
            model: from what the reader reads to probabilities.
            reader: see `open`.
            loss: reported as a mean.
            path: the beginning of the names of files that an evaluation keeps beside its metrics;
                empty keeps none.

        Raises:
            UserError: there are no labels, or a score is NaN.
        """

    @abc.abstractmethod
    def details(self, reader: Any, path: str = "") -> dict[str, Any]:
        """The settings of an evaluation, what it left out and what it kept, see `judge`."""
