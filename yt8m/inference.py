r"""Writes a run's predictions over shards as a Kaggle submission.

    python -m yt8m.inference --train_dir=runs/moe --input_data_pattern='data/test*.tfrecord' \
        --output_file=submission.csv

It streams: of each video only the id is kept. The file appears when it is whole.

A run of raw video takes a manifest; a video is called by its path there, and its scores are the
means over --num_clips clips and --num_crops crops.

With --segment_labels it cuts the videos into segments of 5 seconds and writes, of each class, the
best of them (YouTube-8M 2019): 8 bytes a class and segment to be written, and about 160 a video.
"""

from __future__ import annotations

import numpy as np
from absl import flags

from yt8m import runs
from yt8m.base import define, jobs
from yt8m.data import segment_classes
from yt8m.data.video.schema import CLIP
from yt8m.evaluation import predicting
from yt8m.inputs import flags as input_flags
from yt8m.inputs import shards as shard_inputs
from yt8m.submissions import predict_segments
from yt8m.submissions.predict_videos import write_submission


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.string("input_data_pattern", "Shards or videos to predict.", required=True)
    define.path("output_file", "The submission to write.")
    define.integer("top_k", "Classes to write for each video.", 20, at_least=1)
    define.boolean("segment_labels", "Write the best segments of each class.")
    define.path(
        "segment_label_ids_file",
        "Classes to write segments of: a CSV with the header Index; by default all.",
        "",
    )
    define.integer("segment_max_pred", "Segments to write of each class.", 100_000, at_least=1)
    input_flags.define_data_flags(batch_size=None)
    input_flags.define_video_flags()


def main() -> None:
    """Predicts as the flags say."""
    args = flags.FLAGS
    if args.segment_labels:
        jobs.refuse_flags(["top_k"], "with --segment_labels, where classes have lists, not videos")
    else:
        jobs.refuse_flags(
            ["segment_label_ids_file", "segment_max_pred"], "without --segment_labels"
        )
    jobs.check_output_file(args.output_file)
    takes_clips = runs.read_config(args.train_dir).schema.kind == CLIP
    input_flags.settle_batch_size(takes_clips)
    if takes_clips:
        jobs.refuse_flags(["segment_labels"], "for a run of raw video")
    run = runs.load(args.train_dir)
    of_run = (run, args.input_data_pattern, args.batch_size)
    if args.segment_labels:
        classes = _classes(args.segment_label_ids_file, run.config.num_classes)
        reader = shard_inputs.make_reader(*of_run)
        index = predict_segments.write_submission(
            args.output_file, run.model, reader, classes, args.segment_max_pred
        )
        what = f"best of {len(index)} segments"
    else:
        count = (_predict_clips if takes_clips else _predict)(args, run)
        what = f"predictions of {count} videos"
    print(f"Wrote the {what}: {args.output_file}")


def _predict(args, run: runs.Run) -> int:
    """Writes the predictions over shards, and returns the number of videos."""
    jobs.refuse_flags(input_flags.OF_VIDEO, "for a run that takes shards; it is for raw video")
    reader = shard_inputs.make_reader(
        run, args.input_data_pattern, args.batch_size, **predicting.static_shapes()
    )
    return write_submission(args.output_file, run.model, reader, args.top_k)


def _predict_clips(args, run: runs.Run) -> int:
    """Writes the predictions over raw video, and returns the number of videos."""
    data = jobs.import_extra("yt8m.inputs.clips", "video")
    reader = data.run_reader(run, args.input_data_pattern, args.batch_size, with_labels=False)
    clips = jobs.import_extra("yt8m.submissions.predict_clips", "video")
    return clips.write_submission(args.output_file, run.model, reader, args.top_k)


def _classes(label_ids_file: str, num_classes: int) -> np.ndarray:
    """The classes to write segments of."""
    if not label_ids_file:
        return np.arange(num_classes)
    return segment_classes.read_label_ids(label_ids_file, num_classes)


if __name__ == "__main__":
    jobs.run(define_flags, main)
