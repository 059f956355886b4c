"""A learning rate for each variable, by private hooks of Keras' optimizers. Needs no TensorFlow.

Keras has no public way to give variables different learning rates. `update_step`, which is there
to be overridden, gets the variable and its learning rate, but it does not decay weights, and the
variable it gets is the backend's own, which has no path. So three private hooks of
`keras.optimizers.Optimizer` are used as well:

- `_apply_weight_decay(variables)` decays weights at the learning rate. It is called here once for
  the variables of each rate.
- `_get_current_learning_rate()` gives the learning rate that the decay takes. It is multiplied
  here while weights are decayed.
- `_get_variable_index(variable)` tells which of the variables given to `build` one is.

The tests of this file say whether the installed version of Keras still has these.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import ops


class _RatePerVariable:
    """Mixed into a Keras optimizer, gives each variable a multiple of the learning rate.

    A checkpoint holds the same variables as without rates. An optimizer that Keras saves with a
    model is saved without its rates.
    """

    _rates: Mapping[str, float] = {}  # By path; a variable that is not named has 1.
    _decayed_at = 1.0

    def build(self, variables):
        """Makes the optimizer's variables, and finds the rate of each trained one."""
        unknown = sorted(set(self._rates) - {variable.path for variable in variables})
        if unknown:
            raise ValueError(
                "The rates of an optimizer must be of variables that it trains. "
                f"Received: rates of {', '.join(unknown)}."
            )
        super().build(variables)
        self._rate_of_index = [self._rates.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable at its own rate."""
        if isinstance(self, keras.optimizers.Adafactor):
            # It takes no more than 1 / sqrt(step). The rate is a share of what that leaves.
            step = ops.cast(self.iterations + 1, "float32")
            learning_rate = ops.minimum(learning_rate, 1 / ops.sqrt(step))
        super().update_step(gradient, variable, learning_rate * self._rate_of(variable))

    def _apply_weight_decay(self, variables):
        for rate in sorted({self._rate_of(variable) for variable in variables}):
            self._decayed_at = rate
            super()._apply_weight_decay([v for v in variables if self._rate_of(v) == rate])
        self._decayed_at = 1.0

    def _get_current_learning_rate(self):
        learning_rate = super()._get_current_learning_rate()
        return learning_rate if self._decayed_at == 1 else learning_rate * self._decayed_at

    def _rate_of(self, variable) -> float:
        return self._rate_of_index[self._get_variable_index(variable)]


def with_rates(
    cls: type[keras.optimizers.Optimizer], rates: Mapping[str, float]
) -> type[keras.optimizers.Optimizer]:
    """The class of optimizers that learn at `rates`; the class itself where all are 1.

    Args:
        cls: an optimizer of Keras, or a subclass.
        rates: multipliers of the learning rate by the path of a variable, above 0 and at most 1.

    Raises:
        ValueError: a rate is out of its range. `build` of the optimizer raises it, too, where
            there is a rate of a variable that it does not train.
    """
    for path, rate in rates.items():
        if not 0 < rate <= 1:
            raise ValueError(
                "The rate of a variable must be above 0 and at most 1. "
                f"Received: rates[{path!r}]={rate}."
            )
    if all(rate == 1 for rate in rates.values()):
        return cls

    class WithRates(_RatePerVariable, cls):
        _rates = dict(rates)

    # Keras saves an optimizer by these two, and so saves it as the class it extends.
    WithRates.__name__, WithRates.__module__ = cls.__name__, cls.__module__
    return WithRates
