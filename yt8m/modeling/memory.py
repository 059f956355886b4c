"""How much memory weights and clips take, asked before they take it. Needs no TensorFlow.

A size in a spec with a few zeros too many asks for more memory than there is. Some systems then end
the process without a word, others grant it and become so slow that nothing works any more.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator

import keras

from yt8m.base.errors import UserError

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def of_machine() -> float:
    """The bytes of memory that this process may have; infinity where the system does not tell."""
    known = {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(getattr(os, "sysconf_names", {}))
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if known else []
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            limits.append(int(file.read()))  # It holds a word where there is no limit.
    return min(limits, default=math.inf)


@contextlib.contextmanager
def weights_checked() -> Iterator[None]:
    """Inside, a layer whose weights would not fit into half of the memory makes none.

    The other half is for what they are made of, and written from.

    Raises:
        UserError: the weights made so far and the next would not fit.
    """
    account = _Account(of_machine() / 2)

    def add_weight(original: Callable, layer: keras.layers.Layer, shape=None, *args, **settings):
        sizes = (shape,) if isinstance(shape, int) else tuple(shape or ())
        dtype = settings.get("dtype") or layer.variable_dtype
        name = f"{settings.get('name') or 'a weight'} of the layer {layer.name} {sizes}"
        account.add(math.prod(map(int, sizes)) * _item_bytes(dtype))
        if account.is_overdrawn():
            raise UserError(
                f"The model is too large: with {name} its weights take {account.taken}, and this "
                f"machine has {in_words(2 * account.limit)} of memory, half of which may be "
                "weights. Choose smaller sizes in --model, or fewer classes."
            )
        return original(layer, shape, *args, **settings)

    with wrapped(keras.layers.Layer, "add_weight", add_weight):
        yield


@contextlib.contextmanager
def training_checked(model: keras.Model) -> Iterator[None]:
    """Inside, an optimizer whose variables would not fit into memory beside the model makes none.

    Where the model is on another device, the memory of the machine tells nothing, and it may.

    Args:
        model: what is trained; its gradients are counted, too.

    Raises:
        UserError: weights, gradients and the variables of the optimizer would not fit.
    """
    on_cpu = all(device.startswith("cpu") for device in keras.distribution.list_devices())
    account = _Account(of_machine() if on_cpu else math.inf)
    account.add(2 * sum(_variable_bytes(v) for v in model.trainable_variables))

    def add_variable(original: Callable, optimizer, reference_variable, *args, **settings):
        account.add(_variable_bytes(reference_variable))
        if account.is_overdrawn():
            raise UserError(
                f"{model.count_params():,} parameters are too many to train here: with their "
                f"gradients and what the optimizer keeps of them they take {account.taken} or "
                f"more, and this machine has {in_words(account.limit)} of memory. Choose smaller "
                "sizes in --model, or an optimizer that keeps less, such as sgd."
            )
        return original(optimizer, reference_variable, *args, **settings)

    with wrapped(keras.optimizers.Optimizer, "add_variable_from_reference", add_variable):
        yield


def check_clip(shape: tuple[int, int, int, int]) -> None:
    """Fails where a single clip does not fit into half of the memory.

    Args:
        shape: (frames, height, width, channels) of its bytes.

    Raises:
        UserError: as above.
    """
    taken = math.prod(shape)
    if taken > of_machine() / 2:
        raise UserError(
            f"One clip is too large: {' x '.join(map(str, shape))} (frames, height, width and "
            f"channels) takes {in_words(taken)}, and this machine has {in_words(of_machine())} of "
            "memory. Choose fewer or smaller frames in --clips."
        )


class _Account:
    """Bytes that are about to be taken.

    Attributes:
        limit: how many there are.
    """

    def __init__(self, limit: float):
        self.limit = limit
        self._taken = 0

    def add(self, count: int) -> None:
        """Takes so many."""
        self._taken += count

    def is_overdrawn(self) -> bool:
        """Whether more are taken than there are."""
        return self._taken > self.limit

    @property
    def taken(self) -> str:
        """How many are taken, in words."""
        return in_words(self._taken)


@contextlib.contextmanager
def wrapped(cls: type, name: str, around: Callable) -> Iterator[None]:
    """Inside, a method of a class is called as `around(method, self, ...)`."""
    own = cls.__dict__.get(name)
    original = getattr(cls, name)
    wrapper = functools.wraps(original)(
        lambda *args, **settings: around(original, *args, **settings)
    )
    setattr(cls, name, wrapper)
    try:
        yield
    finally:
        if own is None:
            delattr(cls, name)
        else:
            setattr(cls, name, own)


def in_words(count: float) -> str:
    """A number of bytes, as people say it.

    Example:
        >>> in_words(15_000_000_000), in_words(4.6e12), in_words(2_345_000)
        ('15 GB', '4,600 GB', '0.0023 GB')
    """
    gigabytes = count / 1e9
    return f"{gigabytes:,.0f} GB" if gigabytes >= 10 else f"{gigabytes:.2g} GB"


def _variable_bytes(variable: keras.Variable) -> int:
    return math.prod(variable.shape) * _item_bytes(variable.dtype)


def _item_bytes(dtype: str) -> int:
    """Bytes of a number: `float32` has 4."""
    return max(1, int("".join(filter(str.isdigit, str(dtype))) or 32) // 8)
