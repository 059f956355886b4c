"""Manifests of folders, manifests and UCF101's lists, and groups dealt out to splits."""

import csv
import functools
import json
import os
import re
from pathlib import Path

import pytest
from absl import flags
from paths import SHARED

from yt8m import make_manifest
from yt8m.base.errors import UserError
from yt8m.data.video.sources import manifest

REAL = SHARED / "data" / "clips"
TWO = {"train": 0.7, "validate": 0.3}


_DEFINERS = ("DEFINE", "DEFINE_string", "DEFINE_list", "DEFINE_integer", "DEFINE_enum")


@pytest.fixture
def run(monkeypatch, capsys):
    """Returns a function that runs the tool with flags and returns what it printed."""

    def function(**given: object) -> str:
        values = flags.FlagValues()
        with monkeypatch.context() as patch:
            patch.setattr(flags, "FLAGS", values)
            for name in _DEFINERS:
                define = functools.partial(getattr(flags, name), flag_values=values)
                patch.setattr(flags, name, define)
            make_manifest.define_flags()
            values(["tool", *(f"--{name}={value}" for name, value in given.items())])
            make_manifest.main()
        return capsys.readouterr().out

    return function


def make(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return str(folder)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_class_folders(run, tmp_path):
    names = ("run/a_c1.mp4", "run/deep/b_c1.AVI", "run/a_c2.mp4", "sit/c,d_c1.webm")
    others = ("notes.txt", "run/thumb.jpg", ".hidden.mp4", "sit/.part/x.mp4")
    folder = make(tmp_path / "clips", *names, *others)
    output = tmp_path / "lists" / "all.csv"
    printed = run(video_dir=folder, output_file=output, group_pattern=r"(\w)_c\d")
    assert printed == (
        "Groups are by --group_pattern='(\\w)_c\\d'.\n"
        f"Wrote {output}: 4 videos, 3 groups, 2 classes\n"
    )
    assert rows(output) == [
        {"path": "../clips/run/a_c1.mp4", "label": "run", "group": "a"},
        {"path": "../clips/run/a_c2.mp4", "label": "run", "group": "a"},
        {"path": "../clips/run/deep/b_c1.AVI", "label": "run", "group": "b"},
        {"path": "../clips/sit/c,d_c1.webm", "label": "sit", "group": "d"},
    ]
    assert all(os.path.exists(video.path) for video in manifest.read(str(output)))


def test_without_a_pattern_each_video_is_a_group_and_a_flat_folder_has_no_labels(run, tmp_path):
    folder = make(tmp_path / "clips", "b.mp4", "a.mp4")
    printed = run(video_dir=folder, output_file=tmp_path / "all.csv")
    assert "2 videos, 2 groups, 0 classes" in printed
    videos = manifest.read(str(tmp_path / "all.csv"))
    assert [(v.id, v.labels, v.group) for v in videos] == [
        (f"clips/{name}", (), str(tmp_path / "clips" / name)) for name in ("a.mp4", "b.mp4")
    ]


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ([f"run/v_Run_g{g:02d}_c{c:02d}.avi" for g in (1, 2) for c in (1, 2, 3)], 2),
        ([f"run/Film_run_f_cm_np1_ba_goo_{c}.avi" for c in range(4)], 1),
        ([f"run/---QUuC4vJs_{s:06d}_{s + 10:06d}.mp4" for s in (84, 120)], 1),
        ([f"run/{name}.mp4" for name in "abcd"], None),
        ([f"run/v_Run_g{g:02d}_c01.avi" for g in (1, 2)], None),
    ],
)
def test_videos_that_are_each_alone_are_said_and_a_pattern_is_proposed(
    names, groups, run, tmp_path, caplog
):
    folder = make(tmp_path / "clips", *names)
    flags = {"video_dir": folder, "output_file": tmp_path / "all.csv"}
    printed = run(**flags)
    assert "Each video is a group of its own: there is no --group_pattern." in printed
    pattern = re.search(r"--group_pattern='(.*)' makes (\d+) groups", printed)
    assert not caplog.text
    if groups is None:
        assert pattern is None
    else:
        assert int(pattern[2]) == groups
        printed = run(**flags, group_pattern=pattern[1])
        assert f"{len(names)} videos, {groups} groups" in printed
        assert "Groups are by --group_pattern=" in printed
    run(**flags, splits="train:0.5,validate:0.5")
    assert f"Each of the {len(names)} videos is a group of its own" in caplog.text
    assert ("--group_pattern='" in caplog.text) == (groups is not None)


def test_a_manifest_gets_new_splits_and_keeps_the_rest(run, tmp_path):
    content = "label,path,group,split\n" + "".join(
        f"{'x;y' if i % 2 else 'y'},v{i}.mp4,g{i // 2},old\n" for i in range(20)
    )
    (tmp_path / "old.csv").write_text(content)
    (tmp_path / "new").mkdir()
    output = tmp_path / "new" / "new.csv"
    given = {"input_manifest": tmp_path / "old.csv", "splits": "train:0.7,validate:0.3"}
    printed = run(**given, output_file=output)
    first, *parts = printed.splitlines()
    assert first == f"Wrote {output}: 20 videos, 10 groups, 2 classes"
    assert sorted(parts) == [
        "  train: 14 videos, 7 groups, 2 classes",
        "  validate: 6 videos, 3 groups, 2 classes",
    ]
    old, new = (manifest.read(str(path)) for path in (tmp_path / "old.csv", output))
    assert [(v.path, v.labels, v.group) for v in old] == [
        (os.path.normpath(v.path), v.labels, v.group) for v in new
    ]
    run(**given, output_file=tmp_path / "same.csv")
    assert [row["split"] for row in rows(tmp_path / "same.csv")] == [v.split for v in new]
    run(**given, output_file=tmp_path / "other.csv", seed=1)
    assert [row["split"] for row in rows(tmp_path / "other.csv")] != [v.split for v in new]


def test_a_group_that_is_named_as_one_of_its_videos_stays_together(run, tmp_path):
    lines = "path,label,group\na.mp4,x,a.mp4\nb.mp4,x,a.mp4\nc.mp4,x,c.mp4\n"
    (tmp_path / "old.csv").write_text(lines)
    output = tmp_path / "new.csv"
    run(input_manifest=tmp_path / "old.csv", output_file=output, splits="train:.5,test:.5")
    a, b, c = manifest.read(str(output))
    assert (a.group, b.group, a.split) == ("a.mp4", "a.mp4", b.split)


def test_the_lists_of_ucf101(run, tmp_path, caplog):
    lists = tmp_path / "lists"
    make(lists, "classInd.txt", "trainlist03.txt", "testlist03.txt")
    (lists / "classInd.txt").write_text("1 Archery\n")
    (lists / "trainlist03.txt").write_text("Archery/v_Archery_g01_c01.avi 1\n")
    (lists / "testlist03.txt").write_text(
        "Archery/v_Archery_g02_c01.avi\nArchery/v_Archery_g02_c02.avi\n"
    )
    folder = make(tmp_path / "ucf", "v_Archery_g01_c01.avi", "v_Archery_g02_c01.avi")
    output = tmp_path / "ucf.csv"
    printed = run(video_dir=folder, ucf101_lists=lists, ucf101_split=3, output_file=output)
    assert "2 videos, 2 groups, 1 classes" in printed
    assert rows(output) == [
        {"path": f"ucf/v_Archery_{group}_c01.avi", "label": "Archery",
         "group": f"Archery_{group}", "split": split}
        for group, split in (("g01", "train"), ("g02", "test"))
    ]  # fmt: skip
    assert "1 of the 3 clips of split 3 are not in" in caplog.text
    assert "Archery/v_Archery_g02_c02.avi" in caplog.text


def test_the_lists_of_a_data_set(run, tmp_path, caplog):
    lists = tmp_path / "lists"
    lists.mkdir()
    header = "label,youtube_id,time_start,time_end,split\n"
    (lists / "train.csv").write_text(header + "run,abc,5,15,train\nrun,gone,0,10,train\n")
    (lists / "val.csv").write_text(header + "air drumming,def,0,10,val\n")
    folder = make(tmp_path / "videos", "air_drumming/def_000000_000010.mp4", "abc.mp4")
    output = tmp_path / "kinetics.csv"
    printed = run(video_dir=folder, dataset="kinetics", annotations=lists, output_file=output)
    assert "2 videos, 2 groups, 2 classes" in printed
    assert output.read_text() == (
        "path,label,group,split,start,end\n"
        "videos/abc.mp4,run,abc,train,5,15\n"
        "videos/air_drumming/def_000000_000010.mp4,air drumming,def,val,,\n"
    )
    assert "1 of the 3 videos of the lists are not in" in caplog.text
    assert "left out: gone_000000_000010" in caplog.text


def test_the_split_and_the_level_of_a_data_set(run, tmp_path):
    folder = make(tmp_path / "videos", "A_wave_u_nm_np1_fr_med_0.avi", "v_abc.mp4")
    (tmp_path / "wave_test_split3.txt").write_text("A_wave_u_nm_np1_fr_med_0.avi 2 \n")
    nodes = [("Root", 1, None), ("Sports", 2, 1), ("Surfing", 3, 2)]
    names = ("nodeName", "nodeId", "parentId")
    about = {"subset": "training", "annotations": [{"segment": [0, 1], "label": "Surfing"}]}
    taxonomy = [dict(zip(names, node, strict=True)) for node in nodes]
    (tmp_path / "a.json").write_text(json.dumps({"taxonomy": taxonomy, "database": {"abc": about}}))
    common = {"video_dir": folder, "output_file": tmp_path / "out.csv"}
    run(dataset="hmdb51", annotations=tmp_path, dataset_split=3, **common)
    assert rows(tmp_path / "out.csv")[0]["split"] == "test"
    run(dataset="activitynet", annotations=tmp_path / "a.json", taxonomy_level=1, **common)
    assert rows(tmp_path / "out.csv")[0]["label"] == "Sports"


def test_parts_of_a_file_go_to_one_split(run, tmp_path):
    times = "path,label,group,start,end\n"
    lines = [f"{name}.mp4,{'xy'[i % 2]},,{i},{i + 1}\n" for name in "abcd" for i in range(3)]
    (tmp_path / "old.csv").write_text(times + "".join(lines))
    output = tmp_path / "new.csv"
    given = {"input_manifest": tmp_path / "old.csv", "output_file": output}
    assert "12 videos, 4 groups" in run(**given, splits="train:.5,test:.5")
    found = rows(output)
    assert [(r["start"], r["end"], r["group"]) for r in found[:2]] == [
        ("0", "1", ""),
        ("1", "2", ""),
    ]
    assert len({(row["path"], row["split"]) for row in found}) == 4


def test_behind_a_link_paths_are_absolute(run, tmp_path):
    folder = make(tmp_path / "clips", "x/a.mp4")
    (tmp_path / "far" / "away").mkdir(parents=True)
    os.symlink(tmp_path / "far" / "away", tmp_path / "link")
    run(video_dir=folder, output_file=tmp_path / "link" / "a.csv")
    assert rows(tmp_path / "link" / "a.csv")[0]["path"] == f"{folder}/x/a.mp4"


def test_links_to_folders_above_are_no_endless_way(run, tmp_path):
    folder = make(tmp_path / "clips", "x/a.mp4")
    os.symlink(folder, tmp_path / "clips" / "x" / "up")
    os.symlink(tmp_path / "clips" / "x", tmp_path / "clips" / "x" / "same")
    assert ": 1 videos" in run(video_dir=folder, output_file=tmp_path / "a.csv")


@pytest.mark.parametrize("given, parts", [
    ({}, ("Give either --video_dir or --input_manifest",)),
    ({"video_dir": "clips", "input_manifest": "m.csv"}, ("Give either",)),
    ({"input_manifest": "m.csv"}, ("--input_manifest needs --splits",)),
    ({"input_manifest": "m.csv", "splits": "a:1", "group_pattern": "a"}, ("--group_pattern",)),
    ({"input_manifest": "out.csv", "splits": "a:1"}, ("out.csv would be overwritten",)),
    ({"video_dir": "clips", "output_file": "out.txt"}, (".csv", "--output_file=out.txt")),
    ({"video_dir": "clips", "seed": 3}, ("--seed has no meaning without --splits",)),
    ({"video_dir": "clips", "ucf101_split": 2}, ("--ucf101_split", "without --ucf101_lists")),
    ({"video_dir": "clips", "ucf101_lists": "l", "splits": "a:1"}, ("--splits", "--ucf101_lists")),
    ({"video_dir": "clips", "dataset": "kinetics"}, ("--dataset and --annotations go together",)),
    ({"video_dir": "clips", "annotations": "l"}, ("--dataset and --annotations go together",)),
    ({"input_manifest": "m.csv", "splits": "a:1", "dataset": "kinetics"}, ("--dataset has no",)),
    ({"video_dir": "clips", "dataset": "kinetics", "annotations": "l", "splits": "a:1"},
     ("--splits", "with --dataset")),
    ({"video_dir": "clips", "dataset": "kinetics", "annotations": "l", "dataset_split": 2},
     ("--dataset_split", "for another --dataset than hmdb51 or ucf101")),
    ({"video_dir": "clips", "dataset_split": 2}, ("--dataset_split",)),
    ({"video_dir": "clips", "dataset": "hmdb51", "annotations": "l", "taxonomy_level": 2},
     ("--taxonomy_level", "than activitynet")),
    ({"video_dir": "clips", "ucf101_lists": "l", "dataset": "ucf101"}, ("--dataset has no",)),
    ({"video_dir": "clips", "splits": "train:0.7,validate:0.2"}, ("add up to 1", "to 0.9")),
    ({"video_dir": "clips", "splits": "train:0.7,train:0.3"}, ("train:0.7,train:0.3",)),
    ({"video_dir": "clips", "splits": "train=1"}, ("Received: train=1",)),
    ({"video_dir": "clips", "splits": "train:1.5,test:-0.5"}, ("train:1.5",)),
    ({"video_dir": "clips", "splits": "a:.4,b:.3,c:.3"}, ("2 group(s) for 3 splits",)),
    ({"video_dir": "clips", "group_pattern": "("}, ("no regular expression",)),
    ({"video_dir": "clips", "group_pattern": "a"}, ("finds no group in y/b.mp4",)),
    ({"video_dir": "clips", "group_pattern": "(z*)"}, ("finds no group in x/a.mp4",)),
    ({"video_dir": "empty"}, ("empty holds no videos, only 1 other file(s)", ".mp4")),
    ({"video_dir": "nothing"}, ("Cannot look into", "nothing", "No such file")),
    ({"video_dir": "mixed"}, ("a.mp4 lies beside the class folders",)),
    ({"video_dir": "odd"}, ("'x;y' has a ';'",)),
    ({"video_dir": "space"}, ("the space around 'x '",)),
])  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_written(run, tmp_path, monkeypatch, given, parts):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "clips/x/a.mp4", "clips/y/b.mp4", "empty/a.txt", "mixed/a.mp4", "mixed/x/b.mp4")
    make(tmp_path, "odd/x;y/a.mp4", "space/x /a.mp4")
    with pytest.raises(UserError) as error:
        run(**{"output_file": "out.csv", **given})
    for part in parts:
        assert part in str(error.value)
    assert not list(tmp_path.glob("out.*")) and not list(tmp_path.glob(".tmp*"))


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.exists(), reason="the real clips are not beside the repository")
def test_real_clips_are_split_by_group_and_class(run, tmp_path):
    given = {"input_manifest": REAL / "manifest.csv", "splits": "train:0.7,validate:0.3"}
    assert "60 videos, 12 groups, 2 classes" in run(**given, output_file=tmp_path / "a.csv")
    videos = manifest.read(str(tmp_path / "a.csv"))
    train, validate = (manifest.select(videos, split) for split in TWO)
    assert {v.group for v in train}.isdisjoint({v.group for v in validate})
    assert manifest.names(train) == manifest.names(validate) == ("fight", "noFight")
    assert all(os.path.exists(video.path) for video in videos)
