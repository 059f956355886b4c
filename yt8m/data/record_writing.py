"""Writes records, in the layouts of YouTube-8M that the reader reads; and the names of shards.

`docs/features.md` describes both layouts to users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from yt8m.data.ids import as_bytes


def video_record(video_id: str, labels: Iterable[int], vectors: Mapping[str, np.ndarray]) -> bytes:
    """A video-level record: a tf.Example.

    Args:
        video_id: its id.
        labels: its class ids.
        vectors: name -> (size,) floats.
    """
    context = {"id": np.array([as_bytes(video_id)], object), "labels": _ids(labels)}
    example = tf.train.Example(features=_features(context | dict(vectors)))
    return example.SerializeToString(deterministic=True)


def frame_record(
    video_id: str,
    labels: Iterable[int],
    frames: Mapping[str, np.ndarray],
    context: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """A frame-level record: a tf.SequenceExample.

    Args:
        video_id: its id.
        labels: its class ids.
        frames: name -> (frames, size) uint8 or floats.
        context: name -> what else there is of the video: (size,) floats, integers, or uint8, which
            become one string of bytes.
    """
    known = {"id": np.array([as_bytes(video_id)], object), "labels": _ids(labels)}
    lists = {
        name: tf.train.FeatureList(feature=[_feature(row) for row in rows])
        for name, rows in frames.items()
    }
    return tf.train.SequenceExample(
        context=_features(known | dict(context or {})),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString(deterministic=True)


def shard_name(split: str, number: int, count: int) -> str:
    """The name of a shard without its ending.

    Example:
        >>> shard_name("train", 3, 10)
        'train-00003-of-00010'
    """
    return f"{split}-{number:05d}-of-{count:05d}"


def _ids(labels: Iterable[int]) -> np.ndarray:
    return np.array(list(labels), np.int64)


def _features(values: Mapping[str, np.ndarray]) -> tf.train.Features:
    return tf.train.Features(feature={name: _feature(value) for name, value in values.items()})


def _feature(values: np.ndarray) -> tf.train.Feature:
    """Values as a record holds them, by their type."""
    if values.dtype == object:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values.tolist()))
    if values.dtype == np.uint8:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[values.tobytes()]))
    if np.issubdtype(values.dtype, np.integer):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values.tolist()))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values.tolist()))
