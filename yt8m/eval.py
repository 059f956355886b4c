"""Evaluates a run on shards: prints a table and writes eval/*.json and a CSV of the classes.

For example:

    python -m yt8m.eval --train_dir=runs/moe --eval_data_pattern='data/validate*.tfrecord'

With --segment_labels it evaluates the rated segments of YouTube-8M 2019. A run of raw video is
evaluated on a manifest, over --num_clips clips and --num_crops crops of each video; the scores of
all of them are kept in eval/*.scores.npz, see `yt8m.late_fusion`.
"""

from __future__ import annotations

import os
import time

from absl import flags

from yt8m import metrics, runs
from yt8m.base import define, files, jobs
from yt8m.data import segment_classes
from yt8m.data.reader import Reader
from yt8m.data.video.schema import CLIP
from yt8m.evaluation import predicting, report
from yt8m.evaluation import segments as segment_evaluation
from yt8m.evaluation import videos as video_evaluation
from yt8m.inputs import flags as input_flags
from yt8m.inputs import shards as shard_inputs

_POLL_SECONDS = 5.0


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.string("eval_data_pattern", "Shards or videos to evaluate on.", required=True)
    define.integer("top_k", "Predictions a video that GAP and mAP pool.", 20, at_least=1)
    define.boolean("segment_labels", "Evaluate the rated segments, by MAP@K.")
    define.path(
        "segment_label_ids_file", "Classes whose ratings count: a CSV with the header Index.", ""
    )
    define.boolean(
        "run_once", "Evaluate and end; if false, evaluate each new model of a training.", True
    )
    define.path("results_file", "Also write the metrics to this file, as JSON.", "")
    input_flags.define_data_flags(batch_size=None)
    input_flags.define_video_flags()


def main() -> None:
    """Evaluates as the flags say."""
    args = flags.FLAGS
    if args.segment_labels:
        jobs.refuse_flags(["top_k"], "with --segment_labels, where every rating counts")
    else:
        jobs.refuse_flags(["segment_label_ids_file"], "without --segment_labels")
    if args.results_file:
        jobs.check_output_file(args.results_file)
    takes_clips = runs.read_config(args.train_dir).schema.kind == CLIP
    input_flags.settle_batch_size(takes_clips)
    if takes_clips:
        jobs.refuse_flags(["segment_labels"], "for a run of raw video")
    else:
        jobs.refuse_flags(input_flags.OF_VIDEO, "for a run that takes shards; it is for raw video")

    def evaluate() -> None:
        of_run = (args.train_dir, args.eval_data_pattern, args.batch_size)
        if takes_clips:
            results = evaluate_clips(*of_run, args.top_k)
        elif args.segment_labels:
            results = evaluate_segments(*of_run, args.segment_label_ids_file)
        else:
            results = evaluate_run(*of_run, args.top_k)
        if args.results_file:
            files.write_json(args.results_file, results)

    # The time is taken before the model is read: one written meanwhile comes next.
    evaluated = _model_time(args.train_dir)
    evaluate()
    while not args.run_once:
        time.sleep(_POLL_SECONDS)
        written = _model_time(args.train_dir)
        if written not in (None, evaluated):
            evaluated = written
            evaluate()


def evaluate_run(train_dir: str, pattern: str, batch_size: int, top_k: int) -> dict:
    """Evaluates a run's model once, prints the metrics and writes them.

    Returns:
        The metrics by name.

    Raises:
        UserError: no run, no shards, or records that do not fit the model.
    """
    run = runs.load(train_dir)
    reader = shard_inputs.make_reader(run, pattern, batch_size, **predicting.static_shapes())
    state = video_evaluation.evaluate(run.model, reader, run.loss, top_k)
    return _write(run, reader, pattern, state, {"top_k": top_k})


def evaluate_segments(train_dir: str, pattern: str, batch_size: int, label_ids_file: str) -> dict:
    """Evaluates a run's model once on rated segments, prints the metrics and writes them.

    Args:
        train_dir: the run, trained on segments or on whole videos.
        pattern: shards with ratings.
        batch_size: segments a batch.
        label_ids_file: the classes whose ratings count; empty for all.

    Returns:
        The metrics by name.

    Raises:
        UserError: no run, no shards, or records that have no ratings or do not fit the model.
    """
    run = runs.load(train_dir)
    classes = None
    if label_ids_file:
        listed = segment_classes.read_label_ids(label_ids_file, run.config.num_classes)
        classes = tuple(listed.tolist())
    # Segments have one length; only the number of their ratings differs.
    shapes = predicting.static_shapes() | {"frame_multiple": 1}
    reader = shard_inputs.make_reader(
        run, pattern, batch_size, segment_labels=True, segment_classes=classes, **shapes
    )
    state = segment_evaluation.evaluate_segments(run.model, reader, run.loss)
    details = {"segment_labels": True, "segment_label_ids_file": label_ids_file}
    details["skipped_segments"] = reader.log.num_skipped_segments
    return _write(run, reader, pattern, state, details)


def evaluate_clips(train_dir: str, pattern: str, batch_size: int, top_k: int) -> dict:
    """Evaluates a run of raw video once, prints the metrics and writes them, and all scores.

    Returns:
        The metrics by name.

    Raises:
        UserError: no run, no videos, or videos that do not fit the model.
    """
    run = runs.load(train_dir)
    reader = jobs.import_extra("yt8m.inputs.clips", "video").run_reader(run, pattern, batch_size)
    name = report.timestamp()
    path = os.path.join(train_dir, runs.EVAL, f"{name}.scores.npz")
    clips = jobs.import_extra("yt8m.evaluation.clips", "video")
    state = clips.evaluate(run.model, reader, run.loss, top_k, path)
    results = _write(run, reader, pattern, state, {"top_k": top_k, "scores_file": path}, name)
    print(f"Kept the scores of all clips: {path}")
    return results


def _write(
    run: runs.Run,
    reader: Reader,
    pattern: str,
    state: metrics.Evaluation | metrics.SegmentEvaluation,
    details: dict,
    name: str | None = None,
) -> dict:
    """Prints the metrics, writes them to eval/ with the details, and returns them."""
    results = state.result()
    report.print_table(f"{run.config.model} on {pattern}", results)
    details = {"eval_data_pattern": pattern, "lost_records": reader.log.lost} | details
    folder = os.path.join(run.train_dir, runs.EVAL)
    path = report.write(folder, name or report.timestamp(), results | details, state.per_class())
    print(f"Wrote {path}")
    return results


def _model_time(train_dir: str) -> float | None:
    """When the run's model was written; None while there is none."""
    try:
        return os.path.getmtime(os.path.join(train_dir, runs.MODEL))
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    jobs.run(define_flags, main)
