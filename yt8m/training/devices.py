"""Where training runs: one device, the GPUs of this machine, or a TPU."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager

import keras
import tensorflow as tf
from absl import logging

from yt8m.base.errors import UserError, first_line

CHOICES = ("auto", "none", "mirrored", "tpu", "data_parallel")
HELP = (
    "none: one device. mirrored: all GPUs of this machine (TensorFlow). tpu: a TPU (TensorFlow). "
    "data_parallel: all devices (JAX). auto: all GPUs if there are several."
)
_BACKEND_OF = {"mirrored": "tensorflow", "tpu": "tensorflow", "data_parallel": "jax"}


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices to train on.

    Attributes:
        count: the number of devices over which a batch is split.
        scope: returns the context in which the model and the optimizer are to be made.
    """

    count: int = 1
    scope: Callable[[], AbstractContextManager] = contextlib.nullcontext


def set_up(choice: str) -> Devices:
    """Prepares the devices of `--distribute`.

    Raises:
        UserError: the choice does not go with the Keras backend, or there is no such device.
    """
    backend = keras.config.backend()
    if _BACKEND_OF.get(choice, backend) != backend:
        raise UserError(
            f"--distribute={choice} needs the {_BACKEND_OF[choice]} backend of Keras, and this is "
            f"{backend}. Set KERAS_BACKEND={_BACKEND_OF[choice]}, or choose another."
        )
    devices = _tensorflow(choice) if backend == "tensorflow" else _jax(choice)
    if devices.count > 1:
        logging.info("Training on %d devices.", devices.count)
    return devices


def check_batch_size(devices: Devices, batch_size: int) -> None:
    """Raises UserError where the batch cannot be split over the devices."""
    if batch_size % devices.count:
        raise UserError(
            f"--batch_size must be a multiple of the {devices.count} devices. "
            f"Received: {batch_size}."
        )


def _tensorflow(choice: str) -> Devices:
    if choice == "tpu":
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        except (ValueError, tf.errors.OpError) as error:
            reason = first_line(error)
            raise UserError(f"--distribute=tpu finds no TPU: {reason}") from None
        strategy = tf.distribute.TPUStrategy(resolver)
    elif choice == "mirrored" or (choice == "auto" and len(_gpus()) > 1):
        names = [device.name for device in tf.config.list_logical_devices("GPU")]
        names = names or [device.name for device in tf.config.list_logical_devices("CPU")]
        strategy = tf.distribute.MirroredStrategy(names)
    else:
        return Devices()
    return Devices(strategy.num_replicas_in_sync, strategy.scope)


def _gpus() -> list:
    return tf.config.list_physical_devices("GPU")


def _jax(choice: str) -> Devices:
    devices = keras.distribution.list_devices()
    if choice == "none" or (choice == "auto" and len(devices) == 1):
        return Devices()
    if choice == "auto" and devices[0].startswith("cpu"):
        return Devices()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    )
    return Devices(len(devices))
