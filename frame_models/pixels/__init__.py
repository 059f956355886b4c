"""Models of raw video: CNNs over pixels and optical flow. One module is one model.

The positional parameters of `build` say what a model looks at:
    pixels: (batch, time, height, width, 3), from -1 (black) to 1 (white).
    flow: (batch, time, height, width, channels), displacements of pixels as a share of the bound
        they are cut to, from -1 to 1; x and y in turn.
    mask: (batch, time), bool, true for a frame of the clip and false for padding.
"""

from typing import Protocol

import keras


class PixelModel(Protocol):
    """The type of a hyperparameter that is a model of pixels, such as a stream of a two-stream."""

    def __call__(
        self, pixels: keras.KerasTensor, mask: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
        """Builds the model: `build` of a model of pixels, its hyperparameters given.

        Args:
            pixels: (batch, time, height, width, channels), from -1 to 1.
            mask: (batch, time), bool, true for a frame of the clip and false for padding.
            num_classes: number of classes.

        Returns:
            (batch, num_classes), probabilities; or a dict of them and of what the loss needs.
        """
