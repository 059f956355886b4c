"""In bfloat16 and float16 the layers that models are made of answer what they do in float32.

TensorFlow's convolution of clips in bfloat16 gave NaN on some CPUs, see `Conv3D`.
"""

import json

import mixed_precision
import numpy as np
import pytest
from paths import HELPERS

# Roundings: sums of some hundred rounded products, and what is computed of them.
MOST = 64


def check(found: dict[str, float]) -> None:
    wrong = {name: value for name, value in found.items() if not value < MOST}
    assert not wrong
    assert len(found) == 2 * len(mixed_precision.cases(7))
    assert np.median(list(found.values())) > 0.5, "something is rounded"


@pytest.mark.parametrize("width", mixed_precision.WIDTHS)
def test_tensorflow(width):
    expected = mixed_precision.answers_and_gradients(width, "float32")
    check(mixed_precision.errors(width, expected))


def test_jax(jax_process, tmp_path):
    """Held against the float32 of TensorFlow."""
    expected = mixed_precision.answers_and_gradients(mixed_precision.WIDTHS[0], "float32")
    held = {f"{name}/{i}": x for name, parts in expected.items() for i, x in enumerate(parts)}
    held |= {f"{name}/count": np.array(len(parts)) for name, parts in expected.items()}
    np.savez(tmp_path / "float32.npz", **held)
    script = (HELPERS / "mixed_precision.py").read_text()
    found = json.loads(jax_process.run(script, tmp_path / "float32.npz"))
    assert found.pop("backend") == "jax"
    check(found)
