r"""Writes a run's predictions as a Kaggle submission or a Parquet table.

    yt8m inference --train_dir=runs/moe --input_data_pattern='data/test*.tfrecord' \
        --output_file=submission.csv

It streams: of each video only the id is kept. The file appears when it is whole. A file that ends
in .parquet is a table with a row a video and class instead: id, rank, class, score and, where the
run knows it, name.

A run of raw video takes a manifest; a video is called by its path there, and its scores are the
means over --num_clips clips and --num_crops crops.

With --segment_labels it cuts the videos into segments of 5 seconds and writes, of each class, the
best of them (YouTube-8M 2019): 8 bytes a class and segment to be written, and about 160 a video.
"""

from __future__ import annotations

import numpy as np
from absl import flags

from yt8m import runs
from yt8m.base import define, files, jobs, parquet
from yt8m.base.errors import UserError
from yt8m.data import segment_classes
from yt8m.inputs import flags as input_flags
from yt8m.inputs.shards import ShardInput
from yt8m.submissions import predict_segments, predict_videos


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.string("input_data_pattern", "Shards or videos to predict.", required=True)
    define.path("output_file", "The submission to write, or a .parquet.", any_bytes=True)
    define.integer("top_k", "Classes to write for each video.", 20, at_least=1)
    define.boolean("segment_labels", "Write the best segments of each class.")
    define.path(
        "segment_label_ids_file",
        "Classes to write segments of: a CSV with the header Index; by default all.",
        "",
        any_bytes=True,
    )
    define.integer("segment_max_pred", "Segments to write of each class.", 100_000, at_least=1)
    input_flags.define_data_flags(batch_size=None)
    input_flags.define_video_flags()


def main() -> None:
    """Predicts as the flags say."""
    args = flags.FLAGS
    files.check_output_file(args.output_file)
    config = runs.read_config(args.train_dir)
    takes_clips = config.takes_clips
    is_table = parquet.is_named(args.output_file)
    _refuse_what_means_nothing(takes_clips, args.segment_labels, is_table)
    names = runs.read_names(args.train_dir, config) if is_table else None
    batch_size = input_flags.batch_size(takes_clips)
    model = runs.load(args.train_dir).model
    if takes_clips:
        clips = jobs.import_extra("yt8m.inputs.clips", "video")
        source = clips.ClipInput.for_run(config, batch_size, input_flags.clip_settings())
        reader = source.open(args.input_data_pattern, with_labels=False)
        write = jobs.import_extra("yt8m.submissions.predict_clips", "video").write_clip_submission
        count = write(args.output_file, model, reader, args.top_k, names)
        print(f"Wrote the predictions of {count} videos: {args.output_file}")
        return
    source = ShardInput.for_run(config, batch_size, args.on_corrupt_shard)
    reader = source.open(args.input_data_pattern, with_labels=False)
    if args.segment_labels:
        path = args.segment_label_ids_file
        listed = segment_classes.read_if_given(path, config.num_classes)
        classes = np.arange(config.num_classes) if listed is None else np.array(listed)
        index = predict_segments.write_segment_submission(
            args.output_file, model, reader, classes, args.segment_max_pred
        )
        what = f"best of {len(index)} segments"
    else:
        count = predict_videos.write_video_submission(
            args.output_file, model, reader, args.top_k, names
        )
        what = f"predictions of {count} videos"
    print(f"Wrote the {what}: {args.output_file}")


def _refuse_what_means_nothing(takes_clips: bool, segment_labels: bool, is_table: bool) -> None:
    """Fails where a flag is given that would do nothing, or does not go with the file."""
    if segment_labels and is_table:
        raise UserError(
            "--segment_labels writes lists of segments, which a .parquet does not hold. Name an "
            "--output_file such as segments.csv."
        )
    if segment_labels:
        input_flags.refuse(["top_k"], "with --segment_labels, where classes have lists, not videos")
    else:
        input_flags.refuse(
            ["segment_label_ids_file", "segment_max_pred"], "without --segment_labels"
        )
    input_flags.refuse_for_run(takes_clips)


if __name__ == "__main__":
    jobs.run(define_flags, main)
