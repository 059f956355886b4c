"""What the jobs read: small, and made when it is first asked for, by other jobs."""

from __future__ import annotations

import csv
import functools
import shutil
from pathlib import Path

import numpy as np

from tools.killing.processes import Starter
from yt8m.base import jobs
from yt8m.base.errors import UserError
from yt8m.fusion.score_file import ScoreWriter

NUM_CLASSES = 12
_SIZES = "16,8"
_VIDEOS = 4
_FRAMES = 24
_HEIGHT, _WIDTH = 48, 64


class Inputs:
    """Files in a folder.

    Args:
        folder: where they are made.
        starter: runs the jobs that make them.
    """

    def __init__(self, folder: Path, starter: Starter):
        self.folder = folder
        self._starter = starter

    def run(self, name: str, **flags: object) -> None:
        """Runs a job that must succeed.

        Raises:
            UserError: it fails.
        """
        given = (f"--{flag}={value}" for flag, value in flags.items())
        ended = self._starter.run(["-m", "yt8m", name, *given], self.folder)
        if ended.status != 0:
            raise UserError(f"`yt8m {name}` failed: {ended.errors[-2000:]}")

    def _shards(self, kind: str) -> Path:
        folder = self.folder / kind
        for seed, (prefix, count) in enumerate({"train": 240, "validate": 150}.items()):
            given = {"num_videos": count, "prefix": prefix, "seed": seed, "first_id": 1000 * seed}
            given |= {"kind": kind, "num_shards": 3, "num_classes": NUM_CLASSES}
            self.run("synthetic", output_dir=folder, feature_sizes=_SIZES, **given)
        return folder

    @functools.cached_property
    def videos(self) -> Path:
        """A folder of video-level shards, `train*` and `validate*`."""
        return self._shards("video")

    @functools.cached_property
    def frames(self) -> Path:
        """A folder of frame-level shards."""
        return self._shards("frame")

    @functools.cached_property
    def trained(self) -> Path:
        """A run on frames."""
        folder = self.folder / "trained"
        flags = {"model": "average(head=moe)", "num_classes": NUM_CLASSES, "max_steps": 5}
        pattern = self.frames / "train*.tfrecord"
        self.run("train", train_dir=folder, train_data_pattern=pattern, batch_size=32, **flags)
        return folder

    @functools.cached_property
    def exported(self) -> Path:
        """An export of that run, which answers other classes than the default."""
        folder = self.folder / "exported"
        self.run("export", train_dir=self.trained, output_dir=folder, top_k=3)
        return folder

    @functools.cached_property
    def submissions(self) -> Path:
        """A folder of two submissions, of the validation shards."""
        folder = self.folder / "submissions"
        flags = {"input_data_pattern": self.frames / "validate*.tfrecord"}
        for top_k in (3, NUM_CLASSES):
            path = folder / f"top{top_k}.csv"
            self.run("inference", train_dir=self.trained, output_file=path, top_k=top_k, **flags)
        return folder

    @functools.cached_property
    def floats(self) -> Path:
        """A folder of frame-level shards that hold floats."""
        folder = self.folder / "floats"
        pattern = self.frames / "validate*.tfrecord"
        self.run("quantize_features", input_data_pattern=pattern, output_dir=folder, to="float32")
        return folder

    @functools.cached_property
    def arrays(self) -> Path:
        """A folder of arrays of frames, one a video, and `labels.csv` of them."""
        folder = self.folder / "arrays"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        rows = []
        for number in range(200):
            np.save(folder / f"{number}.npy", rng.random((20, 8), np.float32))
            rows.append([number, f"class {number % NUM_CLASSES}"])
        with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "labels"], *rows])
        return folder

    @functools.cached_property
    def imported(self) -> Path:
        """Shards of those arrays, in one split."""
        folder = self.folder / "imported"
        flags = {"input_dir": self.arrays, "labels_file": self.arrays / "labels.csv"}
        self.run("import_features", output_dir=folder, num_shards=1, **flags)
        return folder

    @functools.cached_property
    def scores(self) -> Path:
        """A folder of the scores of two runs of raw video."""
        folder = self.folder / "scores"
        rng = np.random.default_rng(0)
        classes = tuple(f"class {number}" for number in range(NUM_CLASSES))
        labels = rng.integers(0, NUM_CLASSES, (200, 1))
        for name in ("one", "two"):
            with ScoreWriter(str(folder / f"{name}.npz"), 200, 1, 1, classes) as writer:
                scores = rng.random((200, 1, 1, NUM_CLASSES), np.float32)
                writer.add([str(number) for number in range(200)], labels, scores)
        return folder

    @functools.cached_property
    def checkpoint(self) -> Path:
        """A checkpoint of TensorFlow 1."""
        import tensorflow as tf  # It starts threads; a process that forks others must not.

        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "model.ckpt-5"
        tensors = {
            "fully_connected/weights": tf.ones((24, 3)),
            "fully_connected/biases": tf.ones(3),
        }
        names, values = list(tensors), list(tensors.values())
        tf.raw_ops.SaveV2(
            prefix=str(path), tensor_names=names, shape_and_slices=["", ""], tensors=values
        )
        return path

    @functools.cached_property
    def clips(self) -> Path:
        """A folder of class folders of videos, and `clips.csv`, their manifest."""
        folder = self.folder / "clips"
        rows = []
        for number in range(_VIDEOS):
            label = ("left", "right")[number % 2]
            (folder / label).mkdir(parents=True, exist_ok=True)
            name = f"{label}/{number}.mp4"
            _write_clip(folder / name, number)
            rows.append([name, label, str(number)])
        with open(folder / "clips.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["path", "label", "group"], *rows])
        return folder

    @functools.cached_property
    def clip_run(self) -> Path:
        """A run on these clips."""
        folder = self.folder / "clip_run"
        model = "cnn(backbone='karpathy', width=0.05, temporal=average(head=softmax))"
        flags = {"model": model, "clips": f"clips(frames=2, resize={_HEIGHT}, crop={_HEIGHT})"}
        flags |= {"batch_size": 2, "max_steps": 1, "num_workers": 0}
        self.run("train", train_dir=folder, train_data_pattern=self.clips / "clips.csv", **flags)
        return folder


def copy(source: Path, target: Path) -> None:
    """Copies a file or a folder, and makes the folder that it comes into."""
    target.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)


def _write_clip(path: Path, seed: int) -> None:
    """A video of noise."""
    av = jobs.import_extra("av", "video")
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.height, stream.width, stream.pix_fmt = _HEIGHT, _WIDTH, "yuv420p"
        for _ in range(_FRAMES):
            image = rng.integers(0, 255, (_HEIGHT, _WIDTH, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
