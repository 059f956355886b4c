r"""Measures the memory of jobs at the size of YouTube-8M: peak resident memory and time.

    python -m tools.benchmark_memory --output_file=memory.json
    python -m tools.benchmark_memory --measurements=segment_top_n --num_videos=100000

Each measurement prepares its files and then runs in a process of its own, of which the peak is
reported. Records and models are tiny, so that what grows with the number of videos is what shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from rich.console import Console
from rich.table import Table

from yt8m import runs
from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.schema import VIDEO, Feature, Schema
from yt8m.modeling import keras_model, specs
from yt8m.submissions import segment_file, video_file
from yt8m.submissions.top_segments import TopSegments

_VIDEO_CLASSES = 3862
_SEGMENT_CLASSES = 1000
_SEGMENTS_A_VIDEO = 60
_SEGMENTS_A_CLASS = 100_000
_RATINGS_A_VIDEO = 5
_TOP_K = 20
_ENSEMBLE_FILES = 20
_FEATURE = Feature("mean_rgb", 4, "float32", "mean_rgb")
# Runs a command and prints its peak in kilobytes (on macOS in bytes): a process inherits the peak
# of the one that starts it, so that one must be small.
_WATCHER = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def define_flags() -> None:
    """Defines the flags of this benchmark."""
    names = ", ".join(MEASUREMENTS)
    define.strings("measurements", f"What to measure, of {names}.", list(MEASUREMENTS))
    define.integer("num_videos", "Videos in each measurement.", 1_000_000, at_least=1)
    define.choice(
        "stream", "Streams random scores through this part, and ends.", None, list(_STREAMS)
    )
    define.path("output_file", "JSON file to write the figures to.", "")


def main() -> None:
    """Measures as the flags say."""
    args = flags.FLAGS
    if args.stream:
        _STREAMS[args.stream](args.num_videos)
        return
    if args.output_file:
        files.check_output_file(args.output_file)
    figures = measure(args.measurements, args.num_videos)
    print_table(figures)
    if args.output_file:
        files.write_json(args.output_file, figures)
        print(f"Wrote {args.output_file}")


def measure(names: list[str], num_videos: int) -> dict[str, dict[str, float]]:
    """Runs measurements, one after the other, each in a fresh process.

    Args:
        names: of `MEASUREMENTS`.
        num_videos: videos in each.

    Returns:
        name -> peak_mb, seconds and videos_per_s.

    Raises:
        UserError: a name is unknown, or a process failed.
    """
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        raise UserError(
            f"There is no measurement {unknown[0]!r}. Choose: {', '.join(MEASUREMENTS)}."
        )
    figures = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            command = MEASUREMENTS[name](folder, num_videos)
            figures[name] = _run(command, num_videos)
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
    return figures


def print_table(figures: dict[str, dict[str, float]]) -> None:
    """Prints what was measured, a line a measurement."""
    table = Table()
    table.add_column("measurement")
    columns = list(next(iter(figures.values()), {}))
    for column in columns:
        table.add_column(column, justify="right")
    for name, values in figures.items():
        table.add_row(name, *(f"{values[column]:,.0f}" for column in columns))
    Console().print(table)


def _run(command: list[str], num_videos: int) -> dict[str, float]:
    start = time.perf_counter()
    watched = [sys.executable, "-c", _WATCHER, sys.executable, "-m", *command]
    result = subprocess.run(watched, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    if result.returncode:
        raise UserError(f"{' '.join(command)} failed; its message is above.")
    peak = int(result.stdout.split()[-1]) / (2**20 if sys.platform == "darwin" else 2**10)
    return {
        "peak_mb": round(peak),
        "seconds": round(seconds, 1),
        "videos_per_s": round(num_videos / seconds),
    }


def _stream_segments(num_videos: int) -> None:
    """Random scores of every segment through the best of each class."""
    top = TopSegments(_SEGMENT_CLASSES, _SEGMENTS_A_CLASS)
    rng = np.random.default_rng(0)
    with ProgressReport("Streaming", num_videos, "videos") as progress:
        for count in _counts(num_videos, 16):
            scores = rng.random((count * _SEGMENTS_A_VIDEO, _SEGMENT_CLASSES), np.float32)
            top.update(scores)
            progress.advance(count)
    kept = sum(len(top.best(column)) for column in range(_SEGMENT_CLASSES))
    print(f"Kept {kept} segments of {top.num_segments}.")


def _segment_top_n(folder: str, num_videos: int) -> list[str]:
    del folder
    return ["tools.benchmark_memory", "--stream=segments", f"--num_videos={num_videos}"]


def _video_inference(folder: str, num_videos: int) -> list[str]:
    _write_run(folder)
    return [
        "yt8m.inference",
        f"--train_dir={folder}/run",
        f"--input_data_pattern={_write_videos(folder, num_videos)}",
        f"--output_file={folder}/submission.csv",
    ]


def _video_score(folder: str, num_videos: int) -> list[str]:
    rng = np.random.default_rng(0)
    path = os.path.join(folder, "submission.csv")
    with files.atomic_file(path) as file:
        file.write(video_file.HEADER + "\n")
        first = 0
        for count in _counts(num_videos, 1000):
            classes = rng.integers(0, _VIDEO_CLASSES // _TOP_K, (count, _TOP_K))
            classes += np.arange(_TOP_K) * (_VIDEO_CLASSES // _TOP_K)
            scores = -np.sort(-rng.random((count, _TOP_K)), axis=1)
            ids = [_video_id(number) for number in range(first, first + count)]
            file.writelines(video_file.format_rows(ids, classes, scores))
            first += count
    pattern = _write_videos(folder, num_videos)
    return ["yt8m.score", f"--submission_file={path}", f"--eval_data_pattern={pattern}"]


def _segment_score(folder: str, num_videos: int) -> list[str]:
    """A full file: every class has as many segments as may be submitted."""
    rng = np.random.default_rng(0)
    path = os.path.join(folder, "submission.csv")
    most = num_videos * _SEGMENTS_A_VIDEO
    ids = [_video_id(number) for number in range(num_videos)]
    with files.atomic_file(path) as file:
        file.write(segment_file.HEADER + "\n")
        for class_id in range(_SEGMENT_CLASSES):
            first, step = int(rng.integers(most)), max(1, most // _SEGMENTS_A_CLASS)
            numbers = (first + step * np.arange(min(most, _SEGMENTS_A_CLASS))) % most
            videos, places = np.divmod(numbers, _SEGMENTS_A_VIDEO)
            pairs = zip(videos.tolist(), (5 * places).tolist(), strict=True)
            names = [f"{ids[video]}:{start}" for video, start in pairs]
            file.write(segment_file.format_row(class_id, names))
    pattern = _write_rated(folder, num_videos)
    return ["yt8m.score", f"--submission_file={path}", f"--eval_data_pattern={pattern}"]


def _ensemble(folder: str, num_videos: int) -> list[str]:
    """Twenty files of the same videos, whose lists differ in a third of their classes."""
    rng = np.random.default_rng(0)
    likely = np.argsort(rng.random((1000, _VIDEO_CLASSES)), axis=1)[:, : _TOP_K * 3 // 2]
    for number in range(_ENSEMBLE_FILES):
        classes = rng.permuted(likely, axis=1)[:, :_TOP_K]
        scores = -np.sort(-(rng.random((len(likely), _TOP_K)) ** 4), axis=1)
        rows = video_file.format_rows(["-"] * len(likely), classes, scores)
        lists = [line.partition(",")[2] for line in rows]
        with files.atomic_file(os.path.join(folder, f"{number:02d}.csv")) as file:
            file.write(video_file.HEADER + "\n")
            for video in range(num_videos):
                file.write(f"{_video_id(video)},{lists[7 * video % len(lists)]}")
    return [
        "yt8m.ensemble",
        f"--input_files={folder}/*.csv",
        f"--output_file={folder}/out/submission.csv",
        "--method=rank",
    ]


# Name -> a function that prepares files in a folder, for so many videos, and returns the module to
# run and its flags.
MEASUREMENTS: dict[str, Callable[[str, int], list[str]]] = {
    "segment_top_n": _segment_top_n,
    "video_inference": _video_inference,
    "video_score": _video_score,
    "segment_score": _segment_score,
    "ensemble": _ensemble,
}
_STREAMS: dict[str, Callable[[int], None]] = {"segments": _stream_segments}


def _counts(total: int, most: int) -> Iterator[int]:
    """Cuts a number into parts of at most `most`."""
    for start in range(0, total, most):
        yield min(most, total - start)


def _video_id(number: int) -> str:
    """Eight characters, which is more than the four of YouTube-8M."""
    return f"{number:08x}"


def _write_run(folder: str) -> None:
    """A run with the vocabulary of YouTube-8M and a tiny feature."""
    schema = Schema(VIDEO, (_FEATURE,))
    spec = specs.model("logistic")
    run_dir = os.path.join(folder, "run")
    config = runs.RunConfig(
        model=str(spec),
        schema=schema,
        num_classes=_VIDEO_CLASSES,
        preprocessing={"normalize": "none", "max_frames": 300},
        loss="cross_entropy",
        optimizer={},
        training={},
    )
    runs.start(run_dir, config)
    keras.utils.set_random_seed(0)
    model = keras_model.build(spec, schema, _VIDEO_CLASSES, "none")
    runs.save_model(run_dir, keras_model.classifier(model))


def _write_videos(folder: str, num_videos: int) -> str:
    """Labelled video-level records of a few bytes; returns their pattern."""
    rng = np.random.default_rng(1)

    def record(number: int) -> bytes:
        context = {
            "id": _bytes(_video_id(number)),
            "labels": _ints(np.unique(rng.integers(0, _VIDEO_CLASSES, 3))),
            "mean_rgb": tf.train.Feature(float_list=tf.train.FloatList(value=rng.normal(size=4))),
        }
        example = tf.train.Example(features=tf.train.Features(feature=context))
        return example.SerializeToString()

    return _write(folder, num_videos, record)


def _write_rated(folder: str, num_videos: int) -> str:
    """Frame-level records of one tiny frame, with ratings; returns their pattern."""
    rng = np.random.default_rng(1)
    frame = tf.train.FeatureList(feature=[_bytes("1234")])
    lists = tf.train.FeatureLists(feature_list={"rgb": frame})

    def record(number: int) -> bytes:
        starts = 5 * rng.permutation(_SEGMENTS_A_VIDEO)[:_RATINGS_A_VIDEO]
        scores = rng.integers(0, 2, _RATINGS_A_VIDEO)
        context = {
            "id": _bytes(_video_id(number)),
            "labels": _ints([1]),
            "segment_labels": _ints(rng.integers(0, _SEGMENT_CLASSES, _RATINGS_A_VIDEO)),
            "segment_start_times": _ints(starts),
            "segment_scores": tf.train.Feature(float_list=tf.train.FloatList(value=scores)),
        }
        context = tf.train.Features(feature=context)
        return tf.train.SequenceExample(context=context, feature_lists=lists).SerializeToString()

    return _write(folder, num_videos, record)


def _write(folder: str, num_videos: int, record: Callable[[int], bytes]) -> str:
    """Writes numbered records to ten shards and returns their pattern."""
    with ProgressReport("Writing", num_videos, "records") as progress:
        for shard, numbers in enumerate(np.array_split(np.arange(num_videos), 10)):
            path = os.path.join(folder, f"data{shard:04d}.tfrecord")
            with tf.io.TFRecordWriter(path) as writer:
                for number in numbers:
                    writer.write(record(int(number)))
            progress.advance(len(numbers))
    return os.path.join(folder, "data*.tfrecord")


def _bytes(value: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


def _ints(values: np.ndarray | list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


if __name__ == "__main__":
    jobs.run(define_flags, main)
