"""The clips with which a run of raw video is looked at: one of each of the first videos."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from yt8m import runs
from yt8m.base import files, jobs
from yt8m.base.errors import UserError
from yt8m.data.diagnose import clear_errors
from yt8m.data.ids import as_text
from yt8m.data.video.clip_schema import CLIP
from yt8m.inputs.clip_settings import ClipSettings

# One clip as a model takes it: its inputs without a batch axis, and `ids`, `labels` and `task`.
Clip = dict[str, Any]
_LONGEST_NAME = 60


def load_run(train_dir: str) -> runs.Run:
    """Loads a run of raw video.

    Raises:
        UserError: the folder holds no run, or one that takes shards.
    """
    schema = runs.read_config(train_dir).schema
    if schema.kind != CLIP:
        raise UserError(
            f"{train_dir} takes shards, of {schema}, where there is no picture to show. Name a run "
            "of raw video in --train_dir."
        )
    return runs.load(train_dir)


def open_videos(
    run: runs.Run, pattern: str, num_videos: int, batch_size: int, settings: ClipSettings
):
    """A reader of the first videos of a pattern.

    Args:
        run: of raw video.
        pattern: manifests or data sets.
        num_videos: how many videos are taken, from the first.
        batch_size: clips a batch.
        settings: how videos are decoded. The one view of its defaults is the middle of a video.

    Returns:
        A `ClipReader`.

    Raises:
        UserError: the pattern names shards, or its videos do not fit or cannot be read.
    """
    data = jobs.import_extra("yt8m.inputs.clips", "video")
    source = data.ClipInput.for_run(run.config, batch_size, settings)
    return source.open(pattern, num_videos=num_videos)


def batches(reader) -> Iterator[dict[str, np.ndarray]]:
    """Every batch of a reader, in order.

    Raises:
        UserError: no video can be read, or one cannot be and is to end the job.
    """
    with clear_errors(reader):
        yield from reader.sequential().as_numpy_iterator()
    reader.log.finish()


def each_clip(reader) -> Iterator[Clip]:
    """Every clip of a reader by itself, in order; see `batches`."""
    for batch in batches(reader):
        for row in range(len(batch["ids"])):
            yield {name: values[row] for name, values in batch.items()}


def name_of(clip: Clip) -> str:
    """What the video of a clip is called."""
    return as_text(clip["ids"])


def file_name(number: int, video: str) -> str:
    """The beginning of the names of the files about a video: its number and its own name."""
    stem = os.path.splitext(os.path.basename(video))[0]
    return f"{number:03d}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', stem)[:_LONGEST_NAME]}"


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file that appears under its name when it is whole.

    Raises:
        UserError: it cannot be written.
    """
    with files.atomic_file(path, "wb") as file:
        file.write(content)
