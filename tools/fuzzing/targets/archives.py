"""Files of arrays: a teacher's scores, the scores of views, checkpoints of TensorFlow 1."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.fuzzing import damaged_bytes, records
from tools.fuzzing.case import IN, OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.damaged_texts import damaged_text
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import reading_jobs, zips


def _make_teacher(dice: Dice, folder: Path, samples: Samples) -> Case:
    path = samples.teacher()
    shutil.copy(path.with_name("a.tfrecord"), folder / IN / "a.tfrecord")
    (folder / IN / path.name).write_bytes(zips.damaged_zip(dice, path.read_bytes()))
    return reading_jobs.training(samples, records.VIDEO, f"{IN}/a.tfrecord", teacher="t")


def _make_scores(dice: Dice, folder: Path, samples: Samples) -> Case:
    valid = samples.scores().read_bytes()
    for name in ("fit_a.npz", "fit_b.npz"):
        (folder / IN / name).write_bytes(samples.scores("w").read_bytes())
    (folder / IN / "a.npz").write_bytes(zips.damaged_zip(dice, valid))
    (folder / IN / "b.npz").write_bytes(valid)
    flags = {
        "scores": pick(dice, [f"{IN}/a.npz", f"{IN}/b.npz,{IN}/a.npz", f"{IN}/a.npz;{IN}/b.npz"])
    }
    if chance(dice, 0.3):
        flags["num_clips"] = pick(dice, [1, 2])
    if chance(dice, 0.3):
        flags |= {"method": "svm", "fit_scores": flags["scores"].replace(f"{IN}/", f"{IN}/fit_")}
    if ";" not in flags["scores"]:
        flags["output_file"] = f"{OUT}/fused.npz"
    return Case("yt8m.late_fusion", flags | {"results_file": f"{OUT}/results.json"})


def _make_tf1_checkpoint(dice: Dice, folder: Path, samples: Samples) -> Case:
    target = folder / IN / "tf1"
    shutil.copytree(samples.tf1_checkpoint(), target)
    names = ["model.ckpt-1.index", "model.ckpt-1.data-00000-of-00001"]
    checkpoint = f"{IN}/tf1/model.ckpt-1"
    if chance(dice, 0.3):
        names, checkpoint = ["checkpoint"], f"{IN}/tf1"
    path = target / pick(dice, names)
    damage = damaged_text if path.name == "checkpoint" else damaged_bytes.damaged
    path.write_bytes(damage(dice, path.read_bytes()))
    if not dice.is_sound and chance(dice, 0.03):
        path.unlink()
    flags = {
        "checkpoint": checkpoint,
        "model": "logistic",
        "num_classes": records.NUM_CLASSES,
        "feature_sizes": ",".join(map(str, records.SIZES.values())),
        "train_dir": f"{OUT}/run",
    }
    return Case("yt8m.import_checkpoint", flags)


TARGETS = {
    "teachers": Target(_make_teacher),
    "score_files": Target(_make_scores),
    "tf1_checkpoints": Target(_make_tf1_checkpoint),
}
