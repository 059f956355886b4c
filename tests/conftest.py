"""What tests of several folders ask for: the goldens, and processes that are shared."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from jax_process import JaxProcess
from paths import find_golden

from tools import warm_process

# XLA, of TensorFlow and of JAX, compiles faster so, here and in child processes.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_finish() -> None:
    """Spares Python's collector what was imported: to walk it takes a tenth of the tests' time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def warm_processes() -> Iterator[None]:
    """Ends the server that `job_runner.run_process` starts."""
    with warm_process.SERVER:
        yield


@pytest.fixture(scope="session")
def jax_process() -> Iterator[JaxProcess]:
    """A process on JAX without TensorFlow that runs scripts, see `JaxProcess.run`."""
    pytest.importorskip("jax")
    with JaxProcess() as process:
        yield process


@pytest.fixture(scope="session")
def jax_jobs() -> Iterator[JaxProcess]:
    """A process that runs jobs on JAX, see `JaxProcess.run_job`."""
    pytest.importorskip("jax")
    with JaxProcess(tensorflow=True) as process:
        yield process


def _find(name: str) -> Path:
    path = find_golden(name)
    if path is None:
        pytest.skip(f"{name} is too large for the repository and not beside it")
    return path


@pytest.fixture(scope="session")
def golden_shard() -> Callable[[str], str]:
    """Returns a function that finds a golden shard by name, or skips where it is not at hand."""
    return lambda name: str(_find(f"{name}.tfrecord"))


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Returns a function that loads a golden by name, or skips where it is not at hand."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(_find(f"{name}.npz")) as arrays:
            return dict(arrays)

    return load
