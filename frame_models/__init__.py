"""Models whose input has a time axis, a sequence of frame vectors. A public module is a model."""

from typing import Protocol

import keras


class FrameModel(Protocol):
    """The type of a hyperparameter that is a frame model, such as a branch of a mixture."""

    def __call__(
        self, frames: dict[str, keras.KerasTensor], mask: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
        """Builds the model: `build` of a frame model, its hyperparameters given.

        Args:
            frames: feature name -> (batch, time, size).
            mask: (batch, time), bool, true for the frames of a video and false for padding.
            num_classes: number of classes.

        Returns:
            (batch, num_classes), probabilities; or a dict of them and of what the loss needs.
        """
