"""Runs every model on JAX where TensorFlow cannot be imported. A child process of a test.

Usage: run_with_jax.py INPUTS.npz OUTPUTS.npz. The inputs hold `<model>/in/<name>` and
`<model>/w/<index>`; the outputs `<model>`, its probabilities, and `one_value`.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"


class _NoTensorFlow:
    """An import hook that behaves as if TensorFlow were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _NoTensorFlow())

import keras  # noqa: E402
import model_contract  # noqa: E402
import numpy as np  # noqa: E402


def main():
    given = np.load(sys.argv[1])
    results = {"backend": keras.backend.backend(), "one_value": model_contract.one_value()}
    for case in model_contract.cases() + model_contract.variants():
        if not any(key.startswith(f"{case}/in/") for key in given):
            continue
        model = case.model()
        model.set_weights([given[f"{case}/w/{i}"] for i in range(len(model.weights))])
        data = {name: given[f"{case}/in/{name}"] for name in model.input}
        results[str(case)] = model_contract.predict(model, data)
    np.savez(sys.argv[2], **results)


main()
