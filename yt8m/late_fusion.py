r"""Fuses the scores that several runs gave to the same videos, and tells what that is worth.

For example, the appearance and the motion of the three splits of UCF101, and their mean:

    yt8m late_fusion --weights=1,2 \
        --scores='rgb1.npz,flow1.npz;rgb2.npz,flow2.npz;rgb3.npz,flow3.npz'

The files hold the scores of every view of a video, as an evaluation of clips keeps them. One file
alone is judged as it is, or with fewer views:

    yt8m late_fusion --scores=rgb1.npz --num_clips=1 --num_crops=1
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from absl import flags

from yt8m.base import define, jobs
from yt8m.base import files as files_lib
from yt8m.base.errors import UserError
from yt8m.evaluation import report
from yt8m.fusion import methods
from yt8m.fusion import splits as score_splits
from yt8m.fusion.score_file import ScoreWriter
from yt8m.inputs import flags as input_flags
from yt8m.metrics.views import ViewEvaluation

AVERAGE = "average"
SVM = "svm"
# What is told of each run beside the fusion.
_OF_A_RUN = ("clip_hit_at_1", "video_hit_at_1", "video_hit_at_5", "num_clips", "num_crops")


def define_flags() -> None:
    """Defines the flags of this job."""
    define.string(
        "scores",
        "Files of scores, one a run, with commas between them; semicolons between "
        "splits, whose metrics are averaged.",
        required=True,
        any_bytes=True,
    )
    define.choice(
        "method",
        "The weighted mean of the runs' scores; or a linear SVM on them, L2-normalised and joined.",
        AVERAGE,
        [AVERAGE, SVM],
    )
    define.strings("weights", "Of average: a number a run; only the ratios matter. Default: equal.")
    define.string(
        "fit_scores",
        "Of svm: files as those of --scores, by the same runs of the training "
        "videos, on which the SVM is fitted.",
        any_bytes=True,
    )
    define.number("svm_c", "Of svm: the penalty of an error.", 1.0)
    define.integer(
        "num_clips", "Clips of a video that count, evenly spread; by default all.", at_least=1
    )
    define.integer(
        "num_crops", "Crops of a clip that count, the centre first; by default all.", at_least=1
    )
    define.integer("top_k", "Predictions a video that GAP and mAP pool.", 20, at_least=1)
    define.path(
        "output_file",
        "Also write the fused scores of the videos, as a file of scores.",
        "",
        any_bytes=True,
    )
    define.path("results_file", "Also write the metrics, as JSON.", "", any_bytes=True)


def main() -> None:
    """Fuses and judges as the flags say."""
    args = flags.FLAGS
    paths = score_splits.parse_files("scores", args.scores)
    fit_paths = parse_fit_files(args.method, args.fit_scores, paths)
    method = make_method(args.method, args.weights, args.svm_c, paths[0])
    check_outputs(args.output_file, args.results_file, paths, fit_paths)
    splits = score_splits.load(paths, args.num_clips, args.num_crops)
    fit_splits = score_splits.load(fit_paths, args.num_clips, args.num_crops) if fit_paths else []
    if fit_splits:
        score_splits.check_fit(splits, fit_splits)
    results = []
    for split, fit_split in zip(splits, fit_splits or [None] * len(splits), strict=True):
        fused = method.fuse(split, fit_split)
        results.append(judge(split, fused, args.method, args.top_k))
        report.print_table(f"{' + '.join(split.paths)} by {args.method}", results[-1])
    mean = mean_over_splits(results)
    if mean:
        report.print_table(f"Mean over {len(results)} splits", mean)
    if args.output_file:
        write_scores(args.output_file, splits[0], fused)
    if args.results_file:
        write_results(args.results_file, paths, results, mean)


def parse_fit_files(
    method: str, fit_scores: str | None, paths: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    """The files that the SVM of each split is fitted on; none for the average.

    Raises:
        UserError: they are missing, of other numbers than those of --scores, or a flag is given
            that has no meaning with the method.
    """
    if method == AVERAGE:
        input_flags.refuse(["fit_scores", "svm_c"], "without --method=svm")
        return ()
    input_flags.refuse(["weights"], "with --method=svm, which finds the weights")
    if not fit_scores:
        raise UserError(
            "--method=svm needs --fit_scores: the scores of the same runs on the training videos."
        )
    fit_paths = score_splits.parse_files("fit_scores", fit_scores)
    if list(map(len, fit_paths)) != list(map(len, paths)):
        raise UserError(
            "--fit_scores needs a file for each of --scores: as many splits, and as many runs in "
            f"each. Received: {len(fit_paths)} split(s) of {len(fit_paths[0])} for {len(paths)} of "
            f"{len(paths[0])}."
        )
    return fit_paths


def make_method(
    name: str, weights: Sequence[str] | None, svm_c: float, paths: Sequence[str]
) -> methods.Average | methods.LinearSvm:
    """What fuses.

    Raises:
        UserError: the weights or the penalty are wrong, or scikit-learn is not installed.
    """
    if name == SVM:
        return methods.LinearSvm(svm_c)
    return methods.Average(input_flags.parse_weights(weights, paths))


def check_outputs(
    output_file: str,
    results_file: str,
    paths: Sequence[Sequence[str]],
    fit_paths: Sequence[Sequence[str]],
) -> None:
    """Fails before the work where an output cannot be written or would replace another file.

    Raises:
        UserError: an output cannot be written or would replace a file, or the scores of more
            than one split would be written.
    """
    if output_file and len(paths) > 1:
        raise UserError(
            f"--output_file holds the scores of one split. Received: {len(paths)} splits in "
            "--scores. Fuse them one by one to write them."
        )
    taken = {os.path.realpath(path) for split in (*paths, *fit_paths) for path in split}
    for flag, path in {"output_file": output_file, "results_file": results_file}.items():
        if not path:
            continue
        files_lib.check_output_file(path)
        if os.path.realpath(path) in taken:
            raise UserError(
                f"--{flag}={path} is the name of another file of this job. Choose another name."
            )
        taken.add(os.path.realpath(path))


def judge(split: score_splits.Split, fused: np.ndarray, method: str, top_k: int) -> dict:
    """The metrics of a split by name: those of the fused scores, after the hits of each run.

    Of a single run that nothing is fitted on, all metrics, clip Hit@1 too.
    """
    alone = [each.evaluate(top_k).result() for each in split.views]
    if method == AVERAGE and len(alone) == 1:
        return alone[0]
    state = ViewEvaluation(len(split.classes), top_k)
    state.update(fused[:, None, None], split.labels)
    of_runs = {
        f"run_{number}_{name}": results[name]
        for number, results in enumerate(alone, 1)
        for name in _OF_A_RUN
    }
    # A fused video has no views.
    of_views = ("clip_hit_at_1", "num_clips", "num_crops")
    return of_runs | {k: v for k, v in state.result().items() if k not in of_views}


def mean_over_splits(results: Sequence[dict]) -> dict[str, float]:
    """The mean of each metric over several splits; empty for one. Counts have no mean."""
    if len(results) == 1:
        return {}
    names = [name for name in results[0] if all(isinstance(r[name], float) for r in results)]
    return {name: float(np.mean([r[name] for r in results])) for name in names}


def write_scores(path: str, split: score_splits.Split, fused: np.ndarray) -> None:
    """Writes fused scores as a file of scores with one view a video, to be fused again.

    Raises:
        UserError: it cannot be written.
    """
    with ScoreWriter(path, len(split.ids), 1, 1, split.classes) as writer:
        writer.add(split.ids, split.labels, fused[:, None, None])
    print(f"Wrote the scores of {len(split.ids)} videos: {path}")


def write_results(
    path: str, paths: Sequence[Sequence[str]], results: Sequence[dict], mean: dict
) -> None:
    """Writes the metrics of each split with its files, their mean, and the flags of the job.

    Raises:
        UserError: it cannot be written.
    """
    of_splits = [
        {"files": list(files)} | result for files, result in zip(paths, results, strict=True)
    ]
    files_lib.write_json(
        path, {"splits": of_splits, "mean": mean, "flags": input_flags.given_values()}
    )
    print(f"Wrote {path}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
