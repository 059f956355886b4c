"""Answers records with SavedModels and TensorFlow alone: nothing of this project is there.

    python -I serve_alone.py EXPORT SHARDS OUTPUT [EXPORT SHARDS OUTPUT ...]

It takes the labels out of the records, asks about all of them together and then about each alone,
and writes what is answered to an .npz file.
"""

import sys

import numpy as np
import tensorflow as tf

NOT_THERE = ("yt8m", "frame_models", "video_models", "tools")


class Blocked:
    """Finds no module of a package that must not be needed."""

    def find_spec(self, name, path=None, target=None):
        """Raises for those packages, and knows no other."""
        if name.split(".")[0] in NOT_THERE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def without_labels(record: bytes) -> bytes:
    """A tf.Example reads as the context of a tf.SequenceExample, and is written as one."""
    example = tf.train.SequenceExample.FromString(record)
    del example.context.feature["labels"]
    return example.SerializeToString()


def ask(export: str, shards: str, output: str) -> None:
    """Asks and writes."""
    files = sorted(tf.io.gfile.glob(shards))
    records = [without_labels(r) for r in tf.data.TFRecordDataset(files).as_numpy_iterator()]
    signatures = tf.saved_model.load(export).signatures
    together = signatures["serving_default"](serialized=tf.constant(records))
    alone = [signatures["serialized"](serialized=tf.constant([record])) for record in records]
    assert not {name.split(".")[0] for name in sys.modules} & set(NOT_THERE)
    answers = {f"together_{name}": values.numpy() for name, values in together.items()}
    for name in together:
        answers[f"alone_{name}"] = np.concatenate([answer[name].numpy() for answer in alone])
    np.savez(output, **{name: values.astype(_plain(values)) for name, values in answers.items()})


def _plain(values: np.ndarray) -> np.dtype | str:
    return "S" if values.dtype == object else values.dtype


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocked())
    for first in range(1, len(sys.argv), 3):
        ask(*sys.argv[first : first + 3])
