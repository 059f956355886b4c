"""The jobs that read shards, told to read those of a case."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.fuzzing import records
from tools.fuzzing.case import OUT, Case, Dice, pick
from tools.fuzzing.samples import Samples

# What a copy of a run consists of; a job that writes beside it and fails must take that away.
RUN_FILES = ("run/run.json", "run/model.keras")


def inference(samples: Samples, kind: str, pattern: str, **flags: object) -> Case:
    """Predicts into `out/submission.csv`."""
    given = {"train_dir": samples.run_dir(kind), "input_data_pattern": pattern}
    return Case("yt8m.inference", given | flags | {"output_file": f"{OUT}/submission.csv"})


def evaluation(samples: Samples, kind: str, folder: Path, pattern: str, **flags: object) -> Case:
    """Evaluates a copy of a run, in `out/run`."""
    copy_run(samples.run_dir(kind), folder / OUT / "run")
    given = {"train_dir": f"{OUT}/run", "eval_data_pattern": pattern}
    if kind == records.SEGMENTS:
        given["segment_labels"] = True
    return Case("yt8m.eval", given | flags, RUN_FILES)


def training(samples: Samples, kind: str, pattern: str, **flags: object) -> Case:
    """Trains into `out/run`, for a few steps."""
    model = "logistic" if kind == records.VIDEO else "average(head=logistic)"
    given = {"model": model, "train_data_pattern": pattern}
    if kind == records.SEGMENTS:
        given["segment_labels"] = True
    case = samples.training(f"{OUT}/run", **given, **flags)
    steps = {"max_steps": 2, "batch_size": 2}
    return Case(case.module, case.flags | steps, ("run/**/*",))


def any_job(dice: Dice, samples: Samples, kind: str, folder: Path, pattern: str) -> Case:
    """One of the jobs that read shards, at random."""
    flags = {"on_corrupt_shard": pick(dice, ["skip", "skip", "fail"])}
    name = pick(dice, ["inference", "eval", "train", "score", "teach", "quantize"])
    if name == "eval":
        return evaluation(samples, kind, folder, pattern, **flags)
    if name == "train":
        return training(samples, kind, pattern, **flags)
    if name == "score":
        flags |= {"submission_file": samples.submission(kind), "eval_data_pattern": pattern}
        return Case("yt8m.score", flags | {"num_classes": records.NUM_CLASSES})
    if name == "teach":
        flags |= {"train_dir": samples.run_dir(kind), "input_data_pattern": pattern}
        return Case("yt8m.teach", flags | {"output_dir": OUT}, ("*.npz",))
    if name == "quantize" and kind != records.VIDEO:
        to = "uint8" if kind == records.FLOATS else "float32"
        flags |= {"input_data_pattern": pattern, "output_dir": OUT, "to": to}
        return Case("yt8m.quantize_features", flags, ("*.tfrecord",))
    if kind == records.SEGMENTS and pick(dice, [True, False]):
        flags["segment_labels"] = True
    return inference(samples, kind, pattern, **flags)


def copy_run(source: Path, target: Path, *more: str) -> None:
    """Copies what a run needs, and further parts of it by name."""
    target.mkdir(parents=True)
    for name in ("run.json", "model.keras", *more):
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy(source / name, target / name)
