"""Finds every model, and builds it small, for the contract tests. Any backend.

A file added to `video_models` or `frame_models` is found here and needs no other change: its
positional parameters say which inputs it takes, and its large integer hyperparameters are shrunk.
"""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import types

import keras
import numpy as np

import frame_models
import video_models
from video_models.layers.batch_norm import BatchNorm

NUM_CLASSES = 7
SIZES = {"rgb": 16, "audio": 8}
TIME = 6
LARGEST = 16  # of an integer hyperparameter; a power of two, as most divisors are


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with the hyperparameters it is tested with."""

    name: str
    build: types.FunctionType
    hyperparameters: dict = dataclasses.field(hash=False)

    def __str__(self):
        changed = ",".join(f"{key}={_text(v)}" for key, v in self.hyperparameters.items())
        return f"{self.name}({changed})"

    @property
    def inputs(self) -> list[str]:
        """Names of the positional parameters that are inputs."""
        parameters = inspect.signature(self.build).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        return [name for name in positional if name != "num_classes"]

    @property
    def takes_frames(self) -> bool:
        """Whether it is a frame model."""
        return "frames" in self.inputs

    @property
    def can_be_built(self) -> bool:
        """Whether these hyperparameters go together."""
        try:
            with keras.StatelessScope(initialize_variables=False):
                self.model()
        except ValueError:
            return False
        finally:
            keras.utils.clear_session(free_memory=False)  # Forgets what waits for a value.
        return True

    def model(self, sizes=None, num_classes=NUM_CLASSES) -> keras.Model:
        """Builds a model from named inputs to what `build` returns."""
        sizes = SIZES if sizes is None else sizes
        inputs, arguments = {}, {}
        for name in self.inputs:
            if name == "frames":
                arguments[name] = {
                    k: keras.Input((None, size), name=k) for k, size in sizes.items()
                }
                inputs.update(arguments[name])
            elif name == "mask":
                inputs[name] = arguments[name] = keras.Input((None,), dtype="bool", name=name)
            elif name == "features":
                inputs[name] = arguments[name] = keras.Input((sum(sizes.values()),), name=name)
            else:
                raise ValueError(f"No test input for a model's parameter. Received: {name!r}.")
        outputs = self.build(**arguments, num_classes=num_classes, **self.hyperparameters)
        return keras.Model(inputs, outputs)

    def data(self, lengths=(6, 1, 3, 5), time=TIME, sizes=None, seed=0) -> dict:
        """Makes inputs: videos of these lengths, padded with zeros to `time` frames."""
        sizes = SIZES if sizes is None else sizes
        random = np.random.default_rng(seed)
        if not self.takes_frames:
            return {"features": random.normal(size=(len(lengths), sum(sizes.values()))).astype("f")}
        mask = np.arange(time) < np.array(lengths)[:, None]
        frames = {
            name: random.uniform(-2, 2, (len(lengths), time, size)).astype("float32")
            for name, size in sizes.items()
        }
        return {name: x * mask[..., None] for name, x in frames.items()} | {"mask": mask}


def _text(value) -> str:
    if isinstance(value, tuple):
        return f"({','.join(map(_text, value))})"
    return value.func.__module__ if isinstance(value, functools.partial) else str(value)


def _shrink(value):
    """Makes a hyperparameter small: an integer, or the integers of a model."""
    if isinstance(value, tuple):
        return tuple(_shrink(item) for item in value)
    if inspect.isfunction(value):
        small = _small_defaults(value)
        return functools.partial(value, **small) if small else value
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return min(value, LARGEST) if is_int else value


def _small_defaults(build: types.FunctionType) -> dict:
    parameters = inspect.signature(build).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    small = {name: (_shrink(value), value) for name, value in defaults.items()}
    return {name: new for name, (new, value) in small.items() if new != value}


def _case(module: types.ModuleType, **changed) -> Case:
    return Case(module.__name__, module.build, _small_defaults(module.build) | changed)


def modules(*packages: types.ModuleType) -> list[types.ModuleType]:
    """Imports every public module of packages of models that is not itself a package."""
    found = []
    for package in packages or (video_models, frame_models):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if not info.ispkg and not info.name.rsplit(".", 1)[-1].startswith("_"):
                found.append(importlib.import_module(info.name))
    return found


def cases() -> list[Case]:
    """Returns every model as it is by default, but small."""
    return [_case(module) for module in modules()]


def variants() -> list[Case]:
    """Returns every model once for each boolean hyperparameter, flipped, where it is allowed."""
    found = []
    for module in modules():
        for parameter in inspect.signature(module.build).parameters.values():
            if isinstance(parameter.default, bool):
                found.append(_case(module, **{parameter.name: not parameter.default}))
    return found


def everything() -> list[Case]:
    """Returns all models, and all variants, that can be built."""
    return [case for case in cases() + variants() if case.can_be_built]


def randomise(model: keras.Model, seed: int = 0):
    """Moves every weight off its initial value, so that no term of the model is idle."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        else:
            noise = random.normal(0, 0.2, weight.shape)
            weight.assign(weight.numpy() + noise)


def outputs(model: keras.Model, data: dict, training: bool = False) -> dict:
    """Runs the model and returns all it returns, as NumPy arrays."""
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in data.items()}
    result = model(tensors, training=training)
    result = result if isinstance(result, dict) else {"probabilities": result}
    return {name: keras.ops.convert_to_numpy(value) for name, value in result.items()}


def predict(model: keras.Model, data: dict) -> np.ndarray:
    """Returns the probabilities at inference."""
    return outputs(model, data)["probabilities"]


@contextlib.contextmanager
def restored(model: keras.Model):
    """Gives the variables their values back: weights, statistics, random states."""
    values = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    yield
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


def one_value() -> np.ndarray:
    """The moving mean of a batch norm that trained on masked frames of a single value."""
    layer = BatchNorm()
    frames = np.arange(10.0, dtype="float32").reshape(2, 5, 1)
    layer(frames, training=True, mask=frames[..., 0] < 7)
    return keras.ops.convert_to_numpy(layer.moving_mean)
