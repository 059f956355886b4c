"""Shards for the jobs: what a pattern names, opened for the model of a run."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np
from absl import logging

from yt8m.base.errors import UserError
from yt8m.data import detect, shard_paths
from yt8m.data.read_log import SKIP, ReadLog
from yt8m.data.reader import Reader
from yt8m.data.schema import Schema
from yt8m.data.segment_reader import SegmentReader
from yt8m.data.video.sources import pattern as pattern_lib
from yt8m.runs import RunConfig

_ANY = np.iinfo(np.int32).max  # A vocabulary that every label is of.


@dataclasses.dataclass(frozen=True)
class ShardInput:
    """How shards are read for a model.

    Attributes:
        schema: what the model takes.
        num_classes: the size of the vocabulary.
        batch_size: examples a batch.
        max_frames: frames after these are cut; None keeps all.
        on_corrupt: `skip` leaves damaged records out, `fail` ends the job.
    """

    schema: Schema
    num_classes: int
    batch_size: int
    max_frames: int | None = 300
    on_corrupt: str = SKIP
    kind: ClassVar[type[Reader]] = Reader

    @classmethod
    def for_run(cls, config: RunConfig, batch_size: int, on_corrupt: str, **settings) -> ShardInput:
        """How shards are read for the model of a run.

        Args:
            config: of the run.
            batch_size: examples a batch.
            on_corrupt: see the attributes.
            **settings: further attributes.

        Raises:
            UserError: the run takes raw video.
        """
        if config.takes_clips:
            raise UserError(
                "The run takes raw video, and this job reads shards. Use eval, inference or "
                f"`yt8m late_fusion` for it. Received: a run of {config.schema}."
            )
        max_frames = config.max_frames
        return cls(
            config.schema, config.num_classes, batch_size, max_frames, on_corrupt, **settings
        )

    def open(self, pattern: str, with_labels: bool = True) -> Reader:
        """A reader of the shards that a pattern names.

        Args:
            pattern: of the shards.
            with_labels: whether labels must be of the vocabulary; else any will do.

        Raises:
            UserError: nothing matches, nothing can be read, or the records do not fit the model.
        """
        paths, found = open_shards(pattern)
        reader = self.reader(paths, self.schema.match(found, pattern))
        return reader if with_labels else dataclasses.replace(reader, num_classes=_ANY)

    def reader(
        self, paths: list[str], schema: Schema, jit_compile: bool = False, **options
    ) -> Reader:
        """A reader of shards.

        Args:
            paths: the shards.
            schema: of their records.
            jit_compile: whether the model is compiled for each shape.
            **options: of the reader besides.
        """
        return self.kind(
            paths,
            schema,
            self.num_classes,
            self.batch_size,
            max_frames=self.max_frames,
            log=ReadLog(self.on_corrupt),
            **self._settings(jit_compile),
            **options,
        )

    def _settings(self, jit_compile: bool) -> dict[str, Any]:
        """What a reader of this kind is told besides."""
        return few_shapes(jit_compile)


@dataclasses.dataclass(frozen=True)
class SegmentInput(ShardInput):
    """How the rated segments of shards are read for a model.

    Attributes:
        segment_classes: the classes whose ratings count; None takes all.
    """

    segment_classes: tuple[int, ...] | None = None
    kind: ClassVar[type[Reader]] = SegmentReader

    def _settings(self, jit_compile: bool) -> dict[str, Any]:
        """Segments have one length: only the number of their ratings differs."""
        settings = {"frame_multiple": 1, "segment_classes": self.segment_classes}
        return few_shapes(jit_compile) | settings


def few_shapes(jit_compile: bool = False) -> dict[str, int]:
    """Settings of a reader that keep shapes few where a model is compiled for each of them."""
    if jit_compile or keras.config.backend() == "jax":
        return {"frame_multiple": 30, "label_multiple": 16}
    return {}


def open_shards(pattern: str) -> tuple[list[str], Schema]:
    """Finds the shards of a pattern and what they hold.

    Raises:
        UserError: nothing matches, nothing can be read, or the pattern names raw video.
    """
    if pattern_lib.parse(pattern) is not None:
        raise UserError(
            f"{pattern} names raw video, but this needs shards: TFRecord files. Raw video is for "
            "train, eval and inference of models of pixels; `yt8m extract_features` makes shards "
            "of it."
        )
    paths = shard_paths.resolve(pattern)
    schema = detect.detect(paths)
    logging.info("%s: %d shard(s), %s", pattern, len(paths), schema)
    return paths, schema
