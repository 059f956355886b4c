"""Batches in, predictions out: what every job that uses a model shares."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import keras
import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data import first_records
from yt8m.data.diagnose import clear_errors
from yt8m.data.ids import shown
from yt8m.data.reader import Reader

Predictor = Callable[[dict[str, np.ndarray]], Any]


def predictor(model: keras.Model) -> Predictor:
    """A function from a batch to what the model answers: NumPy arrays with a row a video."""
    names = [tensor.name for tensor in model.inputs]
    predict = _tensorflow_predictor if keras.config.backend() == "tensorflow" else _jax_predictor
    function = predict(model)
    return lambda batch: function({name: batch[name] for name in names})


@functools.lru_cache(maxsize=1)
def _tensorflow_predictor(model: keras.Model) -> Predictor:
    """Traces once, for batches of any size and length."""
    specs = {t.name: tf.TensorSpec(t.shape, t.dtype, t.name) for t in model.inputs}
    function = tf.function(
        lambda inputs: model(inputs, training=False), autograph=False, input_signature=[specs]
    )
    return lambda inputs: tf.nest.map_structure(lambda t: t.numpy(), function(inputs))


def _jax_predictor(model: keras.Model) -> Predictor:
    """Fills the last, smaller batch up to the size of the first: JAX compiles for each shape."""
    largest = 0

    def predict(inputs: dict[str, np.ndarray]) -> Any:
        nonlocal largest
        rows = len(next(iter(inputs.values())))
        largest = max(largest, rows)
        filled = {name: _fill(values, largest) for name, values in inputs.items()}
        outputs = model.predict_on_batch(filled)
        return keras.tree.map_structure(lambda values: np.asarray(values)[:rows], outputs)

    return predict


def top_k_predictor(model: keras.Model, top_k: int) -> Predictor:
    """A function from a batch to the best classes of each video.

    It answers the scores (batch, k) and the class ids (batch, k), best first; k is `top_k`, or the
    number of classes where there are fewer.
    """
    best = keras.ops.top_k(model.output, min(top_k, model.output.shape[-1]))
    return predictor(keras.Model(model.input, list(best)))


def batches(reader: Reader, task: str) -> Iterator[dict[str, np.ndarray]]:
    """Every batch of the shards in order, as NumPy arrays.

    It shows progress, and at the end what was lost.

    Raises:
        UserError: the records do not fit, or nothing could be read.
    """
    with clear_errors(reader), ProgressReport(task, reader.estimate_num_examples()) as progress:
        for batch in reader.sequential().as_numpy_iterator():
            yield batch
            progress.advance(len(batch["ids"]))
    reader.log.finish()


NO_LABELS = (
    "The records in {} and the shards with it have no labels. Train and evaluate on labelled "
    "shards; use `yt8m inference` for others."
)


def check_labels(reader: Reader) -> None:
    """Fails before the work where the first records have no label at all, or do not fit.

    Raises:
        UserError: none of them has one, or what is wrong with one of them.
    """
    if first_records.are_labelled(reader) is False:
        raise UserError(NO_LABELS.format(reader.paths[0]))


def check_finite(scores: np.ndarray, batch: dict[str, np.ndarray], reader: Reader) -> None:
    """Fails where a score is NaN. Its record is not to blame: readers refuse what is not finite.

    Raises:
        UserError: a score is not finite.
    """
    wrong = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if not len(wrong):
        return
    _fail_not_finite(shown(batch["ids"][wrong[0]]))


def check_finite_of(video: str, scores: np.ndarray) -> None:
    """Fails where a score of a video is NaN, see `check_finite`.

    Raises:
        UserError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        _fail_not_finite(video)


def _fail_not_finite(video: str) -> NoReturn:
    raise UserError(
        f"The model answers NaN for the video {video!r}: its training diverged. Train again with "
        "a lower --base_learning_rate or with --clip_gradient_norm."
    )


def _fill(values: np.ndarray, rows: int) -> np.ndarray:
    """Repeats the last row until there are `rows`."""
    return np.concatenate([values, np.repeat(values[-1:], rows - len(values), axis=0)])
