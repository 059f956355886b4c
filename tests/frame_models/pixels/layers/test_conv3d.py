"""The convolution over clips: that of Keras, and never in bfloat16 on a CPU."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from frame_models.pixels.layers.conv3d import Conv3D

CLIPS = np.random.default_rng(0).normal(size=(2, 4, 6, 6, 14)).astype("float32")
SETTINGS = {"filters": 18, "kernel_size": 3, "padding": "same", "data_format": "channels_last"}


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 0), ("mixed_float16", 5e-2), ("mixed_bfloat16", 5e-2)]
)
def test_it_is_the_convolution_of_keras_in_every_precision(policy, tolerance):
    keras.utils.set_random_seed(0)
    expected = keras.layers.Conv3D(**SETTINGS)
    expected.build(CLIPS.shape)
    ours = Conv3D(**SETTINGS, dtype=policy)
    ours = Conv3D.from_config(ours.get_config())
    ours.build(CLIPS.shape)
    ours.set_weights(expected.get_weights())
    answer = ours(CLIPS)
    assert keras.backend.standardize_dtype(answer.dtype) == ours.compute_dtype
    received = keras.ops.convert_to_numpy(keras.ops.cast(answer, "float32"))
    np.testing.assert_allclose(received, expected(CLIPS), atol=tolerance)


def types_of_convolutions(layer) -> set:
    """What the convolutions of a step of training compute in, forward and backward."""

    @tf.function
    def step(clips):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(clips), "float32"))
        return tape.gradient(loss, layer.trainable_weights)

    graph = step.get_concrete_function(tf.TensorSpec(CLIPS.shape)).graph
    operations = [op for op in graph.get_operations() if op.type.startswith("Conv3D")]
    assert {"Conv3D", "Conv3DBackpropFilterV2"} <= {op.type for op in operations}
    return {op.get_attr("T") for op in operations}


def test_bfloat16_never_reaches_a_convolution_on_a_cpu(monkeypatch):
    assert types_of_convolutions(Conv3D(**SETTINGS, dtype="mixed_bfloat16")) == {tf.float32}
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    assert types_of_convolutions(Conv3D(**SETTINGS, dtype="mixed_bfloat16")) == {tf.bfloat16}


def test_it_is_saved_and_loaded(tmp_path):
    inputs = keras.Input(CLIPS.shape[1:])
    model = keras.Model(inputs, Conv3D(**SETTINGS)(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.layers[1]) is Conv3D
    np.testing.assert_array_equal(again(CLIPS), model(CLIPS))
