"""Tables of text: submissions of videos and of segments, manifests of videos."""

from __future__ import annotations

import functools
from pathlib import Path

from tools.fuzzing import records
from tools.fuzzing.case import IN, OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.damaged_texts import damaged_text
from tools.fuzzing.samples import Samples


def _make_submission(dice: Dice, folder: Path, samples: Samples, kind: str) -> Case:
    valid = samples.submission(kind).read_bytes()
    (folder / IN / "a.csv").write_bytes(damaged_text(dice, valid))
    (folder / IN / "b.csv").write_bytes(valid)
    shard = str(samples.shard(kind))
    one = {"submission_file": f"{IN}/a.csv", "num_classes": records.NUM_CLASSES}
    job = pick(dice, ["score", "ensemble", "fit", "teach"])
    if job == "score":
        flags = {"eval_data_pattern": shard, "results_file": f"{OUT}/results.json"}
        return Case("yt8m.score", one | flags)
    if job == "teach" and kind == records.VIDEO:
        return Case("yt8m.teach", one | {"input_data_pattern": shard, "output_dir": OUT})
    flags = {"input_files": f"{IN}/*.csv", "output_file": f"{OUT}/joined.csv"}
    if job == "fit":
        flags |= {"fit_on": shard, "num_classes": records.NUM_CLASSES}
    elif chance(dice, 0.5):
        flags["method"] = pick(dice, ["geometric", "rank", "mean"])
    return Case("yt8m.ensemble", flags)


def _make_manifest(dice: Dice, folder: Path, samples: Samples) -> Case:
    lines = [f"v{n}.mp4,{pick(dice, ['a', 'b', 'a;b'])},g{n % 4},{'xy'[n % 2]}" for n in range(6)]
    text = "\n".join(["path,label,group,split", *lines]) + "\n"
    (folder / IN / "clips.csv").write_bytes(damaged_text(dice, text.encode()))
    flags = {"input_manifest": f"{IN}/clips.csv", "output_file": f"{OUT}/clips.csv"}
    splits = pick(dice, ["train:0.7,validate:0.3", "a:0.5,b:0.5", "train:1"])
    return Case("yt8m.make_manifest", flags | {"splits": splits})


TARGETS = {
    "submissions": Target(functools.partial(_make_submission, kind=records.VIDEO)),
    "segment_submissions": Target(functools.partial(_make_submission, kind=records.SEGMENTS)),
    "manifests": Target(_make_manifest),
}
