"""The learning rate over a training: the schedule of the starter code."""

from __future__ import annotations

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="yt8m")
class StaircaseDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Multiplies the learning rate by `decay` each time training has seen `decay_examples` more.

    `base_learning_rate * decay ** floor(step * batch_size / decay_examples)`. Counting examples
    and not steps keeps a schedule when the batch changes. The floor is exact for as long as the
    step fits in 32 bits: see `_decays`.

    Args:
        base_learning_rate: learning rate at step 0, positive.
        decay: factor of each stair, in (0, 1]; 1 keeps the learning rate.
        decay_examples: examples a stair lasts, positive.
        batch_size: examples a step, over all devices and hosts, positive.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        `--learning_rate_decay` and `--learning_rate_decay_examples` of the google/youtube-8m
        starter code (`tf.train.exponential_decay` with `staircase=True`).

    Example:
        >>> from yt8m.training import schedules
        >>> schedule = schedules.StaircaseDecay(0.1, decay=0.5, decay_examples=100, batch_size=10)
        >>> [round(float(schedule(step)), 3) for step in (0, 9, 10, 20)]
        [0.1, 0.1, 0.05, 0.025]
    """

    def __init__(
        self, base_learning_rate: float, decay: float, decay_examples: int, batch_size: int
    ):
        super().__init__()
        given = {"base_learning_rate": base_learning_rate, "batch_size": batch_size}
        for name, value in {**given, "decay_examples": decay_examples}.items():
            if not value > 0:
                raise ValueError(f"{name} must be positive. Received: {name}={value}.")
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1. Received: decay={decay}.")
        self.base_learning_rate = base_learning_rate
        self.decay = decay
        self.decay_examples = int(decay_examples)
        self.batch_size = int(batch_size)
        divisor = math.gcd(self.decay_examples, self.batch_size)
        self._batch, self._stair = self.batch_size // divisor, self.decay_examples // divisor
        if max(self._batch, self._stair) >= 2**30:
            raise ValueError(
                "decay_examples and batch_size must be below 2**30 after division by their common "
                f"divisor. Received: decay_examples={decay_examples}, batch_size={batch_size}."
            )

    def _decays(self, step):
        """Returns `floor(step * batch_size / decay_examples)` as int32, exactly.

        float32 loses whole examples beyond 16 million of them, and int32 ends at 2 billion. So
        float32 only guesses the quotient, to within a few, and the remainder of that guess corrects
        it. The remainder is small, hence right in int32 even where the two products, taken
        modulo 2**32, are not.
        """
        step = ops.cast(step, "int32")
        guess = ops.cast(
            ops.floor(ops.cast(step, "float32") * (self._batch / self._stair)), "int32"
        )
        remainder = step * self._batch - guess * self._stair
        return guess + ops.floor_divide(remainder, self._stair)

    def __call__(self, step):
        """Returns the learning rate of a step, a float32 scalar."""
        decays = ops.cast(self._decays(step), "float32")
        return self.base_learning_rate * ops.power(ops.cast(self.decay, "float32"), decays)

    def get_config(self):
        """Returns the arguments the schedule was made with."""
        return {
            "base_learning_rate": self.base_learning_rate,
            "decay": self.decay,
            "decay_examples": self.decay_examples,
            "batch_size": self.batch_size,
        }
