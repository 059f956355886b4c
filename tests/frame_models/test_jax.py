"""Every model answers on JAX what it answers on TensorFlow."""

import pathlib

import model_contract
import numpy as np
import pixel_contract
from paths import HELPERS


def answers(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Writes weights and inputs of all models to a file, and returns what they answer here."""
    given, here = {}, {"one_value": model_contract.one_value()}
    for contract, lengths, cases in (
        (model_contract, (6, 1, 0, 5), model_contract.everything()),
        (pixel_contract, (4, 2), pixel_contract.cases()),
    ):
        for case in cases:
            model = case.model()
            contract.randomise(model)
            time = model.input["mask"].shape[1] if contract is pixel_contract else 6
            data = case.data(lengths=lengths, time=time)
            given |= {f"{case}/in/{name}": x for name, x in data.items()}
            given |= {f"{case}/w/{i}": w.numpy() for i, w in enumerate(model.weights)}
            here[str(case)] = model_contract.predict(model, data)
    np.savez(folder / "given.npz", **given)
    return here


def test_jax_agrees(tmp_path, jax_process):
    here = answers(tmp_path)
    script = (HELPERS / "run_with_jax.py").read_text()
    jax_process.run(script, tmp_path / "given.npz", tmp_path / "results.npz")
    there = dict(np.load(tmp_path / "results.npz"))
    assert there.pop("backend") == "jax"
    assert here.keys() == there.keys()
    assert here["one_value"] != 0
    for name, expected in here.items():
        np.testing.assert_allclose(there[name], expected, atol=1e-5, err_msg=name)
