r"""Measures reading and training, and says on what.

For example:

    python -m tools.benchmark --what=reader
    python -m tools.benchmark --what=train --models='average(head=moe),average' --output_file=b.json

`reader` reads synthetic (or your own) shards with this project's reader and with the pipeline of
the google/youtube-8m starter code (dequantised to float32, every video padded to 300 frames),
in turn, and prints the ratio. `train` times training steps of models on a batch that stays in
memory: by default of every model of features; models of raw video are named, with `--clips` and
`--flow` as in `yt8m train`, and count clips. Warm-up is left out; the median and the range of the
rounds are reported.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from yt8m.base import define, files, jobs, provenance, spec_language
from yt8m.data import synthetic
from yt8m.data.reader import Reader
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.data.video.clip_schema import CLIP, ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.evaluation import report
from yt8m.inputs import flags as input_flags
from yt8m.inputs import shards as shard_inputs
from yt8m.modeling import keras_model, losses, specs
from yt8m.training import optimizers
from yt8m.training.trainer import Trainer

_NUM_CLASSES = 3862
_SCHEMAS = {
    VIDEO: Schema(
        VIDEO,
        (
            Feature("mean_rgb", 1024, "float32", "mean_rgb"),
            Feature("mean_audio", 128, "float32", "mean_audio"),
        ),
    ),
    FRAME: Schema(
        FRAME, (Feature("rgb", 1024, "uint8", "rgb"), Feature("audio", 128, "uint8", "audio"))
    ),
}


@dataclasses.dataclass(frozen=True)
class Training:
    """How models are trained where training is measured.

    Attributes:
        batch_size: examples a batch.
        num_frames: frames a video, for models of frame features.
        clips: what a clip is, for models of raw video.
        flow: what optical flow is, for models of raw video that take it.
        jit_compile: whether steps are compiled with XLA.
    """

    batch_size: int
    num_frames: int
    clips: Clips
    flow: Flow
    jit_compile: bool


def define_flags() -> None:
    """Defines the flags of this benchmark."""
    define.choice("what", "What to measure.", "reader", ["reader", "train"])
    define.string("data_pattern", "Frame-level shards to read; by default made anew.", "")
    define.string("models", "Specs of the models to train; by default all of features.", "")
    define.integer("batch_size", "Examples a batch.", 128, at_least=1)
    define.integer("num_frames", "Frames a video in training.", 150, at_least=1)
    define.integer("rounds", "Rounds measured, after one of warm-up.", 5, at_least=1)
    define.integer("steps", "Training steps a round.", 5, at_least=1)
    define.boolean("jit_compile", "Compile training steps with XLA.")
    input_flags.define_clip_flags()
    define.string("output_file", "JSON file to write the figures to.", "")


def main() -> None:
    """Measures as the flags say."""
    args = flags.FLAGS
    if args.what == "reader":
        figures = _measure_reader(args.data_pattern, args.batch_size, args.rounds)
    else:
        texts = list(_split_specs(args.models)) if args.models else _models_of_features()
        training = Training(
            batch_size=args.batch_size,
            num_frames=args.num_frames,
            clips=args.clips,
            flow=args.flow,
            jit_compile=args.jit_compile or keras.config.backend() == "jax",
        )
        figures = _measure_training(texts, training, args.rounds, args.steps)
    result = {
        "what": args.what,
        "machine": _machine(),
        "flags": input_flags.given_values(),
    } | figures
    for name, value in figures.items():
        print(f"{name}: {json.dumps(value)}")
    print(f"on {json.dumps(result['machine'])}")
    if args.output_file:
        files.write_json(args.output_file, result)
        print(f"Wrote {args.output_file}")


def _machine() -> dict[str, str | int]:
    devices = [device.name for device in tf.config.list_physical_devices("GPU")]
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 0,
        "gpus": ", ".join(devices) or "none",
        "python": platform.python_version(),
        "time": report.timestamp(),
    } | provenance.package_versions()


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def _measure_reader(pattern: str, batch_size: int, rounds: int) -> dict:
    """Videos a second of both pipelines, round by round in turn, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        pattern = pattern or _make_shards(folder)
        paths, schema = shard_inputs.open_shards(pattern)
        reader = Reader(paths, schema, schema.default_num_classes(), batch_size)
        pipelines = {
            "ours": reader.sequential,
            "starter": lambda: _starter_pipeline(paths, schema, batch_size),
        }
        rates: dict[str, list[float]] = {name: [] for name in pipelines}
        for number in range(rounds + 1):
            for name, make in pipelines.items():
                rate = _read_all(make())
                if number:
                    rates[name].append(rate)
    ratios = [a / b for a, b in zip(rates["ours"], rates["starter"], strict=True)]
    return {f"{name}_videos_per_s": _spread(values) for name, values in rates.items()} | {
        "ratio": _spread(ratios)
    }


def _make_shards(folder: str) -> str:
    world = synthetic.World(num_classes=_NUM_CLASSES, min_frames=120, max_frames=300)
    synthetic.write_shards(folder, num_videos=1000, num_shards=4, world=world)
    return os.path.join(folder, "*.tfrecord")


def _read_all(dataset: tf.data.Dataset) -> float:
    start = time.perf_counter()
    count = sum(int(batch["ids"].shape[0]) for batch in dataset)
    return count / (time.perf_counter() - start)


def _starter_pipeline(paths: list[str], schema: Schema, batch_size: int) -> tf.data.Dataset:
    """What the starter code does to a frame-level record, on the same tf.data engine."""

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        context = {
            schema.id_key: tf.io.FixedLenFeature([], tf.string),
            schema.labels_key: tf.io.VarLenFeature(tf.int64),
        }
        lists = {f.key: tf.io.FixedLenSequenceFeature([], tf.string) for f in schema.features}
        context, lists = tf.io.parse_single_sequence_example(record, context, lists)
        frames = []
        for feature in schema.features:
            values = tf.cast(tf.io.decode_raw(lists[feature.key], tf.uint8), tf.float32)
            values = tf.reshape(values, [-1, feature.size])[:300] * (4 / 255) + (4 / 512 - 2)
            values = tf.pad(values, [[0, 300 - tf.shape(values)[0]], [0, 0]])
            frames.append(tf.ensure_shape(values, [300, feature.size]))
        hot = tf.sparse.to_indicator(context[schema.labels_key], schema.default_num_classes())
        return {"frames": tf.concat(frames, 1), "labels": hot, "ids": context[schema.id_key]}

    records = tf.data.TFRecordDataset(paths)
    examples = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _measure_training(texts: list[str], training: Training, rounds: int, steps: int) -> dict:
    """Examples a second in training, of the model of each spec."""
    figures = {}
    for text in texts:
        spec = specs.model(text)
        step, parameters = _training_step(spec, training)
        step()
        rates = []
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(steps):
                step()
            rates.append(steps * training.batch_size / (time.perf_counter() - start))
        figures[text] = {"parameters": parameters, "examples_per_s": _spread(rates)}
    return figures


def _models_of_features() -> list[str]:
    of_features = ({"frames", "mask"}, {"features"})
    return [n for n in sorted(specs.model_names()) if set(specs.model(n).inputs) in of_features]


def _split_specs(text: str) -> Iterator[str]:
    """Splits a list of specs at the commas outside parentheses."""
    depth, start = 0, 0
    for position, character in enumerate(text + ","):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield text[start:position].strip()
            start = position + 1


def _training_step(spec: spec_language.Spec, training: Training) -> tuple[Callable[[], None], int]:
    if {"pixels", "flow"} & set(spec.inputs):
        inputs = tuple(name for name in spec.inputs if name != "mask")
        classes = tuple(map(str, range(_NUM_CLASSES)))
        schema = ClipSchema(inputs, training.clips, training.flow, classes)
    else:
        schema = _SCHEMAS[FRAME if "frames" in spec.inputs else VIDEO]
    model = keras_model.build(spec, schema, _NUM_CLASSES)
    trainer = Trainer(model, _NUM_CLASSES, losses.CrossEntropy())
    optimizer = optimizers.get("adam", 1e-3)
    trainer.compile(optimizer=optimizer, jit_compile=training.jit_compile)
    batch, ids = _random_batch(schema, training.batch_size, training.num_frames)

    def step() -> None:
        # Asking for the numbers waits for the device.
        float(trainer.train_on_batch(batch, ids, return_dict=True)["loss_mean"])

    return step, model.count_params()


def _random_batch(
    schema: Schema | ClipSchema, rows: int, time_steps: int
) -> tuple[dict, np.ndarray]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, _NUM_CLASSES, (rows, 4)).astype(np.int32)
    if schema.kind == CLIP:
        shape = (rows, schema.clips.frames, *schema.clips.crop_size)
        batch = {
            name: rng.integers(1, 256, (*shape, schema.channels(name)), np.uint8)
            for name in schema.inputs
        }
        return batch | {"num_frames": np.full(rows, schema.clips.frames, np.int32)}, ids
    if schema.kind == VIDEO:
        draw = lambda f: rng.normal(size=(rows, f.size)).astype(np.float32)  # noqa: E731
        return {f.name: draw(f) for f in schema.features}, ids
    draw = lambda f: rng.integers(0, 256, (rows, time_steps, f.size), np.uint8)  # noqa: E731
    batch = {f.name: draw(f) for f in schema.features}
    return batch | {"num_frames": np.full(rows, time_steps, np.int32)}, ids


if __name__ == "__main__":
    jobs.run(define_flags, main)
