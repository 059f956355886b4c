"""Makes shards in the exact YouTube-8M formats, of videos that reward learnable pooling.

A video is a sequence of shots. Each shot is about one of the video's labels, or about none
(background), and its frames lie around one of that label's cluster centres. A label has two
opposite centres and its shots use both, so most of what tells it cancels in the average of all
frames; a model that sees single frames, or clusters them, finds it. Label frequencies have a
long tail.

The job that writes them is `yt8m synthetic`.
"""

from __future__ import annotations

import dataclasses
import os
import runpy
import string
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from yt8m.base import files
from yt8m.data import record_writing

SEGMENT = "segment"
KINDS = ("video", "frame", SEGMENT)
_SEGMENT_SECONDS = 5
_SEGMENTS_RATED = 5


@dataclasses.dataclass(frozen=True)
class World:
    """What the videos of a data set have in common. Training and validation data share one.

    Attributes:
        num_classes: the size of the vocabulary.
        feature_sizes: the sizes of `rgb` and `audio`.
        min_frames, max_frames: the length of a video in frames (seconds).
        min_shot, max_shot: the length of a shot in frames.
        max_labels: the most labels a video has.
        tail: label c is drawn with a probability proportional to (c + 1) ** -tail.
        signal: the norm of a cluster centre.
        mean_signal: the part of the signal that both centres of a label share, which is what
            survives in an average over frames; 0 leaves nothing, 1 everything.
        noise: the standard deviation of each value of a frame around its centre.
        background: the share of shots that are about no label.
        topics: class c is of topic c % topics, and the labels of a video are of one topic. With
            one topic, labels have nothing to do with each other.
        lookalikes: how many classes in a row have the same centres. A frame does not tell which of
            them it is about; the other labels of the video do, where there are as many topics.
        seed: fixes the cluster centres.
    """

    num_classes: int = 50
    feature_sizes: tuple[int, int] = (1024, 128)
    min_frames: int = 20
    max_frames: int = 60
    min_shot: int = 3
    max_shot: int = 8
    max_labels: int = 4
    tail: float = 1.0
    signal: float = 6.0
    mean_signal: float = 0.3
    noise: float = 0.5
    background: float = 0.2
    topics: int = 1
    lookalikes: int = 1
    seed: int = 0

    def __post_init__(self):
        for name in ("topics", "lookalikes"):
            value = getattr(self, name)
            if not 1 <= value <= self.num_classes:
                raise ValueError(
                    f"{name} must be from 1 to the {self.num_classes} classes. "
                    f"Received: {name}={value}."
                )

    def centres(self) -> np.ndarray:
        """(num_classes + 1, 2, sum of sizes): two centres a class, the last row background."""
        rng = np.random.default_rng([self.seed, 0])
        size = sum(self.feature_sizes)
        own, shared = rng.normal(size=(2, self.num_classes + 1, 1, size)) / np.sqrt(size)
        alike = np.append(np.arange(self.num_classes) // self.lookalikes, self.num_classes)
        own, shared = own[alike], shared[alike]
        opposite = np.array([1.0, -1.0])[:, None] * np.sqrt(1 - self.mean_signal**2)
        return self.signal * (own * opposite + shared * self.mean_signal)

    def label_probabilities(self) -> np.ndarray:
        """(num_classes,): the long tail."""
        weights = np.arange(1, self.num_classes + 1.0) ** -self.tail
        return weights / weights.sum()


@dataclasses.dataclass(frozen=True)
class Video:
    """One synthetic video.

    Attributes:
        id: four letters and digits, as in YouTube-8M.
        labels: sorted class ids.
        frames: (num_frames, sum of sizes) float, about [-2, 2].
        shots: (num_frames,) the class each frame is about; num_classes where it is none.
    """

    id: str
    labels: np.ndarray
    frames: np.ndarray
    shots: np.ndarray


def videos(world: World, num_videos: int, seed: int, first_id: int = 0) -> Iterator[Video]:
    """Draws videos of a world; the same arguments draw the same ones."""
    rng = np.random.default_rng([world.seed, 1, seed])
    centres, probabilities = world.centres(), world.label_probabilities()
    for number in range(num_videos):
        drawn = _within_a_topic(world, rng, probabilities)
        count = rng.integers(1, min(world.max_labels, np.count_nonzero(drawn)) + 1)
        labels = rng.choice(world.num_classes, count, replace=False, p=drawn)
        shots, clusters = _shots(world, rng, labels)
        labels = np.unique(shots[shots < world.num_classes])
        noise = rng.normal(scale=world.noise, size=(len(shots), centres.shape[-1]))
        frames = centres[shots, clusters] + noise
        yield Video(_video_id(first_id + number), labels, frames, shots)


def _within_a_topic(
    world: World, rng: np.random.Generator, probabilities: np.ndarray
) -> np.ndarray:
    """The probabilities of the labels of one video, whose topic is drawn by them too."""
    if world.topics == 1:
        return probabilities
    topics = np.arange(world.num_classes) % world.topics
    topic = topics[rng.choice(world.num_classes, p=probabilities)]
    inside = np.where(topics == topic, probabilities, 0)
    return inside / inside.sum()


def _shots(
    world: World, rng: np.random.Generator, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which class, and which of its two clusters, each frame is about.

    Each label has a shot, as far as the video is long enough for that.
    """
    num_frames = rng.integers(world.min_frames, world.max_frames + 1)
    lengths = rng.integers(world.min_shot, world.max_shot + 1, size=num_frames)
    num_shots = np.searchsorted(np.cumsum(lengths), num_frames) + 1
    about = rng.choice(labels, num_shots)
    about[rng.random(num_shots) < world.background] = world.num_classes
    about[rng.permutation(num_shots)[: len(labels)]] = labels[:num_shots]
    # The shots of a label take its two clusters in turn, so that they cancel in the average.
    earlier = np.tril(about[:, None] == about, k=-1).sum(axis=1)
    cluster = (rng.integers(2, size=world.num_classes + 1)[about] + earlier) % 2
    shot_of_frame = np.repeat(np.arange(num_shots), lengths[:num_shots])[:num_frames]
    return about[shot_of_frame], cluster[shot_of_frame]


def quantize(values: np.ndarray) -> np.ndarray:
    """Values in [-2, 2] to uint8, as YouTube-8M's feature extractor does."""
    return np.round((np.clip(values, -2, 2) + 2) * (255 / 4)).astype(np.uint8)


def dequantize(values: np.ndarray) -> np.ndarray:
    """The inverse of `quantize`, with the half step that YouTube-8M's reader adds."""
    return values * np.float32(4 / 255) + np.float32(4 / 512 - 2)


def write_shards(
    output_dir: str,
    *,
    kind: str = "frame",
    num_videos: int = 1000,
    num_shards: int = 4,
    prefix: str = "train",
    seed: int = 0,
    first_id: int = 0,
    world: World | None = None,
) -> list[str]:
    """Writes shards of synthetic videos.

    Args:
        output_dir: made if it is not there.
        kind: `video` (tf.Example with mean_rgb, mean_audio), `frame` (tf.SequenceExample with
            rgb, audio) or `segment` (the latter with rated segments, as in 2019).
        num_videos: over all shards.
        num_shards: files, called PREFIX0000.tfrecord and so on.
        prefix: the beginning of the file names.
        seed: fixes the videos. Use another for validation data.
        first_id: the number of the first video; ids are that number in base 62.
        world: what the videos have in common.

    Returns:
        The paths of the shards.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}. Received: kind={kind!r}.")
    world = world or World()
    os.makedirs(output_dir, exist_ok=True)
    rng = np.random.default_rng([world.seed, 2, seed])
    paths = [os.path.join(output_dir, f"{prefix}{i:04d}.tfrecord") for i in range(num_shards)]
    sizes = [len(part) for part in np.array_split(np.arange(num_videos), num_shards)]
    source = videos(world, num_videos, seed, first_id)
    for path, size in zip(paths, sizes, strict=True):
        with files.atomic_path(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
            for _ in range(size):
                writer.write(_record(next(source), kind, world, rng))
    return paths


def _record(video: Video, kind: str, world: World, rng: np.random.Generator) -> bytes:
    quantized = np.split(quantize(video.frames), [world.feature_sizes[0]], axis=1)
    if kind == "video":
        rgb, audio = (dequantize(values).mean(axis=0) for values in quantized)
        vectors = {"mean_rgb": rgb, "mean_audio": audio}
        return record_writing.video_record(video.id, video.labels, vectors)
    context = _segments(video, world, rng) if kind == SEGMENT else {}
    frames = dict(zip(("rgb", "audio"), quantized, strict=True))
    return record_writing.frame_record(video.id, video.labels, frames, context)


def _segments(video: Video, world: World, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Ratings of one class in a few segments: 1 where most of the segment is about it."""
    starts = np.arange(0, len(video.shots) - _SEGMENT_SECONDS + 1, _SEGMENT_SECONDS)
    starts = rng.permutation(starts)[:_SEGMENTS_RATED]
    rated = rng.choice(video.labels, size=len(starts))
    windows = video.shots[starts[:, None] + np.arange(_SEGMENT_SECONDS)]
    scores = (windows == rated[:, None]).mean(axis=1) > 0.5
    return {
        "segment_labels": rated,
        "segment_start_times": starts,
        "segment_end_times": starts + _SEGMENT_SECONDS,
        "segment_scores": np.float32(scores),
    }


def _video_id(number: int) -> str:
    digits = string.digits + string.ascii_letters
    return "".join(digits[number // 62**place % 62] for place in (3, 2, 1, 0))


if __name__ == "__main__":
    # `python -m yt8m.data.synthetic` was the command before the job stood beside the others, and
    # stays one. The job imports this module, so this module cannot import the job.
    runpy.run_module("yt8m.synthetic", run_name="__main__", alter_sys=True)
