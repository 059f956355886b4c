"""Shards for the jobs: what a pattern names, opened for a run."""

from __future__ import annotations

from absl import flags, logging

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data import detect, shard_paths
from yt8m.data.read_log import ReadLog
from yt8m.data.reader import Reader
from yt8m.data.schema import Schema
from yt8m.data.video.schema import CLIP
from yt8m.data.video.sources import pattern as pattern_lib


def read_log() -> ReadLog:
    """A log of what is read, as --on_corrupt_shard says."""
    return ReadLog(flags.FLAGS.on_corrupt_shard)


def open_shards(pattern: str) -> tuple[list[str], Schema]:
    """Finds the shards of a pattern and what they hold.

    Raises:
        UserError: nothing matches, nothing can be read, or the pattern names raw video.
    """
    if pattern_lib.parse(pattern) is not None:
        raise UserError(
            f"{pattern} names raw video, but this needs shards: TFRecord files. Those of raw video "
            "are train, eval and inference of its models; `python -m yt8m.extract_features` makes "
            "shards of it."
        )
    paths = shard_paths.resolve(pattern)
    schema = detect.detect(paths)
    logging.info("%s: %d shard(s), %s", pattern, len(paths), schema)
    return paths, schema


def make_reader(run: runs.Run, pattern: str, batch_size: int, **options) -> Reader:
    """A reader of shards for the model of a run, as the flags over data say.

    Args:
        run: the run.
        pattern: of the shards.
        batch_size: examples a batch.
        **options: of the reader besides.

    Raises:
        UserError: nothing matches, nothing can be read, or the records do not fit the model.
    """
    if run.config.schema.kind == CLIP:
        raise UserError(
            f"{run.train_dir} takes raw video, and this job reads shards. Use eval, inference or "
            f"yt8m.late_fusion for it. Received: {pattern}."
        )
    paths, found = open_shards(pattern)
    return Reader(
        paths,
        run.config.schema.match(found, pattern),
        run.config.num_classes,
        batch_size,
        max_frames=run.config.preprocessing["max_frames"],
        log=read_log(),
        **options,
    )
