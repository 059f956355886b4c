"""Finds every model of raw video, and builds it small, for the contract tests. Any backend.

A file added to `frame_models.pixels` is found here and needs no other change: its positional
parameters say which inputs it takes, and its width is cut.
"""

import dataclasses
import functools
import inspect
import types

import keras
import model_contract
import numpy as np

import frame_models.pixels

NUM_CLASSES = 7
SIDE = 42
CHANNELS = {"pixels": 3, "flow": 4}
TIMES = (4, 10)  # A model is built for the first of these that it takes.
WIDTH = 1 / 16
SMALL = {"width": WIDTH, "backbone": "karpathy"}


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with the hyperparameters it is tested with."""

    name: str
    build: types.FunctionType
    changed: tuple = ()

    def __str__(self):
        return f"{self.name}({','.join(f'{key}={value}' for key, value in self.changed)})"

    @property
    def inputs(self) -> list[str]:
        """Names of the positional parameters that are inputs."""
        parameters = inspect.signature(self.build).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        return [name for name in positional if name != "num_classes"]

    @property
    def clips(self) -> list[str]:
        """Names of the inputs that hold clips."""
        return [name for name in self.inputs if name != "mask"]

    def model(self, time: int | None = None, channels: dict = CHANNELS) -> keras.Model:
        """Builds a model from named inputs to what `build` returns.

        Args:
            time: length of the clips; by default the first of `TIMES` that the model takes.
            channels: of each kind of clip.
        """
        if time is None:
            return self._first_model()
        inputs = {
            name: keras.Input((time, SIDE, SIDE, channels[name]), name=name) for name in self.clips
        }
        inputs["mask"] = keras.Input((time,), dtype="bool", name="mask")
        settings = small(self.build) | dict(self.changed)
        return keras.Model(inputs, self.build(**inputs, num_classes=NUM_CLASSES, **settings))

    def _first_model(self) -> keras.Model:
        for time in TIMES:
            try:
                return self.model(time)
            except ValueError as error:
                refusal = error
        raise refusal

    def data(self, time: int, lengths: tuple | None = None, seed: int = 0) -> dict:
        """Makes clips of these lengths, padded with zeros; by default a full and a short one."""
        lengths = (time, time - 2) if lengths is None else lengths
        random = np.random.default_rng(seed)
        mask = np.arange(time) < np.array(lengths)[:, None]
        clips = {
            name: random.uniform(-1, 1, (*mask.shape, SIDE, SIDE, CHANNELS[name])).astype("float32")
            * mask[..., None, None, None]
            for name in self.clips
        }
        return clips | {"mask": mask}


def small(build: types.FunctionType) -> dict:
    """The hyperparameters that make a model small, and those of the models in it."""
    changed = {}
    for parameter in inspect.signature(build).parameters.values():
        if parameter.name in SMALL:
            changed[parameter.name] = SMALL[parameter.name]
        elif inspect.isfunction(parameter.default) and small(parameter.default):
            changed[parameter.name] = functools.partial(
                parameter.default, **small(parameter.default)
            )
    return changed


def modules() -> list[types.ModuleType]:
    """Imports every model of raw video."""
    return model_contract.modules(frame_models.pixels)


def cases() -> list[Case]:
    """Returns every model as it is by default, but small."""
    return [Case(module.__name__, module.build) for module in modules()]


def variants() -> list[Case]:
    """Returns every model once for each boolean hyperparameter, flipped."""
    return [
        Case(module.__name__, module.build, ((parameter.name, not parameter.default),))
        for module in modules()
        for parameter in inspect.signature(module.build).parameters.values()
        if isinstance(parameter.default, bool)
    ]


def randomise(model: keras.Model, seed: int = 0):
    """Moves every weight off its initial value, by little enough that no softmax saturates."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        else:
            spread = 0.1 if len(weight.shape) < 2 else 0.3 / np.sqrt(np.prod(weight.shape[:-1]))
            weight.assign(weight.numpy() + random.normal(0, spread, weight.shape))
