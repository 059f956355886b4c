"""A SavedModel of another program that predicts videos, such as Google's baselines of 2018.

What its default signature takes and gives is told by the types and shapes of its tensors: records,
or joined frames and their number; the scores of all classes, or the best classes and their scores.
A SavedModel is a program of TensorFlow: load those alone whose source you trust.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import tensorflow as tf

from yt8m.base.errors import UserError, first_line
from yt8m.data.schema import FRAME, Schema
from yt8m.data.synthetic import dequantize

_SIGNATURE = "serving_default"
_CLASSES, _SCORES = "class_indexes", "predictions"
Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class SavedTeacher:
    """Answers the best classes of batches.

    Attributes:
        function: the signature.
        schema: of the records.
        records: the input that takes serialised records; empty where it takes frames.
        frames: the input that takes the joined frames; empty for records.
        num_frames: the input that takes their number; empty where there is none.
        top_k: how many classes to answer.
    """

    function: tf.types.experimental.ConcreteFunction
    schema: Schema
    records: str
    frames: str
    num_frames: str
    top_k: int

    def __call__(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """The classes and the scores of a batch, (batch, k) each, best first."""
        answer = self.function(**self._inputs(batch))
        scores = np.asarray(answer[_SCORES])
        if _CLASSES in answer:
            classes = np.asarray(answer[_CLASSES])
        else:
            classes = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]
            scores = np.take_along_axis(scores, classes, axis=1)
        return classes[:, : self.top_k].astype(np.int32), scores[:, : self.top_k]

    def _inputs(self, batch: Batch) -> dict[str, tf.Tensor]:
        if self.records:
            return {self.records: tf.constant(serialized(batch, self.schema))}
        spec = _specs(self.function)[self.frames]
        joined = np.concatenate(
            [_as(batch[name], spec.dtype) for name in self.schema.feature_names], axis=-1
        )
        # Padding is zeros, also where a byte of 0 stands for something else.
        there = np.arange(joined.shape[1]) < batch["num_frames"][:, None]
        joined = np.where(there[..., None], joined, 0)
        time = spec.shape[1]
        if time is not None:  # It was made for videos of this length.
            joined = joined[:, :time]
            joined = np.pad(joined, [(0, 0), (0, time - joined.shape[1]), (0, 0)])
        inputs = {self.frames: tf.constant(joined, spec.dtype)}
        if self.num_frames:
            counts = np.minimum(batch["num_frames"], joined.shape[1])
            dtype = _specs(self.function)[self.num_frames].dtype
            inputs[self.num_frames] = tf.cast(tf.constant(counts), dtype)
        return inputs


def load(path: str, schema: Schema, top_k: int) -> SavedTeacher:
    """Loads a SavedModel that predicts frame-level records.

    Args:
        path: its folder.
        schema: of the records.
        top_k: how many classes to answer.

    Raises:
        UserError: it cannot be loaded, or its signature is not understood; lists the signature.
    """
    if not os.path.isfile(os.path.join(path, "saved_model.pb")):
        raise UserError(f"{path} is no folder of a SavedModel: it has no saved_model.pb.")
    if schema.kind != FRAME:
        raise UserError(f"A SavedModel teaches frame-level records, and these are {schema}.")
    try:
        functions = dict(tf.saved_model.load(path).signatures)
    except Exception as error:  # noqa: BLE001  TensorFlow raises many kinds for damaged files.
        raise UserError(f"{path} cannot be loaded: {first_line(error).rstrip('.')}.") from None
    if _SIGNATURE in functions:
        function = functions[_SIGNATURE]
    elif len(functions) == 1:
        (function,) = functions.values()
    else:
        raise UserError(
            f"{path} must have one signature, or one called {_SIGNATURE}. Received: "
            f"{', '.join(sorted(functions)) or 'none'}."
        )
    specs = _specs(function)
    size = sum(feature.size for feature in schema.features)
    texts = [name for name, spec in specs.items() if spec.dtype == tf.string]
    frames = [name for name, spec in specs.items() if spec.shape.rank == 3]
    counts = [name for name, spec in specs.items() if spec.shape.rank == 1 and name not in texts]
    takes_records = len(texts) == len(specs) == 1
    takes_frames = (
        len(frames) == 1
        and len(counts) <= 1
        and len(frames) + len(counts) == len(specs)
        and specs[frames[0]].shape[2] in (None, size)
    )
    if not (takes_records or takes_frames) or _SCORES not in function.structured_outputs:
        raise UserError(
            f"The signature of {path} is not understood: {_shown(function)}. It must take "
            f"records (batch,) string, or frames (batch, time, {size}) and perhaps their number "
            f"(batch,); and give {_SCORES} (batch, classes), or {_CLASSES} besides."
        )
    return SavedTeacher(
        function,
        schema,
        texts[0] if takes_records else "",
        "" if takes_records else frames[0],
        "" if takes_records or not counts else counts[0],
        top_k,
    )


def serialized(batch: Batch, schema: Schema) -> list[bytes]:
    """The videos of a batch as tf.SequenceExamples, as YouTube-8M has them."""
    records = []
    for row, video_id in enumerate(batch["ids"]):
        example = tf.train.SequenceExample()
        example.context.feature["id"].bytes_list.value.append(video_id)
        for feature in schema.features:
            frames = batch[feature.name][row, : batch["num_frames"][row]]
            written = example.feature_lists.feature_list[feature.name].feature
            for frame in frames:
                if feature.dtype == "uint8":
                    written.add().bytes_list.value.append(frame.tobytes())
                else:
                    written.add().float_list.value.extend(frame.tolist())
        records.append(example.SerializeToString())
    return records


def _as(frames: np.ndarray, dtype: tf.DType) -> np.ndarray:
    """Frames as a signature takes them: bytes, or the floats that bytes stand for."""
    if dtype.is_floating and frames.dtype == np.uint8:
        return dequantize(frames)
    return frames


def _specs(function: tf.types.experimental.ConcreteFunction) -> dict[str, tf.TensorSpec]:
    return function.structured_input_signature[1]


def _shown(function: tf.types.experimental.ConcreteFunction) -> str:
    def listed(tensors: dict) -> str:
        return ", ".join(f"{n} {list(t.shape)} {t.dtype.name}" for n, t in sorted(tensors.items()))

    return f"{listed(_specs(function))} -> {listed(function.structured_outputs)}"
