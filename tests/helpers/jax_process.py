"""A process on JAX that is shared by the tests of a worker.

To start it takes longer than most of what it is asked to do.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import subprocess
import sys
import traceback

from paths import HELPERS, ROOT


class JaxProcess:
    """Runs scripts one after the other. Starts with the first; a context manager that ends it.

    Args:
        tensorflow: whether TensorFlow can be imported there, as jobs do to read their data.
    """

    def __init__(self, tensorflow: bool = False) -> None:
        self._tensorflow = tensorflow
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> JaxProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def run(self, script: str, *arguments: object) -> str:
        """Runs a script as `python -c` would, and returns what it printed.

        Raises:
            AssertionError: with the traceback, where it fails.
        """
        if self._process is None:
            self._process = self._start()
        json.dump([script, *map(str, arguments)], self._process.stdin)
        print(file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"The process on JAX ended with {self._process.wait()}."
        printed, error = json.loads(answer)
        assert not error, error
        return printed

    def run_job(self, command: list[str]) -> subprocess.CompletedProcess:
        """Runs a job to its end, see `job_in_process.run`."""
        return subprocess.CompletedProcess(
            command, *json.loads(self.run(_JOB, os.getcwd(), *command))
        )

    def _start(self) -> subprocess.Popen:
        variables = {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # Two devices, of which a job takes the first where it is not told otherwise.
            "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, HELPERS))),
        }
        return subprocess.Popen(
            [sys.executable, __file__, *(["tensorflow"] if self._tensorflow else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )


_JOB = """
import json, os, sys
import job_in_process

os.chdir(sys.argv[1])
result = job_in_process.run(sys.argv[2:])
print(json.dumps([result.returncode, result.stdout, result.stderr]))
"""


class _NoTensorFlow:
    """An import hook that behaves as if TensorFlow were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main() -> None:
    """Answers each line of the input, a script and its arguments, with what it did."""
    if sys.argv[1:] != ["tensorflow"]:
        sys.meta_path.insert(0, _NoTensorFlow())
    import keras

    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        script, *arguments = json.loads(line)
        sys.argv = ["-c", *arguments]
        keras.utils.clear_session()
        printed, error = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(script, {"__name__": "__main__"})
        except BaseException:  # noqa: BLE001 - the test shows it.
            error = traceback.format_exc()
        print(json.dumps([printed.getvalue(), error]), file=answers, flush=True)


if __name__ == "__main__":
    main()
