"""The flags that occlusion and deconvolution share: which run is looked at, with which clips."""

from __future__ import annotations

from yt8m.base import define
from yt8m.inputs import flags as input_flags


def define_flags(num_videos: int) -> None:
    """Defines the flags that say which run is looked at, and with which clips.

    Args:
        num_videos: how many videos a job looks at by default.
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
        "How many videos to look at, from the first; of each the clip in its middle.",
        num_videos,
        at_least=1,
    )
    input_flags.define_data_flags(batch_size=16)
    input_flags.define_decoding_flags()
