"""The flags over data that several jobs have."""

from __future__ import annotations

from absl import flags

from yt8m.base import define
from yt8m.data.read_log import FAIL, SKIP
from yt8m.data.video import settings

_BATCH_SIZE = 1024
_BATCH_SIZE_OF_CLIPS = 16
# Flags of `define_video_flags`, which have a meaning for raw video alone.
OF_VIDEO = ("num_clips", "num_crops", "cache_dir", "num_workers")


def define_data_flags(batch_size: int | None) -> None:
    """Defines the flags of every job that reads examples.

    Args:
        batch_size: the default; None where it depends on what is read, see `settle_batch_size`.
    """
    text = "Examples a batch."
    if batch_size is None:
        text = f"Examples a batch; by default {_BATCH_SIZE}, of raw video {_BATCH_SIZE_OF_CLIPS}."
    define.integer("batch_size", text, batch_size, at_least=1)
    define.choice(
        "on_corrupt_shard",
        "What a damaged shard or video does: skip leaves out the damaged records or the video, "
        "warns and counts them; fail ends the job.",
        SKIP,
        [SKIP, FAIL],
    )


def settle_batch_size(of_clips: bool) -> None:
    """Fills in --batch_size where it was not given.

    Args:
        of_clips: whether raw video is read, of which an example is some megabytes.
    """
    if flags.FLAGS.batch_size is None:
        flags.FLAGS.batch_size = _BATCH_SIZE_OF_CLIPS if of_clips else _BATCH_SIZE


def define_video_flags() -> None:
    """Defines the flags of every job that scores raw video."""
    define.integer("num_clips", "Clips of a raw video that are scored.", 1, at_least=1)
    define.integer(
        "num_crops",
        "Crops of a clip that are scored: 1, 3, 5, or 10 with mirror images.",
        1,
        at_least=1,
    )
    define_decoding_flags()


def define_decoding_flags() -> None:
    """Defines the flags of everything that reads raw video."""
    define.path(
        "cache_dir",
        "Folder to keep in what was seen of raw videos, and their optical flow; by "
        "default beside the manifest.",
        "",
    )
    define.integer(
        "num_workers",
        "Processes that decode raw video; by default one a core, 0 for none.",
        at_least=0,
    )


def define_clip_flags() -> None:
    """Defines the flags that say what a clip of raw video is, to a training."""
    define.spec(
        "clips",
        "How clips are cut out of raw video, such as "
        "clips(frames=16, stride=2, resize=128, crop=112).",
        "clips",
        settings.Clips.from_spec,
    )
    define.spec(
        "flow",
        "How optical flow is shown to a model that takes "
        "it, such as flow(length=10, method='tvl1').",
        "flow",
        settings.Flow.from_spec,
    )
