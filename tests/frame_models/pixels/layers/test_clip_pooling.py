"""Pools of clips: those of Keras, and in float16 the same numbers."""

import keras
import numpy as np
import pytest

from frame_models.pixels.layers.clip_pooling import ClipAveragePooling, ClipMaxPooling

CLIPS = np.random.default_rng(0).normal(size=(2, 4, 6, 6, 3)).astype("float32")
POOLS = [
    (ClipMaxPooling, keras.layers.MaxPooling3D),
    (ClipAveragePooling, keras.layers.AveragePooling3D),
]


@pytest.mark.parametrize(("ours", "of_keras"), POOLS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pools_are_those_of_keras_in_every_precision(ours, of_keras, padding):
    settings = {"pool_size": (2, 3, 3), "strides": 2, "padding": padding}
    expected = of_keras(data_format="channels_last", **settings)(CLIPS)
    for policy, tolerance in (("float32", 0), ("mixed_float16", 2e-3), ("mixed_bfloat16", 2e-2)):
        pool = ours(data_format="channels_last", dtype=policy, **settings)
        pool = ours.from_config(pool.get_config())
        answer = pool(CLIPS)
        assert keras.backend.standardize_dtype(answer.dtype) == pool.compute_dtype
        received = keras.ops.convert_to_numpy(keras.ops.cast(answer, "float32"))
        np.testing.assert_allclose(received, expected, atol=tolerance)
