"""The layers between a record and a model."""

import keras
import numpy as np
import pytest

from yt8m.modeling.preprocessing import Dequantize, FrameMask, JointL2Normalize

FEATURES = [np.random.default_rng(i).normal(size=(2, 5, size)) for i, size in enumerate((8, 3))]


def run(layer: keras.layers.Layer, inputs):
    """What a layer gives, in NumPy."""
    return keras.tree.map_structure(keras.ops.convert_to_numpy, layer(inputs))


def test_dequantize_gives_the_exact_values():
    values = run(Dequantize(), np.array([[0, 128, 255]], np.uint8))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[0, [0, 2]], [-1.9921875, 2.0078125])
    every = np.arange(256, dtype=np.uint8)
    exact = every.astype(np.float64) * (4 / 255) + 4 / 512 - 2
    np.testing.assert_allclose(run(Dequantize(), every[None])[0], exact, rtol=0, atol=3e-7)


def test_dequantize_to_another_range():
    values = run(Dequantize(min_value=0.0, max_value=1.0), np.array([[0, 255]], np.uint8))
    np.testing.assert_allclose(values, [[1 / 512, 1 + 1 / 512]], rtol=1e-6)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, -2.0)])
def test_dequantize_refuses_an_empty_range(bounds):
    with pytest.raises(ValueError, match="min_value must be below max_value. Received"):
        Dequantize(*bounds)


def test_joint_norm_is_that_of_the_joined_vector():
    values = [feature.astype(np.float32) for feature in FEATURES]
    joined = np.concatenate(FEATURES, axis=-1)
    expected = joined / np.linalg.norm(joined, axis=-1, keepdims=True)
    result = run(JointL2Normalize(), values)
    assert [x.shape for x in result] == [(2, 5, 8), (2, 5, 3)]
    np.testing.assert_allclose(np.concatenate(result, axis=-1), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_joint_norm_of_vectors_of_videos(count):
    values = [np.full((2, 4), 3.0, np.float32)] * count
    norm = sum(np.square(x).sum(axis=-1) for x in run(JointL2Normalize(), values))
    np.testing.assert_allclose(norm, 1, rtol=1e-6)


def test_joint_norm_keeps_zeros_and_spares_tiny_vectors():
    zeros, tiny = np.zeros((1, 4), np.float32), np.full((1, 4), 1e-8, np.float32)
    for feature in run(JointL2Normalize(), [zeros, zeros]):
        np.testing.assert_array_equal(feature, 0)
    # Below epsilon (1e-12 on the sum of squares) a vector is divided by 1e-6.
    np.testing.assert_allclose(run(JointL2Normalize(), [tiny, zeros])[0], 1e-2, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_the_mask_tells_frames_from_padding(dtype):
    frames = np.zeros((4, 3, 2), np.uint8)
    mask = run(FrameMask(), [frames, np.array([0, 1, 3, 5], dtype)])
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, [[0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]])


@pytest.mark.parametrize(
    ("layer", "inputs", "config"),
    [
        (
            Dequantize(-1.0, 3.0, name="d"),
            np.arange(8, dtype=np.uint8).reshape(2, 4),
            {"min_value": -1.0, "max_value": 3.0, "name": "d"},
        ),
        (JointL2Normalize(epsilon=0.5), FEATURES, {"epsilon": 0.5}),
        (FrameMask(), [np.zeros((2, 3, 4), np.uint8), np.array([1, 3], np.int32)], {}),
    ],
    ids=["dequantize", "normalize", "mask"],
)
def test_config_round_trip(layer, inputs, config):
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert config.items() <= copy.get_config().items()
    keras.tree.map_structure(np.testing.assert_array_equal, run(copy, inputs), run(layer, inputs))


def test_symbolic_shapes_and_types():
    rgb = keras.Input((None, 6), dtype="uint8")
    audio = keras.Input((None, 2), dtype="uint8")
    values = [Dequantize()(rgb), Dequantize()(audio)]
    normalized = JointL2Normalize()(values)
    mask = FrameMask()([rgb, keras.Input((), dtype="int32")])
    assert [(x.shape, x.dtype) for x in (*values, *normalized)] == [
        ((None, None, size), "float32") for size in (6, 2, 6, 2)
    ]
    assert (mask.shape, mask.dtype) == ((None, None), "bool")


def test_values_stay_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layers = Dequantize(), JointL2Normalize()
    finally:
        keras.config.set_dtype_policy("float32")
    values = run(layers[0], np.array([[0, 200, 255]], np.uint8))
    np.testing.assert_array_equal(values, run(Dequantize(), np.array([[0, 200, 255]], np.uint8)))
    (normalized,) = run(layers[1], [values])
    np.testing.assert_array_equal(normalized, run(JointL2Normalize(), [values])[0])
