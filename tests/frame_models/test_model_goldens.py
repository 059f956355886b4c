"""Layers and models against the original programs, on TensorFlow and on JAX."""

import json

import golden_cases
import numpy as np
import pytest


def golden(name: str) -> dict[str, np.ndarray]:
    values = golden_cases.load(name)
    if values is None:
        pytest.skip(f"{name}.npz is too large for the repository and not beside it")
    return values


@pytest.mark.parametrize("name", golden_cases.NAMES)
def test_tensorflow_agrees_with_the_original(name):
    assert max(golden_cases.errors(name, golden(name)).values()) < 1e-5


def test_jax_agrees_with_the_original(jax_process):
    answer = json.loads(jax_process.run("import golden_cases; golden_cases.main()"))
    assert answer["backend"] == "jax"
    assert answer["errors"].keys() >= {"willow_model_lstm", "willow_pool_netvlad"}
    for name, errors in answer["errors"].items():
        assert max(errors.values()) < 1e-5, name


def test_a_wrong_weight_is_seen():
    values = golden("willow_pool_netvlad")
    values["w/cluster_weights2"] = values["w/cluster_weights2"] + 0.01
    assert min(golden_cases.errors("willow_pool_netvlad", values).values()) > 1e-4
