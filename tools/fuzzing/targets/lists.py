"""Lists of shards, label lists and vocabularies: small texts that name things."""

from __future__ import annotations

from pathlib import Path

from tools.fuzzing import records
from tools.fuzzing.case import IN, OUT, Case, Dice, Target, pick
from tools.fuzzing.damaged_texts import damaged_text
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import reading_jobs


def _make_shard_list(dice: Dice, folder: Path, samples: Samples) -> Case:
    kind = pick(dice, (records.VIDEO, records.BYTES))
    for name in ("a.tfrecord", "b 1.tfrecord"):
        (folder / IN / name).write_bytes(samples.shard(kind).read_bytes())
    text = f"# Shards.\na.tfrecord\n\nb*.tfrecord\n{folder / IN}/a.tfrecord\n"
    (folder / IN / "list.txt").write_bytes(damaged_text(dice, text.encode()))
    return reading_jobs.any_job(dice, samples, kind, folder, f"{IN}/list.txt")


def _make_label_list(dice: Dice, folder: Path, samples: Samples) -> Case:
    (folder / IN / "ids.csv").write_bytes(damaged_text(dice, b"Index\n4\n0\n1\n"))
    shard, kind = str(samples.shard(records.SEGMENTS)), records.SEGMENTS
    flags = {"segment_label_ids_file": f"{IN}/ids.csv", "segment_labels": True}
    job = pick(dice, ["eval", "inference", "score", "train"])
    if job == "eval":
        return reading_jobs.evaluation(samples, kind, folder, shard, **flags)
    if job == "inference":
        return reading_jobs.inference(samples, kind, shard, **flags)
    if job == "train":
        case = reading_jobs.training(samples, kind, shard)
        return Case(case.module, case.flags | flags, case.may_stay)
    flags |= {"submission_file": samples.submission(kind), "eval_data_pattern": shard}
    return Case("yt8m.score", flags | {"num_classes": records.NUM_CLASSES})


def _make_vocabulary(dice: Dice, folder: Path, samples: Samples) -> Case:
    lines = [f"{number},{pick(dice, ['Car', 'Ça va', ''])},/m/{number}" for number in range(5)]
    header = pick(dice, ["Index,Name,KnowledgeGraphId", "index,display_name,mid"])
    text = "\n".join([header, *lines]) + "\n"
    (folder / IN / "vocabulary.csv").write_bytes(damaged_text(dice, text.encode()))
    flags = {
        "train_dir": samples.run_dir(records.VIDEO),
        "output_dir": f"{OUT}/model",
        "vocabulary_file": f"{IN}/vocabulary.csv",
    }
    return Case("yt8m.export", flags)


TARGETS = {
    "shard_lists": Target(_make_shard_list),
    "label_lists": Target(_make_label_list),
    "vocabularies": Target(_make_vocabulary),
}
