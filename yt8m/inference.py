r"""Writes a run's predictions over shards as a Kaggle submission.

    python -m yt8m.inference --train_dir=runs/moe --input_data_pattern='data/test*.tfrecord' \
        --output_file=submission.csv

It streams: memory does not grow with the number of videos. The file appears when it is whole.
"""

from __future__ import annotations

import keras
from absl import flags

from yt8m import evaluation, jobs, runs, submission
from yt8m.data.reader import Reader


def define_flags() -> None:
    """Defines the flags of this job."""
    jobs.define_path("train_dir", "Folder of the run.")
    flags.DEFINE_string("input_data_pattern", None, "Shards to predict.", required=True)
    jobs.define_path("output_file", "The submission to write.")
    flags.DEFINE_integer("top_k", 20, "Classes to write for each video.", lower_bound=1)
    jobs.define_data_flags(batch_size=1024)


def main() -> None:
    """Predicts as the flags say."""
    args = flags.FLAGS
    jobs.check_output_file(args.output_file)
    run = runs.load(args.train_dir)
    paths, found = jobs.open_shards(args.input_data_pattern)
    reader = Reader(
        paths,
        run.config.schema.match(found, args.input_data_pattern),
        run.config.num_classes,
        args.batch_size,
        max_frames=run.config.preprocessing["max_frames"],
        log=jobs.read_log(),
        **evaluation.static_shapes(),
    )
    count = write_submission(args.output_file, run.model, reader, args.top_k)
    print(f"Wrote the predictions of {count} videos: {args.output_file}")


def write_submission(path: str, model: keras.Model, reader: Reader, top_k: int) -> int:
    """Predicts every video of the shards and writes the file.

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
    count = 0
    with runs.atomic_file(path) as file:
        file.write(submission.HEADER + "\n")
        for batch in evaluation.batches(reader, "Predicting"):
            scores, classes = predict(batch)
            evaluation.check_finite(scores, batch, reader)
            ids = [i.decode(errors="surrogateescape") for i in batch["ids"]]
            file.writelines(submission.format_rows(ids, classes, scores))
            count += len(ids)
    return count


if __name__ == "__main__":
    jobs.run(define_flags, main)
