"""Valid inputs that take a job to make, made when the first target asks for them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tools.fuzzing import framing, records
from tools.fuzzing.case import Case
from tools.fuzzing.processes import Runner
from yt8m.base.errors import UserError

_MODELS = {
    records.VIDEO: "logistic",
    records.BYTES: "average(head=logistic)",
    records.FLOATS: "average(head=logistic)",
    records.SEGMENTS: "average(head=logistic)",
}
_SIDE = (24, 32)  # Of a picture: height and width.


class Samples:
    """Shards, runs and what runs write.

    Args:
        folder: to write to.
        runner: of the jobs.
        lock: held while something is made; the same for all that write to the folder.
    """

    def __init__(self, folder: Path, runner: Runner, lock: threading.RLock | None = None):
        self.folder = folder
        self._runner = runner
        self._lock = lock or threading.RLock()

    def shard(self, kind: str) -> Path:
        """A shard of a kind, of 24 records."""
        return self._made(f"{kind}.tfrecord", functools.partial(_write_shard, kind=kind))

    def run_dir(self, kind: str) -> Path:
        """A run that was trained on such a shard, with two checkpoints."""
        flags = {"model": _MODELS[kind], "train_data_pattern": self.shard(kind)}
        return self._made(f"run_{kind}", lambda path: self._job(self.training(path, **flags)))

    def training(self, train_dir: Path | str, **flags: object) -> Case:
        """A training of four steps, with a checkpoint after two."""
        flags = {"num_classes": records.NUM_CLASSES, "normalize": "none"} | flags
        steps = {"batch_size": 8, "max_steps": 4, "checkpoint_steps": 2}
        return Case("yt8m.train", {"train_dir": train_dir} | flags | steps)

    def submission(self, kind: str) -> Path:
        """The predictions of a run over its shard; of segments, for a kind that has them."""
        flags = {"train_dir": self.run_dir(kind), "input_data_pattern": self.shard(kind)}
        if kind == records.SEGMENTS:
            flags["segment_labels"] = True
        return self._made(
            f"{kind}.csv",
            lambda path: self._job(Case("yt8m.inference", flags | {"output_file": path})),
        )

    def teacher(self) -> Path:
        """What a run teaches of its shard: the file beside a copy of the shard, `a.tfrecord`."""
        flags = {"train_dir": self.run_dir(records.VIDEO), "name": "t"}

        def make(path: Path) -> None:
            path.mkdir()
            (path / "a.tfrecord").write_bytes(self.shard(records.VIDEO).read_bytes())
            pattern = {"input_data_pattern": path / "a.tfrecord"}
            self._job(Case("yt8m.teach", flags | pattern))

        return self._made("teacher", make) / "a.tfrecord.t.npz"

    def scores(self, prefix: str = "v") -> Path:
        """A file of the scores of views, of videos whose names begin so."""
        make = functools.partial(_write_scores, prefix=prefix)
        return self._made(f"scores_{prefix}.npz", make)

    def tf1_checkpoint(self) -> Path:
        """The folder of a TensorFlow 1 checkpoint of a logistic model, `model.ckpt-1`."""
        return self._made("tf1", _write_tf1_checkpoint)

    def clips(self) -> Path:
        """The manifest of four short videos in two splits."""
        return self._made("clips", _write_clips) / "clips.csv"

    def clip_run(self) -> Path:
        """A run that was trained on the videos."""
        flags = {"train_data_pattern": f"{self.clips()}#train", **CLIP_TRAINING}
        flags["cache_dir"] = self.folder / "cache"
        return self._made(
            "run_clips",
            lambda path: self._job(Case("yt8m.train", {"train_dir": path, **flags})),
        )

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        with self._lock:
            path = self.folder / name
            if not path.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                make(path)
            return path

    def _job(self, case: Case) -> None:
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        outcome = self._runner.run(case, work)
        if outcome.status:
            raise UserError(f"{case.module} made no sample: {outcome.stderr[-2000:]}")


CLIP_TRAINING = {
    "model": "cnn_m(width=0.03)",
    "clips": "clips(frames=1,resize=48,crop=44,augment=())",
    "batch_size": 2,
    "max_steps": 1,
    "num_workers": 0,
}


def _write_shard(path: Path, kind: str) -> None:
    made = records.some(np.random.default_rng(0), kind, 24)
    path.write_bytes(b"".join(map(framing.frame, made)))


def _write_scores(path: Path, prefix: str) -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((6, 2, 3, records.NUM_CLASSES), np.float32)
    np.savez(
        path,
        scores=scores / scores.sum(-1, keepdims=True),
        ids=np.array([f"{prefix}{number}" for number in range(6)]),
        labels=rng.integers(records.NUM_CLASSES, size=(6, 1)).astype(np.int32),
        classes=np.array([f"class {number}" for number in range(records.NUM_CLASSES)]),
    )


def _write_tf1_checkpoint(path: Path) -> None:
    import tensorflow as tf

    path.mkdir()
    rng, size = np.random.default_rng(0), sum(records.SIZES.values())
    values = {
        "fully_connected/weights": rng.normal(size=(size, records.NUM_CLASSES)),
        "fully_connected/biases": rng.normal(size=records.NUM_CLASSES),
    }
    tf.raw_ops.SaveV2(
        prefix=str(path / "model.ckpt-1"),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[tf.constant(value, tf.float32) for value in values.values()],
    )
    (path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')


def _write_clips(path: Path) -> None:
    path.mkdir()
    lines = ["path,label,group,split"]
    for number in range(4):
        _write_video(path / f"v{number}.mp4", number)
        split = "train" if number < 2 else "test"
        lines.append(f"v{number}.mp4,{'left' if number % 2 else 'right'},g{number},{split}")
    (path / "clips.csv").write_text("\n".join(lines) + "\n")


def _write_video(path: Path, number: int) -> None:
    import av

    rng = np.random.default_rng(number)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=12)
        stream.height, stream.width, stream.pix_fmt = *_SIDE, "yuv420p"
        for _ in range(8):
            picture = rng.integers(0, 255, (*_SIDE, 3)).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode())
