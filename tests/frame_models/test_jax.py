"""Every model answers on JAX what it answers on TensorFlow, and shows the same inside."""

import pathlib

import model_contract
import numpy as np
from npz import arrays
from paths import HELPERS

from yt8m.modeling import intermediates


def answers(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Writes weights and inputs of all models to a file, and returns what they answer here."""
    given, here = {}, {"one_value": model_contract.one_value()}
    for case in model_contract.everything():
        model = case.model()
        model_contract.randomise(model, narrow=bool(case.clips))
        data = case.data_for(model, (4, 2) if case.clips else (6, 1, 0, 5))
        given |= {f"{case}/in/{name}": x for name, x in data.items()}
        given |= {f"{case}/w/{i}": w.numpy() for i, w in enumerate(model.weights)}
        here[str(case)] = model_contract.predict(model, data)
        if case.takes_frames and case in model_contract.cases():
            showing = intermediates.model_of(model, list(intermediates.names(model)))
            inside = model_contract.outputs(showing, data)
            here |= {f"{case}/shown/{name}": value for name, value in inside.items()}
    np.savez(folder / "given.npz", **given)
    return here


def test_jax_agrees(tmp_path, jax_process):
    here = answers(tmp_path)
    script = (HELPERS / "run_with_jax.py").read_text()
    jax_process.run(script, tmp_path / "given.npz", tmp_path / "results.npz")
    there = arrays(tmp_path / "results.npz")
    assert there.pop("backend") == "jax"
    assert here.keys() == there.keys()
    assert here["one_value"] != 0
    for name, expected in here.items():
        np.testing.assert_allclose(there[name], expected, atol=1e-5, err_msg=name)
