"""Writes the records and shards that the tests read, and finds records in a file by itself."""

import pathlib
import struct

import numpy as np
import tensorflow as tf

from yt8m.data.reader import Reader
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema

HEADER = 12
FOOTER = 4

RGB = Feature("rgb", 4, "uint8", "rgb")
AUDIO = Feature("audio", 2, "uint8", "audio")
FRAME_SCHEMA = Schema(FRAME, (RGB, AUDIO))
VIDEO_SCHEMA = Schema(
    VIDEO,
    (
        Feature("mean_rgb", 3, "float32", "mean_rgb"),
        Feature("mean_audio", 2, "float32", "mean_audio"),
    ),
)
NUM_CLASSES = 10


def feature(values) -> tf.train.Feature:
    """Bytes, ints or floats, by the type of the first value; no values are no ints."""
    values = list(values)
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if not values or isinstance(values[0], (int, np.integer)):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _context(values: dict) -> tf.train.Features:
    return tf.train.Features(feature={key: feature(value) for key, value in values.items()})


def example(**context) -> bytes:
    """A tf.Example of lists of values."""
    return tf.train.Example(features=_context(context)).SerializeToString()


def sequence(lists: dict, **context) -> bytes:
    """A tf.SequenceExample; each frame of a list is one byte string or some floats."""
    feature_lists = {
        key: tf.train.FeatureList(
            feature=[feature([frame] if isinstance(frame, bytes) else frame) for frame in frames]
        )
        for key, frames in lists.items()
    }
    return tf.train.SequenceExample(
        context=_context(context), feature_lists=tf.train.FeatureLists(feature_list=feature_lists)
    ).SerializeToString()


def video(name: str, labels=(1,), value: float = 0.5) -> bytes:
    """A record of `VIDEO_SCHEMA`."""
    return example(
        id=[name.encode()], labels=list(labels), mean_rgb=[value] * 3, mean_audio=[-value] * 2
    )


def frames(name: str, num_frames: int = 3, labels=(1,), **context) -> bytes:
    """A record of `FRAME_SCHEMA`: each byte of frame t is t + 1 (rgb) or 101 + t (audio)."""
    lists = {
        "rgb": [bytes([(t + 1) % 256]) * 4 for t in range(num_frames)],
        "audio": [bytes([(t + 101) % 256]) * 2 for t in range(num_frames)],
    }
    return sequence(lists, id=[name.encode()], labels=list(labels), **context)


def write(path: pathlib.Path, records: list[bytes]) -> str:
    """Writes a shard and returns its path."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def write_video_shards(folder: pathlib.Path, sizes: list[int]) -> list[str]:
    """Shards of video-level records with ids `shard-record`, such as `0-12`."""
    return [
        write(folder / f"{s}.tfrecord", [video(f"{s}-{r}", [r % 10]) for r in range(size)])
        for s, size in enumerate(sizes)
    ]


def record_starts(data: bytes) -> list[int]:
    """The offset of each record of an undamaged shard, and the end of the last one."""
    starts = [0]
    while starts[-1] < len(data):
        (length,) = struct.unpack_from("<Q", data, starts[-1])
        starts.append(starts[-1] + HEADER + length + FOOTER)
    assert starts[-1] == len(data)
    return starts


def flip(path: str, *offsets: int) -> None:
    """Damages one bit of the bytes of a file at `offsets`."""
    data = bytearray(pathlib.Path(path).read_bytes())
    for offset in offsets:
        data[offset] ^= 0x10
    pathlib.Path(path).write_bytes(bytes(data))


def starts_of(path: str) -> list[int]:
    """`record_starts` of a file."""
    return record_starts(pathlib.Path(path).read_bytes())


def make_reader(
    paths: list[str], schema: Schema = VIDEO_SCHEMA, kind: type[Reader] = Reader, **settings
) -> Reader:
    """A reader with the settings that most tests share."""
    return kind(
        **({"num_classes": NUM_CLASSES, "batch_size": 4} | settings), paths=paths, schema=schema
    )


def batches(dataset: tf.data.Dataset) -> list[dict[str, np.ndarray]]:
    """All batches of a dataset."""
    return list(dataset.as_numpy_iterator())


def ids(dataset: tf.data.Dataset) -> list[str]:
    """The ids of all rows of a dataset."""
    return [name.decode() for batch in dataset.as_numpy_iterator() for name in batch["ids"]]
