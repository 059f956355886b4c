"""The network of YouTube-8M's own features: the Inception graph of 2015-12-05, as it was published.

http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz holds it as
`classify_image_graph_def.pb`; its PCA, http://data.yt8m.org/yt8m_pca.tgz, was made of its vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError

IMAGE_SIZE = 299
SIZE = 2048
# What the graph is fed with, behind its own resizing, and where its vectors are.
_INPUT = "ResizeBilinear:0"
_OUTPUT = "pool_3:0"


def load(path: str, size: int = SIZE) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the graph.

    Args:
        path: of the `.pb` file.
        size: values of its vectors.

    Returns:
        A function of (batch, 299, 299, 3) uint8 that returns (batch, size) float32.

    Raises:
        UserError: the file cannot be read, or holds another graph.
    """
    graph_def = tf.compat.v1.GraphDef()
    try:
        with open(path, "rb") as file:
            graph_def.ParseFromString(file.read())
    except Exception as error:  # noqa: BLE001  protobuf's DecodeError lives in no public module.
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise UserError(f"{path} cannot be read as a graph of TensorFlow: {reason}.") from None
    names = {f"{node.name}:0" for node in graph_def.node}
    if not {_INPUT, _OUTPUT} <= names:
        raise UserError(
            f"{path} is not classify_image_graph_def.pb, the Inception graph of 2015-12-05: it has "
            f"no {' or no '.join(sorted({_INPUT, _OUTPUT} - names))}."
        )
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.import_graph_def(graph_def, name=""), signature=[]
    )
    pruned = wrapped.prune(_INPUT, _OUTPUT)

    def vectors(images: np.ndarray) -> np.ndarray:
        answer = pruned(tf.constant(images.astype(np.float32)))
        return np.asarray(answer, np.float32).reshape(len(images), size)

    return vectors
