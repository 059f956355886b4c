"""Padded class ids to a matrix of zeros and ones: on the device, and on the host."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m.data.labels import multi_hot, multi_hot_array, rated, with_scores

NUM_CLASSES = 6
LABELS = {
    "padding": [[0, 5, -1], [3, -1, -1]],
    "none": [[-1, -1], [-1, -1]],
    "duplicates": [[2, 2, 2, 4], [0, 0, -1, -1]],
    "padding in front": [[-1, 1, 5]],
    "full": [[5, 4, 3, 2, 1, 0]],
    "no column": [[], []],
    "no row": np.zeros((0, 3)),
}


def naive(labels: np.ndarray) -> np.ndarray:
    """The definition."""
    return np.array([[c in row for c in range(NUM_CLASSES)] for row in labels.tolist()])


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_both_give_the_matrix(name, dtype):
    labels = np.asarray(LABELS[name], dtype)
    expected = naive(labels).reshape(len(labels), NUM_CLASSES)
    host = multi_hot_array(labels, NUM_CLASSES)
    assert host.dtype == bool
    np.testing.assert_array_equal(host, expected)
    device = keras.ops.convert_to_numpy(multi_hot(labels, NUM_CLASSES))
    assert device.dtype == np.float32
    np.testing.assert_array_equal(device, expected)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compiles with tf.function")
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("shape", [(None, None), (8, 5)], ids=["any shape", "one shape"])
def test_multi_hot_compiles_for_any_shape(shape, jit_compile):
    spec = tf.TensorSpec(shape, tf.int32)
    compiled = tf.function(
        lambda labels: multi_hot(labels, 50), input_signature=[spec], jit_compile=jit_compile
    )
    for seed in range(3):
        labels = np.random.default_rng(seed).integers(-1, 50, (8, 5)).astype(np.int32)
        labels[0] = labels[0, 0]
        expected = multi_hot_array(labels, 50)
        np.testing.assert_array_equal(compiled(labels).numpy(), expected)


def test_ratings_are_labels_and_what_is_known():
    ids = np.array([[3, 0, -1], [5, 5, 5], [-1, -1, -1]])
    scores = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], np.float32)
    present, known = map(keras.ops.convert_to_numpy, rated(ids, scores, NUM_CLASSES))
    np.testing.assert_array_equal(present, [[0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1], [0] * 6])
    np.testing.assert_array_equal(known, [[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1], [0] * 6])


def test_scores_go_to_their_classes():
    ids, scores = np.array([[3, 0], [5, -1]]), np.array([[0.5, 0.25], [0.75, 9]], np.float32)
    matrix = keras.ops.convert_to_numpy(with_scores(ids, scores, NUM_CLASSES))
    np.testing.assert_array_equal(matrix, [[0.25, 0, 0, 0.5, 0, 0], [0, 0, 0, 0, 0, 0.75]])
