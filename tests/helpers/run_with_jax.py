"""Runs every model on JAX, compiled, where TensorFlow cannot be imported. A child of `test_jax`.

Usage: run_with_jax.py INPUTS.npz OUTPUTS.npz. The inputs hold `<model>/in/<name>` and
`<model>/w/<index>`; the outputs `<model>`, its probabilities, `<model>/shown/<name>`, the
intermediate values of frame models, and `one_value`.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # Compiles faster.


class _NoTensorFlow:
    """An import hook that behaves as if TensorFlow were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _NoTensorFlow())

import jax  # noqa: E402
import keras  # noqa: E402
import model_contract  # noqa: E402
import numpy as np  # noqa: E402

from yt8m.modeling import intermediates  # noqa: E402


def predict(case, weights: list, data: dict) -> dict[str, np.ndarray]:
    """Builds a model without initial values, of which each shape would be compiled."""
    with keras.StatelessScope(initialize_variables=False):
        model = case.model()
        answer = model.output["probabilities"] if isinstance(model.output, dict) else model.output
        shown = {str(case): answer}
        if case.takes_frames and case in model_contract.cases():
            inside = intermediates.names(model)
            shown |= {f"{case}/shown/{name}": tensor for name, tensor in inside.items()}
        showing = keras.Model(model.input, shown)
    keras.utils.clear_session(free_memory=False)  # Forgets that variables wait for a value.
    values = {weight.path: value for weight, value in zip(model.weights, weights, strict=True)}
    state = [
        [values.get(v.path, np.zeros(v.shape, v.dtype)) for v in variables]
        for variables in (showing.trainable_variables, showing.non_trainable_variables)
    ]
    outputs, _ = jax.jit(showing.stateless_call)(*state, data)
    return outputs


def main():
    given = np.load(sys.argv[1])
    results = {"backend": keras.backend.backend(), "one_value": model_contract.one_value()}
    for case in model_contract.everything():
        names = [name for name in given if name.startswith(f"{case}/")]
        if not names:
            continue
        data = {n.rpartition("/")[2]: given[n] for n in names if "/in/" in n}
        weights = [given[f"{case}/w/{i}"] for i in range(len(names) - len(data))]
        results |= predict(case, weights, data)
    np.savez(sys.argv[2], **results)


main()
