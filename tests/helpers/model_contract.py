"""Finds every model, and builds it small, for the contract tests. Any backend.

A file added to `video_models`, `frame_models` or `frame_models.pixels` is found here and needs no
other change: its positional parameters say which inputs it takes, its large integer hyperparameters
are shrunk, and the width of a network of clips is cut.
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
import frame_models.pixels
import video_models
from video_models.layers.batch_norm import BatchNorm

NUM_CLASSES = 7
SIZES = {"rgb": 16, "audio": 8}
TIME = 6
LARGEST = 16  # of an integer hyperparameter; a power of two, as most divisors are
SIDE = 42  # of a frame, in pixels
CHANNELS = {"pixels": 3, "flow": 4}
TIMES = (4, 10)  # A network of clips is built for the first of these that it takes.
SMALL_NETWORK = {"width": 1 / 16, "backbone": "karpathy"}


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with the hyperparameters it is tested with."""

    name: str
    build: types.FunctionType
    hyperparameters: dict = dataclasses.field(hash=False)

    def __str__(self):
        changed = ",".join(f"{key}={_text(v)}" for key, v in self.hyperparameters.items())
        return f"{self.name}({changed})"

    def changed(self, **hyperparameters) -> "Case":
        """The case with other hyperparameters."""
        return dataclasses.replace(self, hyperparameters=self.hyperparameters | hyperparameters)

    @property
    def inputs(self) -> list[str]:
        """Names of the positional parameters that are inputs."""
        return _inputs(self.build)

    @property
    def parameters(self) -> list[str]:
        """Names of all parameters."""
        return list(inspect.signature(self.build).parameters)

    @property
    def takes_frames(self) -> bool:
        """Whether it is a frame model."""
        return "frames" in self.inputs

    @property
    def clips(self) -> list[str]:
        """Names of the inputs that hold clips."""
        return [name for name in self.inputs if name in CHANNELS]

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

    def model(self, sizes=None, time=None, channels=None) -> keras.Model:
        """Builds a model from named inputs to what `build` returns.

        Args:
            sizes: of the features, for a model of vectors or frames.
            time: length of the clips; by default the first of `TIMES` that the model takes.
            channels: of each kind of clip.
        """
        if self.clips and time is None:
            return self._first_model(channels)
        inputs, arguments = {}, {}
        for name in self.inputs:
            arguments[name] = self._input(name, sizes or SIZES, time, channels or CHANNELS)
            inputs |= arguments[name] if name == "frames" else {name: arguments[name]}
        outputs = self.build(**arguments, num_classes=NUM_CLASSES, **self.hyperparameters)
        return keras.Model(inputs, outputs)

    def _input(self, name: str, sizes: dict, time: int | None, channels: dict):
        if name == "frames":
            return {key: keras.Input((None, size), name=key) for key, size in sizes.items()}
        if name == "mask":
            return keras.Input((time,), dtype="bool", name=name)
        if name == "features":
            return keras.Input((sum(sizes.values()),), name=name)
        if name in channels:
            return keras.Input((time, SIDE, SIDE, channels[name]), name=name)
        raise ValueError(f"No test input for a model's parameter. Received: {name!r}.")

    def _first_model(self, channels: dict | None) -> keras.Model:
        for time in TIMES:
            try:
                return self.model(time=time, channels=channels)
            except ValueError as error:
                refusal = error
        raise refusal

    def data(self, lengths=None, time=TIME, sizes=None, seed=0) -> dict:
        """Makes inputs: videos of these lengths, padded with zeros to `time` frames.

        By default there are four videos, or a full and a shorter clip.
        """
        if lengths is None:
            lengths = (time, time - 2) if self.clips else (6, 1, 3, 5)
        random = np.random.default_rng(seed)
        sizes = SIZES if sizes is None else sizes
        if "features" in self.inputs:
            return {"features": random.normal(size=(len(lengths), sum(sizes.values()))).astype("f")}
        mask = np.arange(time) < np.array(lengths)[:, None]
        if self.takes_frames:
            shapes, limit = {name: (size,) for name, size in sizes.items()}, 2
        else:
            shapes, limit = {name: (SIDE, SIDE, CHANNELS[name]) for name in self.clips}, 1
        frames = {
            name: random.uniform(-limit, limit, (*mask.shape, *shape)).astype("float32")
            for name, shape in shapes.items()
        }
        return masked(frames | {"mask": mask}, 0)

    def data_for(self, model: keras.Model, lengths=None) -> dict:
        """Makes inputs of the length that a model is built for, if it is built for one."""
        time = model.input["mask"].shape[1] if "mask" in self.inputs else None
        return self.data(lengths, time=time or TIME)


def masked(data: dict, padding: float) -> dict:
    """Data with a value in all of the padding."""
    if "mask" not in data:
        return data
    result = {"mask": data["mask"]}
    for name in [name for name in data if name != "mask"]:
        trailing = (1,) * (data[name].ndim - 2)
        inside = data["mask"].reshape(*data["mask"].shape, *trailing)
        result[name] = np.where(inside, data[name], padding).astype("float32")
    return result


def _inputs(build: types.FunctionType) -> list[str]:
    parameters = inspect.signature(build).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return [name for name in positional if name != "num_classes"]


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
    if set(_inputs(build)) & set(CHANNELS):  # Its sizes follow its width.
        models = {k: _shrink(v) for k, v in defaults.items() if inspect.isfunction(v)}
        small = {name: SMALL_NETWORK[name] for name in defaults if name in SMALL_NETWORK}
        return small | {k: v for k, v in models.items() if v != defaults[k]}
    small = {name: (_shrink(value), value) for name, value in defaults.items()}
    return {name: new for name, (new, value) in small.items() if new != value}


def modules() -> list[types.ModuleType]:
    """Imports every public module of the packages of models that is not itself a package."""
    found = []
    for package in (video_models, frame_models, frame_models.pixels):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if not info.ispkg and not info.name.rsplit(".", 1)[-1].startswith("_"):
                found.append(importlib.import_module(info.name))
    return found


def cases() -> list[Case]:
    """Returns every model as it is by default, but small."""
    return [Case(m.__name__, m.build, _small_defaults(m.build)) for m in modules()]


def variants() -> list[tuple[Case, str]]:
    """Returns every model once for each boolean hyperparameter, flipped, with its name."""
    return [
        (case.changed(**{parameter.name: not parameter.default}), parameter.name)
        for case in cases()
        for parameter in inspect.signature(case.build).parameters.values()
        if isinstance(parameter.default, bool)
    ]


def everything() -> list[Case]:
    """Returns all models, and all variants of those without clips, that can be built."""
    switched = [case for case, _ in variants() if not case.clips and case.can_be_built]
    return cases() + switched


def randomise(model: keras.Model, seed: int = 0, *, narrow: bool = False):
    """Moves every weight off its initial value, so that no term of the model is idle.

    Args:
        model: the model.
        seed: of the values.
        narrow: by so little that no softmax of a deep network saturates.
    """
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
            continue
        spread = 0.2
        if narrow:
            kernel = len(weight.shape) > 1
            spread = 0.3 / np.sqrt(np.prod(weight.shape[:-1])) if kernel else 0.1
        weight.assign(weight.numpy() + random.normal(0, spread, weight.shape))


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
