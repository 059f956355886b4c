r"""Joins the submissions of several models into one that is better than each.

For example, with weights that are fitted where labels are known and used where they are not:

    yt8m ensemble --input_files='validate_*.csv' --fit_on='data/validate*.tfrecord' \
        --output_file=validate.csv
    yt8m ensemble --input_files='test_*.csv' --weights=0.6,0.4 --output_file=test.csv

The files are of videos or, as in 2019, of segments; their first lines say which.
"""

from __future__ import annotations

import glob
import os

from absl import flags
from rich.console import Console
from rich.table import Table

from yt8m.base import define, files, jobs, text_files
from yt8m.base.errors import UserError
from yt8m.data.read_log import ReadLog
from yt8m.data.reader import Reader
from yt8m.ensembling import objectives
from yt8m.ensembling.fitting import Fit, fit
from yt8m.ensembling.segments import SegmentEnsemble
from yt8m.ensembling.videos import METHODS, VideoEnsemble
from yt8m.inputs import flags as input_flags
from yt8m.inputs import shards as shard_inputs
from yt8m.metrics.segment_metrics import CUT
from yt8m.submissions import score_segments, segment_file, video_file

# Where no shards tell the vocabulary, any class below this is taken.
_MOST_CLASSES = 1 << 20


def define_flags() -> None:
    """Defines the flags of this job."""
    define.string(
        "input_files",
        "Submissions: globs, with commas between them.",
        required=True,
        any_bytes=True,
    )
    define.path("output_file", "The submission to write.", any_bytes=True)
    define.choice(
        "method",
        "Of the scores: the arithmetic or the geometric mean; or the mean of scores made from the "
        "ranks in each file.",
        "mean",
        METHODS,
    )
    define.strings(
        "weights", "A number a file, in their order; only the ratios matter. Default: equal."
    )
    define.string(
        "fit_on", "Labelled shards of these videos: finds the weights that score best there."
    )
    define.integer("top_k", "Classes to write for each video.", 20, at_least=1)
    define.integer("segment_max_pred", "Segments to write for each class.", CUT, at_least=1)
    define.integer(
        "num_classes",
        "Size of the vocabulary; by default that of the shards of --fit_on, and without these any.",
        at_least=1,
    )
    define.path(
        "results_file", "Also write what --fit_on found to this file, as JSON.", "", any_bytes=True
    )
    input_flags.define_data_flags(batch_size=1024)


def main() -> None:
    """Joins submissions as the flags say."""
    args = flags.FLAGS
    paths = input_files(args.input_files)
    check_output(args.output_file, paths)
    if args.results_file:
        files.check_output_file(args.results_file)
    of_segments = are_of_segments(paths)
    _refuse_flags(of_segments, args.fit_on)
    weights = input_flags.parse_weights(args.weights, paths)
    num_classes = args.num_classes or _MOST_CLASSES
    if args.fit_on:
        log = ReadLog(args.on_corrupt_shard)
        reader = _label_reader(of_segments, args.fit_on, args.num_classes, args.batch_size, log)
        num_classes = reader.num_classes
    ensemble = (SegmentEnsemble if of_segments else VideoEnsemble)(paths, args.method, num_classes)
    if args.fit_on:
        if of_segments:
            objective = objectives.segment_objective(ensemble, reader)
        else:
            objective = objectives.video_objective(ensemble, reader, args.top_k)
        fitted = fit(objective, len(paths))
        print_fit(f"{objective.title} of {args.fit_on}", paths, fitted)
        if args.results_file:
            files.write_json(args.results_file, results_of(paths, fitted))
        weights = fitted.weights / fitted.weights.max()
    most = args.segment_max_pred if of_segments else args.top_k
    count = ensemble.write(args.output_file, weights, most)
    print(f"Wrote {count} {'classes' if of_segments else 'videos'}: {args.output_file}")


def _label_reader(
    of_segments: bool, pattern: str, num_classes: int | None, batch_size: int, log: ReadLog
) -> Reader:
    """A reader of the labels of shards, or of the ratings of their segments.

    Raises:
        UserError: nothing matches, nothing can be read, or the records have no ratings.
    """
    paths, schema = shard_inputs.open_shards(pattern)
    num_classes = num_classes or schema.default_num_classes()
    settings = {"batch_size": batch_size, "log": log}
    if of_segments:
        return score_segments.rating_reader(paths, schema, num_classes, **settings)
    return Reader(paths, schema.labels_only(), num_classes, **settings)


def _refuse_flags(of_segments: bool, fit_on: str | None) -> None:
    """Fails where a flag is given that would do nothing."""
    if of_segments:
        input_flags.refuse(["top_k"], "for files of segments, which --segment_max_pred cuts")
    else:
        input_flags.refuse(["segment_max_pred"], "for files of videos, which --top_k cuts")
    if fit_on:
        input_flags.refuse(["weights"], "with --fit_on, which finds the weights")
    else:
        reading = ["batch_size", "on_corrupt_shard", "results_file"]
        input_flags.refuse(reading, "without --fit_on, which reads")


def input_files(pattern: str) -> list[str]:
    """Lists the files that globs name, sorted within each glob.

    Args:
        pattern: globs with commas between them.

    Raises:
        UserError: a glob matches nothing, or a file is named twice.
    """
    paths: list[str] = []
    for part in filter(None, (part.strip() for part in pattern.split(","))):
        name = os.path.expanduser(part)
        found = [name] if os.path.exists(name) else sorted(glob.glob(name))
        if not found:
            raise UserError(f"No file matches {name} in --input_files. Check the name.")
        paths += found
    if not paths:
        raise UserError("--input_files is empty. Name submissions, such as a.csv,b.csv.")
    real = [os.path.realpath(path) for path in paths]
    twice = next((path for path, name in zip(paths, real, strict=True) if real.count(name) > 1), "")
    if twice:
        raise UserError(
            f"--input_files names {twice} twice. Name it once, and give it a larger weight."
        )
    return paths


def check_output(path: str, inputs: list[str]) -> None:
    """Fails before the work where the output cannot be written, or would replace an input.

    Raises:
        UserError: the output cannot be written, or is an input.
    """
    files.check_output_file(path)
    if os.path.realpath(path) in map(os.path.realpath, inputs):
        raise UserError(f"--output_file={path} is one of the --input_files. Choose another name.")


def are_of_segments(paths: list[str]) -> bool:
    """Whether submissions are of segments; otherwise they are of videos.

    Raises:
        UserError: a file cannot be read, is no submission, or is of another kind than the first.
    """
    kinds = []
    for path in paths:
        header = video_file.read_header(path)
        if header not in (video_file.HEADER, segment_file.HEADER):
            raise UserError(
                f"{path} is no submission: its first line must be {video_file.HEADER}, or "
                f"{segment_file.HEADER} for segments. Received: {header[:80]!r}."
            )
        if text_files.is_packed(path):
            raise UserError(
                f"{path} is compressed with gzip, in which rows cannot be found. Unpack it first, "
                "such as with `gunzip`."
            )
        kinds.append(header == segment_file.HEADER)
    if len(set(kinds)) > 1:
        other = paths[kinds.index(not kinds[0])]
        names = ("videos", "segments")
        raise UserError(
            f"{paths[0]} is a submission of {names[kinds[0]]}, and {other} one of "
            f"{names[not kinds[0]]}. Join those of one kind."
        )
    return kinds[0]


def results_of(paths: list[str], fitted: Fit) -> dict[str, object]:
    """What each file, equal weights and the fitted ones are worth, as JSON values."""
    return {
        "files": [
            {"file": path, "weight": float(weight), "alone": float(alone)}
            for path, weight, alone in zip(paths, fitted.weights, fitted.alone, strict=True)
        ],
        "equal_weights": float(fitted.equal),
        "these_weights": float(fitted.value),
    }


def print_fit(title: str, paths: list[str], fitted: Fit) -> None:
    """Prints what each file, equal weights and the fitted ones are worth."""
    print(title)
    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("weight", justify="right")
    table.add_column("alone", justify="right")
    weights = [f"{weight:.6g}" for weight in fitted.weights]
    for path, weight, alone in zip(paths, weights, fitted.alone, strict=True):
        table.add_row(path, weight, f"{alone:.5f}")
    table.add_section()
    table.add_row("all, equal weights", "", f"{fitted.equal:.5f}")
    table.add_row("all, these weights", "", f"{fitted.value:.5f}")
    Console().print(table)
    print(f"For files of the same models in the same order: --weights={','.join(weights)}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
