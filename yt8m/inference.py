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

import keras
import numpy as np
from absl import flags, logging

from yt8m import evaluation, jobs, runs, segment_submission, segments, submission
from yt8m.data.reader import Reader
from yt8m.data.video.schema import CLIP


def define_flags() -> None:
    """Defines the flags of this job."""
    jobs.define_path("train_dir", "Folder of the run.")
    flags.DEFINE_string("input_data_pattern", None, "Shards or videos to predict.", required=True)
    jobs.define_path("output_file", "The submission to write.")
    flags.DEFINE_integer("top_k", 20, "Classes to write for each video.", lower_bound=1)
    flags.DEFINE_boolean("segment_labels", False, "Write the best segments of each class.")
    jobs.define_path(
        "segment_label_ids_file",
        "Classes to write segments of: a CSV with the header Index; by default all.",
        "",
    )
    flags.DEFINE_integer(
        "segment_max_pred", 100_000, "Segments to write of each class.", lower_bound=1
    )
    jobs.define_data_flags(batch_size=None)
    jobs.define_video_flags()


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
    jobs.settle_batch_size(takes_clips)
    if takes_clips:
        jobs.refuse_flags(["segment_labels"], "for a run of raw video")
    run = runs.load(args.train_dir)
    of_run = (run, args.input_data_pattern, args.batch_size)
    if args.segment_labels:
        classes = _classes(args.segment_label_ids_file, run.config.num_classes)
        reader = jobs.make_reader(*of_run)
        index = segments.write_submission(
            args.output_file, run.model, reader, classes, args.segment_max_pred
        )
        what = f"best of {len(index)} segments"
    else:
        count = (_predict_clips if takes_clips else _predict)(args, run)
        what = f"predictions of {count} videos"
    print(f"Wrote the {what}: {args.output_file}")


def _predict(args, run: runs.Run) -> int:
    """Writes the predictions over shards, and returns the number of videos."""
    jobs.refuse_flags(jobs.OF_VIDEO, "for a run that takes shards; it is for raw video")
    reader = jobs.make_reader(
        run, args.input_data_pattern, args.batch_size, **evaluation.static_shapes()
    )
    return write_submission(args.output_file, run.model, reader, args.top_k)


def _predict_clips(args, run: runs.Run) -> int:
    """Writes the predictions over raw video, and returns the number of videos."""
    data = jobs.import_extra("yt8m.clip_data", "video")
    reader = data.run_reader(run, args.input_data_pattern, args.batch_size, with_labels=False)
    clips = jobs.import_extra("yt8m.clip_evaluation", "video")
    return clips.write_submission(args.output_file, run.model, reader, args.top_k)


def _classes(label_ids_file: str, num_classes: int) -> np.ndarray:
    """The classes to write segments of."""
    if not label_ids_file:
        return np.arange(num_classes)
    return segment_submission.read_label_ids(label_ids_file, num_classes)


def write_submission(path: str, model: keras.Model, reader: Reader, top_k: int) -> int:
    """Predicts every video of the shards and writes the file.

    A video counts once: later records of the same id are left out, and a warning counts them.

    Args:
        path: the file; it appears under this name when it is whole.
        model: from stored features to probabilities.
        reader: of the shards.
        top_k: classes a video, at most all.

    Returns:
        The number of videos.

    Raises:
        UserError: the file cannot be written, the records do not fit, or a score is NaN.
    """
    best = keras.ops.top_k(model.output, min(top_k, reader.num_classes))
    predict = evaluation.predictor(keras.Model(model.input, list(best)))
    known: set[bytes] = set()
    num_repeated = 0
    with runs.atomic_file(path) as file:
        file.write(submission.HEADER + "\n")
        for batch in evaluation.batches(reader, "Predicting"):
            scores, classes = predict(batch)
            evaluation.check_finite(scores, batch, reader)
            new = [row for row, name in enumerate(batch["ids"]) if not _is_known(name, known)]
            num_repeated += len(batch["ids"]) - len(new)
            ids = [i.decode(errors="surrogateescape") for i in batch["ids"][new]]
            file.writelines(submission.format_rows(ids, classes[new], scores[new]))
    if num_repeated:
        logging.warning(
            "%d records have the id of an earlier one; they are left out.", num_repeated
        )
    return len(known)


def _is_known(video_id: bytes, known: set[bytes]) -> bool:
    """Whether an id came before; from now on it has."""
    before = len(known)
    known.add(video_id)
    return len(known) == before


if __name__ == "__main__":
    jobs.run(define_flags, main)
