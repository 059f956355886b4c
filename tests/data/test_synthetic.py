"""Synthetic shards are exact YouTube-8M records of videos that reward learnable pooling."""

import dataclasses
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from job_runner import check, run_process
from shard_files import batches, ids

from yt8m.data import synthetic
from yt8m.data.detect import detect
from yt8m.data.reader import Reader
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.data.segment_reader import SegmentReader

SMALL = synthetic.World(num_classes=12, feature_sizes=(48, 16))
LISTS = {"rgb": 1024, "audio": 128}
SCHEMAS = {
    "video": Schema(
        VIDEO,
        (
            Feature("mean_rgb", 1024, "float32", "mean_rgb"),
            Feature("mean_audio", 128, "float32", "mean_audio"),
        ),
    ),
    "frame": Schema(FRAME, tuple(Feature(k, n, "uint8", k) for k, n in LISTS.items())),
}
SCHEMAS["segment"] = Schema(FRAME, SCHEMAS["frame"].features, segments=True)
SEGMENT_KEYS = {
    "segment_labels": "int64_list",
    "segment_start_times": "int64_list",
    "segment_end_times": "int64_list",
    "segment_scores": "float_list",
}
KEYS = {"id": "bytes_list", "labels": "int64_list"}
CONTEXT = {
    "video": KEYS | {"mean_rgb": "float_list", "mean_audio": "float_list"},
    "frame": KEYS,
    "segment": KEYS | SEGMENT_KEYS,
}


def draw(world: synthetic.World, count: int, seed: int = 0) -> list[synthetic.Video]:
    """Videos of a world."""
    return list(synthetic.videos(world, count, seed))


def runs(shots: np.ndarray) -> list[int]:
    """The lengths of runs of one value."""
    borders = np.flatnonzero(np.diff(shots)) + 1
    return [len(run) for run in np.split(shots, borders)]


@pytest.mark.parametrize("kind", synthetic.KINDS)
def test_keys_and_types_are_those_of_youtube_8m(kind, tmp_path):
    paths = synthetic.write_shards(str(tmp_path), kind=kind, num_videos=3, num_shards=2)
    assert detect(paths) == SCHEMAS[kind]
    record = next(tf.data.TFRecordDataset(paths).as_numpy_iterator())
    parsed = tf.train.SequenceExample.FromString(record)
    context = parsed.context.feature
    assert {key: value.WhichOneof("kind") for key, value in context.items()} == CONTEXT[kind]
    lists = parsed.feature_lists.feature_list
    assert set(lists) == (set() if kind == "video" else set(LISTS))
    for key, frames in lists.items():
        assert {len(frame.bytes_list.value[0]) for frame in frames.feature} == {LISTS[key]}
        assert {len(frame.bytes_list.value) for frame in frames.feature} == {1}


def test_an_unknown_kind(tmp_path):
    with pytest.raises(ValueError, match="Received: kind='frames'"):
        synthetic.write_shards(str(tmp_path), kind="frames")


@pytest.mark.parametrize("kind", synthetic.KINDS)
def test_the_same_arguments_give_the_same_bytes(kind, tmp_path):
    def write(folder, **changes):
        settings = {"kind": kind, "num_videos": 5, "num_shards": 2, "world": SMALL} | changes
        paths = synthetic.write_shards(str(tmp_path / folder), **settings)
        return b"".join(pathlib.Path(path).read_bytes() for path in paths)

    assert write("a") == write("b") == write("c", num_shards=1)
    assert write("a") != write("d", seed=1)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "train0000.tfrecord",
        "train0001.tfrecord",
    }


def test_video_level_means_are_those_of_the_frames(tmp_path):
    def read(kind):
        paths = synthetic.write_shards(
            str(tmp_path / kind), kind=kind, num_videos=4, num_shards=1, world=SMALL
        )
        reader = Reader(paths, detect(paths), SMALL.num_classes, batch_size=4)
        return batches(reader.sequential())[0]

    means, frames = read("video"), read("frame")
    assert list(means["ids"]) == list(frames["ids"])
    np.testing.assert_array_equal(means["labels"], frames["labels"])
    for row, count in enumerate(frames["num_frames"]):
        values = frames["rgb"][row, :count] * (4 / 255) + 4 / 512 - 2
        np.testing.assert_allclose(means["mean_rgb"][row], values.mean(axis=0), atol=1e-5)


def test_ids_are_unique_over_ranges(tmp_path):
    found = []
    for first in (0, 40, 80):
        paths = synthetic.write_shards(
            str(tmp_path / str(first)),
            num_videos=40,
            num_shards=3,
            first_id=first,
            seed=first,
            world=SMALL,
        )
        found += ids(Reader(paths, detect(paths), SMALL.num_classes, batch_size=16).sequential())
    assert len(set(found)) == len(found) == 120
    assert all(len(name) == 4 and name.isalnum() for name in found)


def test_label_frequencies_have_a_long_tail():
    probabilities = SMALL.label_probabilities()
    np.testing.assert_allclose(probabilities[0] / probabilities, np.arange(1, 13))
    counts = np.bincount(np.concatenate([v.labels for v in draw(SMALL, 600)]), minlength=12)
    assert counts.argmax() == 0 and counts.min() > 0
    assert counts[:3].sum() > 1.5 * counts[6:].sum()
    assert np.corrcoef(counts, probabilities)[0, 1] > 0.9


@pytest.mark.parametrize(
    "world",
    [
        SMALL,
        synthetic.World(num_classes=12, feature_sizes=(2, 2), min_frames=1, max_frames=9),
        synthetic.World(num_classes=12, feature_sizes=(2, 2), max_labels=12, min_frames=5),
        synthetic.World(num_classes=1, feature_sizes=(2, 2), background=0.95),
    ],
    ids=["usual", "short", "many labels", "one class"],
)
def test_every_label_has_a_shot(world):
    for video in draw(world, 300):
        shown = set(video.shots) - {world.num_classes}
        assert shown == set(video.labels)
        assert list(video.labels) == sorted(set(video.labels))
        assert 1 <= len(video.labels) <= min(world.max_labels, world.num_classes)
        assert len(video.frames) == len(video.shots)
        assert world.min_frames <= len(video.shots) <= world.max_frames
        assert min(runs(video.shots)[:-1], default=world.min_shot) >= world.min_shot


def test_shots_are_no_longer_than_allowed():
    world = synthetic.World(num_classes=200, feature_sizes=(2, 2), max_labels=40, tail=0.0)
    lengths = np.concatenate([runs(video.shots) for video in draw(world, 200)])
    # Two shots about one thing may follow each other, so a few runs are longer.
    assert np.mean(lengths <= world.max_shot) > 0.85
    assert set(range(world.min_shot, world.max_shot + 1)) <= set(lengths)


def test_a_part_of_the_frames_is_background():
    shots = np.concatenate([video.shots for video in draw(SMALL, 300)])
    assert 0.1 < np.mean(shots == SMALL.num_classes) < 0.2


@pytest.mark.parametrize("mean_signal", [0.0, 0.3, 1.0])
def test_the_two_centres_of_a_label_share_only_the_mean_signal(mean_signal):
    world = synthetic.World(mean_signal=mean_signal)
    centres = world.centres()
    assert centres.shape == (51, 2, 1152)
    mean = np.linalg.norm(centres.mean(axis=1), axis=-1)
    np.testing.assert_allclose(mean, world.signal * mean_signal, rtol=0.12, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=-1), world.signal, rtol=0.12)


def test_single_frames_tell_the_labels_and_their_mean_does_not():
    world = synthetic.World(num_classes=20, mean_signal=0.1)
    centres = world.centres()[:-1]
    hits = {"frames": [], "mean": [], "linear in the mean": []}
    for video in draw(world, 100):
        mean = video.frames.mean(axis=0)
        near = {
            "frames": np.einsum("fs,cks->fck", video.frames, centres).max(axis=(0, 2)),
            "mean": np.einsum("s,cks->ck", mean, centres).max(axis=1),
            "linear in the mean": centres.mean(axis=1) @ mean,
        }
        for name, scores in near.items():
            best = np.argsort(-scores)[: len(video.labels)]
            hits[name].append(np.isin(best, video.labels).mean())
    # Even a look at both centres finds less in the mean; one weight vector a class far less.
    assert np.mean(hits["frames"]) > 0.98
    assert np.mean(hits["mean"]) < np.mean(hits["frames"]) - 0.04
    assert np.mean(hits["linear in the mean"]) < 0.8


def test_the_labels_of_a_video_are_of_one_topic():
    world = dataclasses.replace(SMALL, num_classes=10, topics=3, max_labels=4)
    drawn = [set(video.labels % 3) for video in draw(world, 60)]
    assert all(len(topics) == 1 for topics in drawn)
    assert set.union(*drawn) == {0, 1, 2}
    assert max(len(video.labels) for video in draw(world, 60)) > 1


def test_lookalikes_have_the_same_centres():
    centres = dataclasses.replace(SMALL, num_classes=5, lookalikes=2).centres()
    np.testing.assert_array_equal(centres[0], centres[1])
    np.testing.assert_array_equal(centres[2], centres[3])
    others = centres[[0, 2, 4, 5]]  # The last class has none like it, and neither background.
    assert len(np.unique(others[:, 0], axis=0)) == 4


@pytest.mark.parametrize("name", ["topics", "lookalikes"])
def test_a_world_that_cannot_be_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be from 1 .* Received: {name}=51"):
        synthetic.World(**{name: 51})


def test_another_seed_shows_other_videos_of_the_same_classes():
    first, second = (next(synthetic.videos(SMALL, 1, seed)) for seed in (0, 1))
    assert first.frames.shape != second.frames.shape or np.any(first.frames != second.frames)
    other = synthetic.World(num_classes=12, feature_sizes=(48, 16), seed=1)
    assert np.abs(SMALL.centres() - other.centres()).max() > 0.1


def test_quantised_bytes():
    values = np.array([-9, -2, -1.999, 0.01, 1.999, 2, 9])
    np.testing.assert_array_equal(synthetic.quantize(values), [0, 0, 0, 128, 255, 255, 255])
    np.testing.assert_array_equal(
        synthetic.dequantize(np.array([0, 255], np.uint8)), [-1.9921875, 2.0078125]
    )


def test_segment_ratings_agree_with_the_shots(tmp_path):
    paths = synthetic.write_shards(
        str(tmp_path), kind="segment", num_videos=60, num_shards=1, world=SMALL
    )
    drawn = {video.id: video for video in draw(SMALL, 60)}
    reader = SegmentReader(paths, detect(paths), 12, batch_size=1000)
    (batch,) = batches(reader.sequential())
    assert reader.log.num_skipped_segments == 0 and np.all(batch["num_frames"] == 5)
    np.testing.assert_array_equal(batch["start_times"] % 5, 0)
    assert {name.decode() for name in batch["ids"]} == set(drawn)
    for i, name in enumerate(batch["ids"]):
        video, start = drawn[name.decode()], batch["start_times"][i]
        (label,) = batch["labels"][i]
        assert label in video.labels
        most = np.count_nonzero(video.shots[start : start + 5] == label) >= 3
        assert batch["label_scores"][i] == most
    assert 0.2 < batch["label_scores"].mean() < 0.8


def test_the_command_writes_what_the_function_writes(tmp_path):
    flags = ["--kind=segment", "--num_videos=5", "--num_shards=2", "--num_classes=7", "--seed=3"]
    flags += ["--prefix=validate", "--first_id=100", "--world_seed=2"]
    output = f"--output_dir={tmp_path / 'a'}"
    printed = check(run_process([sys.executable, "-m", "yt8m.data.synthetic", output, *flags]))
    assert "Wrote 5 videos to 2 shards" in printed
    expected = synthetic.write_shards(
        str(tmp_path / "b"),
        kind="segment",
        num_videos=5,
        num_shards=2,
        prefix="validate",
        seed=3,
        first_id=100,
        world=synthetic.World(num_classes=7, seed=2),
    )
    written = sorted((tmp_path / "a").iterdir())
    assert [path.name for path in written] == [pathlib.Path(path).name for path in expected]
    for path, other in zip(written, expected, strict=True):
        assert path.read_bytes() == pathlib.Path(other).read_bytes()
