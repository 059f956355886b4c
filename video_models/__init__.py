"""Models whose input has no time axis: one vector a video. Each public module is one model."""

from typing import Protocol

import keras


class VideoModel(Protocol):
    """The type of a hyperparameter that is a video model, such as the head of a frame model."""

    def __call__(
        self, features: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
        """Builds the model: `build` of a video model, its hyperparameters given.

        Args:
            features: (batch, size), one vector a video.
            num_classes: number of classes.

        Returns:
            (batch, num_classes), probabilities; or a dict of them and of what the loss needs.
        """
