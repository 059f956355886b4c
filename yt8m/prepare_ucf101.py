r"""Prepares UCF101 for tensorflow-datasets from local files, without the network.

    yt8m prepare_ucf101 --video_dir=UCF-101 --lists_dir=ucfTrainTestlist --split=1
    yt8m train --train_data_pattern=tfds:ucf101/ucf101_1#train ...

The clips are those of UCF101.rar, the lists those of UCF101TrainTestSplits-RecognitionTask.zip. In
the data set every frame is an image, so that a few frames of a clip are read without decoding the
rest. That is faster than reading videos, and takes much more space: about 60 GB a split as JPEG,
and twice as much for some time while it is written.
"""

from __future__ import annotations

import os

from absl import flags, logging

from yt8m.base import define, jobs
from yt8m.data.read_log import FAIL, SKIP
from yt8m.data.video.video_log import VideoLog

_DATA_DIR = "TFDS_DATA_DIR"


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("video_dir", "Folder of the clips, in folders by class or without.")
    define.path("lists_dir", "Folder of the official lists: classInd.txt, trainlist01.txt...")
    define.choice("split", "Which of the three official splits.", "1", ["1", "2", "3"])
    define.path(
        "data_dir",
        "Folder of tensorflow-datasets.",
        os.environ.get(_DATA_DIR) or os.path.join("~", "tensorflow_datasets"),
    )
    define.choice(
        "encoding",
        "How frames are kept: jpeg of quality 95, or png, "
        "which loses nothing and takes about five times the space.",
        "jpeg",
        ["jpeg", "png"],
    )
    define.integer(
        "num_workers", "Processes that decode; by default one a core, 0 for none.", at_least=0
    )
    define.choice(
        "on_corrupt_shard",
        "What a clip that is missing or cannot be decoded "
        "does: skip leaves it out, warns and counts it; fail ends the job.",
        SKIP,
        [SKIP, FAIL],
    )


def main() -> None:
    """Prepares as the flags say."""
    args = flags.FLAGS
    builder = jobs.import_extra("yt8m.data.video.sources.ucf101_builder", "video")
    workers = jobs.import_extra("yt8m.data.video.workers", "video")
    number = workers.default_number() if args.num_workers is None else args.num_workers
    log = VideoLog(args.on_corrupt_shard)
    counts = builder.prepare(
        args.video_dir,
        args.lists_dir,
        int(args.split),
        args.data_dir,
        log.leave_out,
        args.encoding,
        number,
    )
    if log.lost:
        logging.warning("%s.", log.summary())
    found = ", ".join(f"{count} for {part}" for part, count in counts.items())
    print(
        f"Prepared {sum(counts.values())} clips ({found}), {len(log.lost)} left out: "
        f"tfds:ucf101/ucf101_{args.split}#train with {_DATA_DIR}={os.path.abspath(args.data_dir)}"
    )


if __name__ == "__main__":
    jobs.run(define_flags, main)
