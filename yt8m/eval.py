"""Evaluates a run on shards or on raw video: prints its metrics and writes them to eval/.

For example:

    yt8m eval --train_dir=runs/moe --eval_data_pattern='data/validate*.tfrecord'

The files are eval/*.json, the metrics, and eval/*-classes.csv, a line for each class.

With --segment_labels it evaluates the rated segments of YouTube-8M 2019. A run of raw video is
evaluated on a manifest, over --num_clips clips and --num_crops crops of each video; the scores of
all of them are kept in eval/*.scores.npz, see `yt8m late_fusion`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from absl import flags

from yt8m import runs
from yt8m.base import define, files, jobs
from yt8m.evaluation import report
from yt8m.evaluation.examples import Examples
from yt8m.evaluation.segments import SegmentExamples
from yt8m.evaluation.videos import VideoExamples
from yt8m.inputs import flags as input_flags

_POLL_SECONDS = 5.0


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.string("eval_data_pattern", "Shards or videos to evaluate on.", required=True)
    define.integer("top_k", "Predictions a video that GAP and mAP pool.", 20, at_least=1)
    define.boolean("segment_labels", "Evaluate the rated segments, by MAP@K.")
    define.path(
        "segment_label_ids_file",
        "Classes whose ratings count: a CSV with the header Index.",
        "",
        any_bytes=True,
    )
    define.boolean(
        "run_once", "Evaluate and end; if false, evaluate each new model of a training.", True
    )
    define.path("results_file", "Also write the metrics to this file, as JSON.", "", any_bytes=True)
    input_flags.define_data_flags(batch_size=None)
    input_flags.define_video_flags()


def main() -> None:
    """Evaluates as the flags say."""
    args = flags.FLAGS
    if args.results_file:
        files.check_output_file(args.results_file)
    takes_clips = runs.read_config(args.train_dir).takes_clips
    _refuse_what_means_nothing(takes_clips, args.segment_labels)
    batch_size = input_flags.batch_size(takes_clips)

    def examples_of(config: runs.RunConfig) -> Examples:
        if takes_clips:
            kind = jobs.import_extra("yt8m.evaluation.clips", "video").ClipExamples
            return kind.for_run(config, batch_size, input_flags.clip_settings(), args.top_k)
        if args.segment_labels:
            path = args.segment_label_ids_file
            return SegmentExamples.for_run(config, batch_size, args.on_corrupt_shard, path)
        return VideoExamples.for_run(config, batch_size, args.on_corrupt_shard, args.top_k)

    # The time is taken before the model is read: one written meanwhile comes next.
    evaluated = _model_time(args.train_dir)
    evaluate(args.train_dir, examples_of, args.eval_data_pattern, args.results_file)
    while not args.run_once:
        time.sleep(_POLL_SECONDS)
        written = _model_time(args.train_dir)
        if written not in (None, evaluated):
            evaluated = written
            evaluate(args.train_dir, examples_of, args.eval_data_pattern, args.results_file)


def evaluate(
    train_dir: str,
    examples_of: Callable[[runs.RunConfig], Examples],
    pattern: str,
    results_file: str = "",
) -> dict:
    """Evaluates a run's model once, prints the metrics and writes them to the run's eval/.

    Args:
        train_dir: the run.
        examples_of: what a run is judged by; a training that began anew has made another run.
        pattern: names the examples.
        results_file: another file for the metrics, as JSON; empty for none.

    Returns:
        The metrics by name.

    Raises:
        UserError: no run, nothing to read, or examples that do not fit the model.
    """
    run = runs.load(train_dir)
    examples = examples_of(run.config)
    reader = examples.open(pattern)
    folder, name = os.path.join(train_dir, runs.EVAL), report.timestamp()
    kept = os.path.join(folder, name)
    state = examples.judge(run.model, reader, run.loss, kept)
    results = state.result()
    report.print_table(f"{run.config.model} on {pattern}", results)
    details = {"eval_data_pattern": pattern, "lost": reader.log.lost}
    details |= examples.details(reader, kept)
    names = runs.read_names(train_dir, run.config)
    path = report.write(folder, name, results | details, state.per_class(), names)
    print(f"Wrote {path}")
    if "scores_file" in details:
        print(f"Kept the scores of all clips: {details['scores_file']}")
    if results_file:
        files.write_json(results_file, results)
    return results


def _refuse_what_means_nothing(takes_clips: bool, segment_labels: bool) -> None:
    """Fails where a flag is given that would do nothing."""
    if segment_labels:
        input_flags.refuse(["top_k"], "with --segment_labels, where every rating counts")
    else:
        input_flags.refuse(["segment_label_ids_file"], "without --segment_labels")
    input_flags.refuse_for_run(takes_clips)


def _model_time(train_dir: str) -> float | None:
    """When the run's model was written; None while there is none."""
    try:
        return os.path.getmtime(os.path.join(train_dir, runs.MODEL))
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    jobs.run(define_flags, main)
