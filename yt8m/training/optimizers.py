"""Optimizers, chosen by name."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from yt8m.base.catalogue import Catalogue
from yt8m.base.spec_language import Call, abridged
from yt8m.base.spec_language import fits as fits_hint
from yt8m.training.variable_rates import with_rates

Schedule = keras.optimizers.schedules.LearningRateSchedule


def _keras_optimizers() -> tuple[type[keras.optimizers.Optimizer], ...]:
    """The optimizers that this version of Keras has.

    Those without a `learning_rate` wrap other optimizers, and are not for users to choose.
    """
    public = [value for value in vars(keras.optimizers).values() if inspect.isclass(value)]
    return tuple(
        cls
        for cls in public
        if issubclass(cls, keras.optimizers.Optimizer)
        and cls is not keras.optimizers.Optimizer
        and "learning_rate" in inspect.signature(cls).parameters
    )


# Hidden are the parameters that `get` sets from arguments of its own, and `name`.
_CATALOGUE = Catalogue(
    "optimizer",
    _keras_optimizers(),
    hidden=frozenset({"learning_rate", "name", "kwargs", "clipnorm", "use_ema", "ema_momentum"}),
)


def names() -> list[str]:
    """Returns the names that `get` knows, sorted.

    Example:
        >>> from yt8m.training import optimizers
        >>> {"Adam", "AdamW", "SGD"} <= set(optimizers.names())
        True
    """
    return _CATALOGUE.names()


def _keeping_weights(
    cls: type[keras.optimizers.Optimizer],
) -> type[keras.optimizers.Optimizer]:
    """The class of optimizers that keep an average, and leave the weights to whoever trains.

    Keras ends each `fit` by overwriting the weights with their average. A run is trained by one
    `fit` an epoch, and each goes on from the weights themselves.
    """

    class KeepingWeights(cls):
        def finalize_variable_values(self, var_list):
            """Leaves the weights as they are."""

        def write_average(self, variables):
            """Assigns the average of the weights to variables, in the order of training."""
            super().finalize_variable_values(variables)

    # Keras saves an optimizer by these two, and so saves it as the class it extends.
    KeepingWeights.__name__, KeepingWeights.__module__ = cls.__name__, cls.__module__
    return KeepingWeights


def get(
    name: str,
    learning_rate: float | Schedule,
    *,
    clip_gradient_norm: float = 0.0,
    ema_momentum: float = 0.0,
    rates: Mapping[str, float] | None = None,
    **hyperparameters,
) -> keras.optimizers.Optimizer:
    """Makes a Keras optimizer from its name.

    Args:
        name: a Keras class; case, underscores and a final "Optimizer" do not matter: "adam",
            "Adam" and "AdamOptimizer" are one.
        learning_rate: a number or a schedule.
        clip_gradient_norm: the gradient of **each variable by itself** is scaled down to at most
            this L2 norm, as in the starter code; 0 leaves gradients alone. With several replicas
            Keras clips what each replica computed, before they are summed.
        ema_momentum: momentum of the moving average of the weights that Keras keeps; 0 for none.
            `fit` does not overwrite the weights with the average: `write_average(variables)` of
            the optimizer assigns it to the variables of a model.
        rates: multipliers of the learning rate, above 0 and at most 1, by the path of a variable
            (see `fine_tuning.apply`); variables without one have 1. The weight decay of a variable
            is multiplied, too, as Keras makes it a share of the learning rate.
        **hyperparameters: further arguments of the class, such as `beta_1`.

    Returns:
        The optimizer, not yet built.

    Raises:
        ValueError: the name or a hyperparameter is unknown, or a value is out of its range.

    Example:
        >>> from yt8m.training import optimizers
        >>> optimizer = optimizers.get("adamw", 0.01, clip_gradient_norm=1.0, weight_decay=0.004)
        >>> optimizer.clipnorm, optimizer.weight_decay
        (1.0, 0.004)
    """
    cls = _CATALOGUE.find(name)
    if clip_gradient_norm < 0:
        raise ValueError(
            "clip_gradient_norm must be 0 or more. "
            f"Received: clip_gradient_norm={clip_gradient_norm}."
        )
    if not 0 <= ema_momentum < 1:
        raise ValueError(f"ema_momentum must be in [0, 1). Received: ema_momentum={ema_momentum}.")
    _CATALOGUE.check(cls, hyperparameters)
    _check_values(cls, hyperparameters)
    if clip_gradient_norm:
        hyperparameters["clipnorm"] = clip_gradient_norm
    if ema_momentum:
        hyperparameters.update(use_ema=True, ema_momentum=ema_momentum)
        cls = _keeping_weights(cls)
    return with_rates(cls, rates or {})(learning_rate, **hyperparameters)


def _check_values(cls: type, hyperparameters: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that Keras would stumble over in the first step.

    What Keras has no default for is a number, too, but for the names of layers.
    """
    parameters = inspect.signature(cls).parameters
    for name, value in hyperparameters.items():
        default = parameters[name].default
        if isinstance(default, bool):
            fits, wanted = isinstance(value, bool), "True or False"
        elif name == "exclude_layers":
            fits, wanted = value is None or fits_hint(value, tuple[str, ...]), "a tuple of names"
        else:
            fits, wanted = fits_hint(value, float) or value is default, "a finite number"
        if not fits:
            raise ValueError(
                f"{name} of {cls.__name__} must be {wanted}. Received: {name}={abridged(value)}."
            )


def from_spec(text: str) -> Call:
    """Parses and checks the spec of an optimizer, such as `adamw(weight_decay=0.01)`.

    Returns:
        The optimizer's class name and all its hyperparameters, to be given to `get`.

    Raises:
        ValueError: as `get`, or the text is no spec.

    Example:
        >>> from yt8m.training import optimizers
        >>> call = optimizers.from_spec("sgd(momentum=0.9)")
        >>> call.name, call.arguments["momentum"], call.arguments["nesterov"]
        ('SGD', 0.9, False)
    """
    return _CATALOGUE.from_spec(text, lambda name, **settings: get(name, 1.0, **settings))
