"""Tables of text: submissions of videos and segments, manifests and official lists of videos."""

from __future__ import annotations

import functools
import json
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
    header = "path,label,group,split"
    if chance(dice, 0.5):  # Parts of two files, or whole ones.
        times = ["0,1.5", "1,", ",0.5", "2.25,9", ",", ","]
        places = [f"v{n % 2 if n < 4 else n}.mp4" for n in range(6)]
        lines = [
            f"{place},{line.split(',')[1]},g{place},x,{time}"
            for place, line, time in zip(places, lines, times, strict=True)
        ]
        header += ",start,end"
    text = "\n".join([header, *lines]) + "\n"
    (folder / IN / "clips.csv").write_bytes(damaged_text(dice, text.encode()))
    flags = {"input_manifest": f"{IN}/clips.csv", "output_file": f"{OUT}/clips.csv"}
    splits = pick(dice, ["train:0.7,validate:0.3", "a:0.5,b:0.5", "train:1"])
    return Case("yt8m.make_manifest", flags | {"splits": splits})


_LISTS = {
    "kinetics": {
        "train.csv": "label,youtube_id,time_start,time_end,split\n"
        "a b,v0,0,10,train\nc,v1,5,15,val\n"
    },
    "hmdb51": {"a_test_split1.txt": "v0.avi 1 \nv1.avi 2 \nv2.avi 0 \n"},
    "charades": {
        "Charades_v1_train.csv": "id,subject,script,actions\n"
        'v0,S,"a, b",c000 1.5 3;c001 2.0 9.25\n',
        "Charades_v1_classes.txt": "c000 Holding a cup\nc001 Opening a door\n",
    },
    "activitynet": {
        "a.json": json.dumps(
            {
                "taxonomy": [
                    {"nodeId": 0, "nodeName": "Root", "parentId": None},
                    {"nodeId": 1, "nodeName": "Surfing", "parentId": 0},
                ],
                "database": {
                    "v0": {
                        "subset": "training",
                        "annotations": [{"segment": [0.5, 3], "label": "Surfing"}],
                    }
                },
            },
            indent=1,
        )
    },
    "something_something": {
        "train.json": json.dumps([{"id": "v0", "template": "Moving [something]"}], indent=1)
    },
    "sports1m": {
        "train_partition.txt": "https://www.youtube.com/watch?v=v0 0,1\nhttp://a.b/?v=v1 1\n",
        "labels.txt": "boxing\nbowling\n",
    },
}


def _make_annotations(dice: Dice, folder: Path, samples: Samples) -> Case:
    dataset = pick(dice, _LISTS)
    changed = pick(dice, _LISTS[dataset])
    for name, text in _LISTS[dataset].items():
        data = damaged_text(dice, text.encode()) if name == changed else text.encode()
        (folder / IN / name).write_bytes(data)
    for number in range(3):
        (folder / IN / f"v{number}.avi").write_bytes(b"")
    flags = {"dataset": dataset, "annotations": IN, "video_dir": IN}
    if dataset == "activitynet" and chance(dice, 0.5):
        flags["taxonomy_level"] = "1"
    return Case("yt8m.make_manifest", flags | {"output_file": f"{OUT}/clips.csv"})


TARGETS = {
    "submissions": Target(functools.partial(_make_submission, kind=records.VIDEO)),
    "segment_submissions": Target(functools.partial(_make_submission, kind=records.SEGMENTS)),
    "manifests": Target(_make_manifest),
    "annotations": Target(_make_annotations),
}
