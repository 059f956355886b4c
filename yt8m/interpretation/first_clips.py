"""The flags of the tools that look inside a run of raw video, and the clips that they show it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import flags

from yt8m import runs
from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data.diagnose import clear_errors
from yt8m.data.video.schema import CLIP
from yt8m.inputs import flags as input_flags

# One clip as a model takes it: its inputs without a batch axis, and `ids`, `labels` and `task`.
Clip = dict[str, Any]
_LONGEST_NAME = 60


def define_flags(num_videos: int) -> None:
    """Defines the flags that these tools share.

    Args:
        num_videos: how many videos they look at by default.
    """
    define.path("train_dir", "Folder of the run, which takes raw video.")
    define.string(
        "input_data_pattern",
        "Videos: a manifest, such as clips.csv#validate, or a data "
        "set, such as tfds:ucf101/ucf101_1#test.",
        required=True,
    )
    define.path("output_dir", "Folder for the pictures.")
    define.integer(
        "num_videos",
        "Look at the first so many videos; at a clip in the middle of each.",
        num_videos,
        at_least=1,
    )
    input_flags.define_data_flags(batch_size=16)
    input_flags.define_decoding_flags()


def load_run(train_dir: str) -> runs.Run:
    """Loads a run of raw video.

    Raises:
        UserError: it is none, or takes shards.
    """
    schema = runs.read_config(train_dir).schema
    if schema.kind != CLIP:
        raise UserError(
            f"{train_dir} takes shards, of {schema}, where there is no picture to show. Name a run "
            "of raw video in --train_dir."
        )
    return runs.load(train_dir)


def open_videos(run: runs.Run, pattern: str, batch_size: int):
    """A reader of one clip of each of the first --num_videos videos, as the flags say.

    Args:
        run: of raw video.
        pattern: manifests or data sets.
        batch_size: clips a batch.

    Returns:
        A `ClipReader`.

    Raises:
        UserError: the pattern names shards, or its videos do not fit or cannot be read.
    """
    data = jobs.import_extra("yt8m.inputs.clips", "video")
    source = data.ClipInput.of_run(run.config, batch_size, input_flags.clip_settings())
    return source.open(pattern, num_videos=flags.FLAGS.num_videos)


def batches(reader) -> Iterator[dict[str, np.ndarray]]:
    """Every batch of a reader, in order.

    Raises:
        UserError: a video cannot be read any more.
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
    return clip["ids"].decode(errors="surrogateescape")


def file_name(number: int, video: str) -> str:
    """The beginning of the names of the files about a video: its number and its own name."""
    stem = os.path.splitext(os.path.basename(video))[0]
    return f"{number:03d}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', stem)[:_LONGEST_NAME]}"


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file that appears under its name when it is whole.

    Raises:
        UserError: it cannot be written.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".tmp-{name}")
    with files.writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)
