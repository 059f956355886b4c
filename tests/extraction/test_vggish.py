"""VGGish: its architecture, and its weights from the published kinds of files."""

import numpy as np
import pytest
import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.extraction import inception_graph, vggish

SMALL = {"channels": (2, 3, 4, 5), "hidden": 6, "size": 7}


def small(seed: int = 0):
    model = vggish.build(**SMALL)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(scale=0.3, size=w.shape) for w in model.get_weights()])
    return model


def slow_answer(variables: dict[str, np.ndarray], example: np.ndarray) -> np.ndarray:
    """The network on one example, from the variables of the checkpoint."""
    x = example[:, :, None]
    for names in (("conv1",), ("conv2",), ("conv3/conv3_1", "conv3/conv3_2"),
                  ("conv4/conv4_1", "conv4/conv4_2")):  # fmt: skip
        for name in names:
            kernel = variables[f"vggish/{name}/weights"]
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            total = sum(
                padded[i : i + x.shape[0], j : j + x.shape[1]] @ kernel[i, j]
                for i in range(3)
                for j in range(3)
            )
            x = np.maximum(total + variables[f"vggish/{name}/biases"], 0)
        height, width, depth = x.shape
        x = x.reshape(height // 2, 2, width // 2, 2, depth).max(axis=(1, 3))
    x = x.reshape(-1)
    for name in ("fc1/fc1_1", "fc1/fc1_2", "fc2"):
        x = x @ variables[f"vggish/{name}/weights"] + variables[f"vggish/{name}/biases"]
        x = np.maximum(x, 0) if name != "fc2" else x
    return x


def published_variables(model) -> dict[str, np.ndarray]:
    return {
        vggish.variable_name(layer.name, weight.name): np.asarray(weight)
        for layer in model.layers
        for weight in layer.weights
    }


def write_checkpoint(path, variables: dict[str, np.ndarray]) -> str:
    """A checkpoint in the format of the published one, which is a single file."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        stored = [
            tf.compat.v1.get_variable(name, initializer=value) for name, value in variables.items()
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(stored, write_version=tf.compat.v1.train.SaverDef.V1)
        return saver.save(session, str(path))


def test_answers_as_the_published_network_does():
    model = small()
    examples = np.random.default_rng(1).normal(size=(2, 96, 64)).astype(np.float32)
    answers = model.predict_on_batch(examples)
    for example, answer in zip(examples, answers, strict=True):
        expected = slow_answer(published_variables(model), example)
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)


def test_has_the_published_size():
    names = {
        "conv1", "conv2", "conv3/conv3_1", "conv3/conv3_2", "conv4/conv4_1", "conv4/conv4_2",
        "fc1/fc1_1", "fc1/fc1_2", "fc2",
    }  # fmt: skip
    found = published_variables(vggish.build(**SMALL))
    assert set(found) == {f"vggish/{name}/{w}" for name in names for w in ("weights", "biases")}
    with tf.Graph().as_default():
        assert vggish.build().count_params() == 72_141_184


@pytest.mark.parametrize("kind", ["checkpoint", "keras"])
def test_reads_weights(tmp_path, kind):
    source = small()
    if kind == "keras":
        path = str(tmp_path / "vggish.weights.h5")
        source.save_weights(path)
    else:
        path = write_checkpoint(tmp_path / "vggish_model.ckpt", published_variables(source))
    model = small(seed=1)
    vggish.fill(model, path)
    for mine, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_refuses_other_weights_and_sets_none(tmp_path):
    source = small()
    variables = published_variables(source)
    variables["vggish/fc2/biases"] = np.zeros(8, np.float32)
    model = small(seed=1)
    before = model.get_weights()
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    (tmp_path / "text.h5").write_text("no weights")
    for path, part in (
        (write_checkpoint(tmp_path / "a.ckpt", variables), "fc2/biases is [8], not [7]"),
        (write_checkpoint(tmp_path / "b.ckpt", {"conv1": np.zeros(2)}), "no weights of VGGish"),
        (str(tmp_path / "text.ckpt"), "no weights of VGGish"),
        (str(tmp_path / "text.h5"), "no weights of VGGish"),
        (str(tmp_path / "none.ckpt"), "There is no file"),
    ):
        with pytest.raises(UserError) as error:
            vggish.fill(model, path)
        assert part in str(error.value) and "vggish_model.ckpt" in str(error.value)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_projection_is_that_of_the_published_program(tmp_path):
    rng = np.random.default_rng(0)
    matrix, means = rng.normal(size=(128, 128)), rng.normal(size=(128, 1))
    path = str(tmp_path / "pca.npz")
    np.savez(path, pca_eigen_vectors=matrix, pca_means=means)
    embeddings = rng.normal(size=(3, 128))
    expected = np.dot(matrix, embeddings.T - means).T
    np.testing.assert_allclose(vggish.load_projection(path)(embeddings), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"pca_means": np.zeros(128)}, "pca_eigen_vectors"),
        ({"pca_eigen_vectors": np.eye(64), "pca_means": np.zeros(64)}, "Received: [64, 64]"),
        ({"pca_eigen_vectors": np.eye(128), "pca_means": np.full(128, np.nan)}, "not finite"),
        (None, "cannot be read"),
    ],
)
def test_refuses_another_projection(tmp_path, values, part):
    path = str(tmp_path / "pca.npz")
    if values:
        np.savez(path, **values)
    with pytest.raises(UserError) as error:
        vggish.load_projection(path)
    assert part in str(error.value) and path in str(error.value)


def write_graph(path, input_name: str = "ResizeBilinear") -> str:
    """A graph with the places of the published one: the mean of each colour, and its double."""
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3), name="image")
        resized = tf.identity(image, name=input_name)
        pooled = tf.reduce_mean(resized, axis=(1, 2), keepdims=True)
        tf.concat([pooled, 2 * pooled], axis=3, name="pool_3")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return str(path)


def test_the_published_graph_is_fed_and_read_at_its_places(tmp_path):
    vectors = inception_graph.load(write_graph(tmp_path / "a.pb"), size=6)
    images = np.random.default_rng(0).integers(0, 256, (5, 299, 299, 3)).astype(np.uint8)
    means = images.mean(axis=(1, 2))
    np.testing.assert_allclose(vectors(images), np.hstack([means, 2 * means]), rtol=1e-4)


def test_another_graph_is_refused(tmp_path):
    with pytest.raises(UserError, match="it has no ResizeBilinear:0"):
        inception_graph.load(write_graph(tmp_path / "a.pb", "other"))
    (tmp_path / "b.pb").write_text("no graph")
    for name in ("b.pb", "c.pb"):
        with pytest.raises(UserError, match=f"{name} cannot be read as a graph"):
            inception_graph.load(str(tmp_path / name))
