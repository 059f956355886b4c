"""Evaluates a run on shards: prints a table and writes eval/*.json and a CSV of the classes.

For example:

    python -m yt8m.eval --train_dir=runs/moe --eval_data_pattern='data/validate*.tfrecord'
"""

from __future__ import annotations

import os
import time

from absl import flags

from yt8m import evaluation, jobs, report, runs
from yt8m.data.reader import Reader

_POLL_SECONDS = 5.0


def define_flags() -> None:
    """Defines the flags of this job."""
    jobs.define_path("train_dir", "Folder of the run.")
    flags.DEFINE_string("eval_data_pattern", None, "Shards to evaluate on.", required=True)
    flags.DEFINE_integer("top_k", 20, "Predictions a video that GAP and mAP pool.", lower_bound=1)
    flags.DEFINE_boolean(
        "run_once", True, "Evaluate and end; if false, evaluate each new model of a training."
    )
    jobs.define_data_flags(batch_size=1024)


def main() -> None:
    """Evaluates as the flags say."""
    args = flags.FLAGS
    # The time is taken before the model is read: one written meanwhile comes next.
    evaluated = _model_time(args.train_dir)
    evaluate_run(args.train_dir, args.eval_data_pattern, args.batch_size, args.top_k)
    while not args.run_once:
        time.sleep(_POLL_SECONDS)
        written = _model_time(args.train_dir)
        if written not in (None, evaluated):
            evaluated = written
            evaluate_run(args.train_dir, args.eval_data_pattern, args.batch_size, args.top_k)


def evaluate_run(train_dir: str, pattern: str, batch_size: int, top_k: int) -> dict:
    """Evaluates a run's model once, prints the metrics and writes them.

    Returns:
        The metrics by name.

    Raises:
        UserError: no run, no shards, or records that do not fit the model.
    """
    run = runs.load(train_dir)
    paths, found = jobs.open_shards(pattern)
    reader = Reader(
        paths,
        run.config.schema.match(found, pattern),
        run.config.num_classes,
        batch_size,
        max_frames=run.config.preprocessing["max_frames"],
        log=jobs.read_log(),
        **evaluation.static_shapes(),
    )
    state = evaluation.evaluate(run.model, reader, run.loss, top_k)
    results = state.result()
    report.print_table(f"{run.config.model} on {pattern}", results)
    details = {"eval_data_pattern": pattern, "top_k": top_k, "lost_records": reader.log.lost}
    folder = os.path.join(train_dir, runs.EVAL)
    path = report.write(folder, report.timestamp(), results | details, state.per_class())
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
