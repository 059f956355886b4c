"""The official lists of data sets, in small: the exact forms in which they are published."""

import gzip
import json
from pathlib import Path

import pytest
from official_lists import (
    ACTIVITYNET,
    EVERY,
    HMDB51_FILES,
    KINETICS_FILES,
    TAXONOMY,
    UCF101_FILES,
    write,
)

from yt8m.base.errors import UserError
from yt8m.data.video.sources import manifest, manifest_writing
from yt8m.data.video.sources.annotations import catalogue


@pytest.fixture
def lists(tmp_path):
    return tmp_path / "lists"


@pytest.fixture
def read(tmp_path, lists):
    """Returns a function that reads the lists of a data set, some of them changed."""

    def function(dataset, changed=None, add=(), without=(), path=lists, **choice):
        content, names = EVERY[dataset]
        write(lists, content | (changed or {}))
        videos = tmp_path / "videos"
        write(videos, {name: "" for name in {*names, *add} - set(without)} | {"notes.txt": ""})
        return catalogue.read(dataset, str(path), str(videos), **choice)

    return function


def rows(found) -> list[tuple]:
    return [(v.id, ";".join(v.labels), v.group, v.split) for v in found.videos]


def test_every_data_set_gives_a_manifest_that_can_be_read(read, tmp_path):
    assert set(catalogue.NAMES) == set(EVERY)
    for dataset in EVERY:
        found = read(dataset)
        assert found.videos and all(Path(video.path).exists() for video in found.videos)
        path = str(tmp_path / f"{dataset}.csv")
        manifest_writing.write(found.videos, path)
        again = manifest.read(path)
        assert [(v.labels, v.group, v.split, v.span) for v in again] == [
            (v.labels, v.group, v.split, v.span) for v in found.videos
        ]


def test_kinetics_cut_and_whole(read):
    found = read("kinetics")
    assert rows(found) == [
        ("--nQbRBEz2s_000104_000114.mkv", "", "--nQbRBEz2s", "test"),
        (KINETICS_FILES[0], "testifying", "---QUuC4vJs", "train"),
        ("-0-abcdefgh.webm#t=2,12", "shaking hands", "-0-abcdefgh", "train"),
        (KINETICS_FILES[2], "washing feet", "--GkrdYZ9Tc", "val"),
    ]
    assert (found.missing, found.num_listed) == (["-gone-12345_000007_000017"], 5)
    found = read("kinetics", add=["-0-abcdefgh_000002_000012.mp4"])
    assert rows(found)[2][0] == "-0-abcdefgh_000002_000012.mp4"


def test_hmdb51_has_three_splits_and_sources(read):
    assert rows(read("hmdb51", split=1)) == [
        (HMDB51_FILES[0], "brush_hair", "brush_hair/April_09", "train"),
        (HMDB51_FILES[1], "brush_hair", "brush_hair/April_09", "train"),
        (HMDB51_FILES[2], "brush_hair", "brush_hair/Blonde", "test"),
        # As in the real lists, another class of a source is on the other side.
        (HMDB51_FILES[4], "wave", "wave/April_09", "test"),
    ]
    assert rows(read("hmdb51", split=2)) == [
        (HMDB51_FILES[2], "brush_hair", "brush_hair/Blonde", "train")
    ]
    with pytest.raises(UserError, match="holds no list of split 3: one is called brush_hair_test_"):
        read("hmdb51", split=3)


def test_charades_actions_are_parts_of_videos(read, lists, caplog):
    found = read("charades")
    assert rows(found) == [
        ("015XE.mp4#t=0,32.1", "Holding some clothes", "GFWE", "test"),
        ("YSKX3.mp4#t=12.1,18", "Putting clothes somewhere;Taking some clothes", "CP6Y", "train"),
        ("YSKX3.mp4#t=11.8,17.3", "Holding some clothes", "CP6Y", "train"),
        ("AAAAA.mp4", "", "CP6Y", "train"),
    ]
    assert "1 part(s) that end before they begin are left out: YSKX3 c002 18.00" in caplog.text
    (lists / "Charades_v1_classes.txt").unlink()
    found = catalogue.read("charades", f"{lists}/Charades_v1_test.csv", f"{lists.parent}/videos")
    assert rows(found) == [("015XE.mp4#t=0,32.1", "c000", "GFWE", "test")]


def test_activitynet_segments_and_the_levels_of_its_tree(read, caplog):
    segments = ["v_sJFgo9H6zNo.mp4#t=0,132.111", "v_sJFgo9H6zNo.mp4#t=20.5,30"]
    segments += ["val/V1zhqaGFY2A.mkv#t=1.5,9.25", "v_bXdq2zI1Ms0.mp4"]
    groups = [("sJFgo9H6zNo", "training")] * 2
    groups += [("V1zhqaGFY2A", "validation"), ("bXdq2zI1Ms0", "testing")]
    # Surfing is on the second level, and keeps its name below.
    for level, mopping, surfing in [
        (None, "Mopping floor", "Surfing"),
        (1, "Household Activities", "Sports"),
        (2, "Housework", "Surfing"),
        (4, "Mopping floor", "Surfing"),
    ]:
        labels = [mopping, surfing, surfing, ""]
        assert rows(read("activitynet", level=level)) == [
            (name, label, *group)
            for name, label, group in zip(segments, labels, groups, strict=True)
        ]
    assert "1 part(s) that end before they begin are left out: sJFgo9H6zNo [5, 5.0]" in caplog.text
    with pytest.raises(UserError, match="4 levels below its root. Received: --taxonomy_level=5"):
        read("activitynet", level=5)


def test_something_something_templates_are_labels(read):
    expected = [
        ("1420.webm", "", "1420", "test"),
        ("78687.webm", "Holding something next to something", "78687", "train"),
        ("42326.webm", "Pretending to put something on something, but missing", "42326", "train"),
        ("74225.webm", "Holding something next to something", "74225", "validation"),
    ]
    assert rows(read("something_something")) == expected


def test_sports1m_has_several_labels_and_may_be_compressed(read, lists):
    expected = [
        ("-0-1abcdefg.mp4", "bowling", "-0-1abcdefg", "test"),
        ("UDqivjS-lpI.mp4", "boxing;bowling", "UDqivjS-lpI", "train"),
        ("a/ABPsSSS2uY0.flv", "boomerang", "ABPsSSS2uY0", "train"),
    ]
    assert rows(read("sports1m")) == expected
    plain = lists / "original" / "train_partition.txt"
    packed = plain.with_name("train_partition.txt.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    videos = str(lists.parent / "videos")
    assert rows(catalogue.read("sports1m", str(lists / "original"), videos)) == expected
    assert rows(catalogue.read("sports1m", str(packed), videos)) == expected[1:]


def test_ucf101_is_one_of_them(read):
    assert rows(read("ucf101", split=1)) == [
        (UCF101_FILES[0], "Archery", "Archery_g08", "train"),
        (UCF101_FILES[1], "Archery", "Archery_g01", "test"),
    ]


CSV = "label,youtube_id,time_start,time_end,split\n"
SPORTS_LINE = "https://www.youtube.com/watch?v=UDqivjS-lpI"


@pytest.mark.parametrize("dataset, changed, parts", [
    ("kinetics", {"train.csv": "label,youtube_id\nx,y\n"}, ("has no column time_start",)),
    ("kinetics", {"train.csv": CSV + "x,a,1,z,train\n"}, ("line 2", "'1' and 'z'")),
    ("kinetics", {"train.csv": CSV + "x,a,5,5,train\n"}, ("line 2", "an end behind its start")),
    ("kinetics", {"train.csv": CSV + "x,a,1,5,\n"}, ("line 2", "its split")),
    ("kinetics", {"train.csv": CSV + "x,a,1,5\n"}, ("line 2 must have 5 fields",)),
    ("kinetics", {"train.csv": CSV + '"x,a\n'}, ("train.csv as CSV",)),
    ("kinetics", {"train.csv": CSV + "a;b,-0-abcdefgh,2,12,t\n"}, ("'a;b'", "separates labels")),
    ("hmdb51", {"wave_test_split1.txt": "a.avi 3\n"}, ("line 1", "0, 1 or 2", "'a.avi 3'")),
    ("hmdb51", {"wave_test_split1.txt": "a 1\n"}, ("line 1", "'a 1'")),
    ("hmdb51", {"wave_test_split1.txt": "a.avi 1\na.avi 2\n"}, ("line 2 names a clip again",)),
    ("charades", {"Charades_v1_train.csv": "id,actions\nx,\n"}, ("has no column subject",)),
    ("charades", {"Charades_v1_train.csv": "id,subject,actions\nx,,\n"}, ("its subject",)),
    ("charades", {"Charades_v1_train.csv": "id,subject,actions\nx,s,c000 1\n"}, ("'c000 1'",)),
    ("charades", {"Charades_v1_train.csv": "id,subject,actions\nx,s,c009 1 2\n"}, ("'c009 1 2'",)),
    ("charades", {"Charades_v1_train.csv": "id,subject,actions\nx,s,c000 x 2\n"}, ("'x' and '2'",)),
    ("charades", {"Charades_v1_classes.txt": "c000 a\nc000 b\n"}, ("line 2", "another class")),
    ("activitynet", {"b.json": "{}"}, ("holds several .json files", "Name one")),
    ("something_something", {"train.json": "{}"}, ("must hold a list [...], not an object",)),
    ("something_something", {"train.json": "[3]"}, ("video 1", "'id'", "an integer (3)")),
    ("something_something", {"train.json": '[{"id": "1"}]'}, ("'template'", "fields 'id'")),
    ("something_something", {"train.json": '[{"id": 1, "template": "[a]"}]', "labels.json": "{}"},
     ("'a' is no template of", "labels.json")),
    ("sports1m", {"original/train_partition.txt": "x 1\n"}, ("line 1", "v=ID")),
    ("sports1m", {"original/train_partition.txt": f"{SPORTS_LINE} a\n"}, ("line 1",)),
    ("sports1m", {"original/train_partition.txt": f"{SPORTS_LINE} 3\n"}, ("the class 3",)),
])  # fmt: skip
def test_what_has_another_form_is_named(read, dataset, changed, parts):
    with pytest.raises(UserError) as error:
        read(dataset, changed)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("changed, parts", [
    ("[1]", ("must hold an object {...}, not a list",)),
    ("{", ("it is no JSON",)),
    ({"database": 3}, ("'database', an object. Received: an integer (3)",)),
    ({"database": {"a": {}}}, ("a must have a field 'subset', a text",)),
    ({"database": {"a": {"subset": "training", "annotations": [3]}}}, ("an integer (3)",)),
    ({"database": {"a": {"subset": "t", "annotations": [{"label": "x", "segment": [1]}]}}},
     ("a segment must be two times. Received: [1]",)),
    ({"database": {"a": {"subset": "t", "annotations": [{"label": "x", "segment": [1, None]}]}}},
     ("'1' and 'None'",)),
    ({"taxonomy": None}, ("'taxonomy', a list. Received: null",)),
    ({"taxonomy": [{"nodeId": "1"}]}, ("'nodeId', an integer",)),
    ({"taxonomy": TAXONOMY[:2] + [TAXONOMY[0] | {"nodeId": 10, "parentId": 14}]}, ("in a circle",)),
    ({"taxonomy": TAXONOMY[:5]}, ("has no class 'Surfing'",)),
])  # fmt: skip
def test_another_json_than_that_of_activitynet_is_named(read, changed, parts):
    name, content = next(iter(ACTIVITYNET.items()))
    text = changed if isinstance(changed, str) else json.dumps(json.loads(content) | changed)
    with pytest.raises(UserError) as error:
        read("activitynet", {name: text}, level=1)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("dataset, changed, group", [
    ("kinetics", {"val.csv": CSV + "x,-0-abcdefgh,20,30,val\n"}, "-0-abcdefgh"),
    ("hmdb51", {"wave_test_split1.txt": (
        "April_09_wave_u_nm_np1_fr_med_0.avi 2\nApril_09_wave_u_nm_np1_fr_med_1.avi 1\n"
    )}, "wave/April_09"),
    ("charades", {"Charades_v1_test.csv": "id,subject,actions\n015XE,CP6Y,\n"}, "CP6Y"),
    ("sports1m", {"original/test_partition.txt": f"{SPORTS_LINE} 0\n"}, "UDqivjS-lpI"),
    ("ucf101", {"testlist01.txt": "Archery/v_Archery_g08_c02.avi\n"}, "Archery_g08"),
])  # fmt: skip
def test_groups_that_leak_are_refused(read, dataset, changed, group):
    more = ("April_09_wave_u_nm_np1_fr_med_1.avi", "v_Archery_g08_c02.avi")
    with pytest.raises(UserError, match=f"the group '{group}' is in two splits"):
        read(dataset, changed, add=more)


@pytest.mark.parametrize("dataset", [name for name in EVERY if name != "ucf101"])
def test_no_video_and_no_list_and_two_files(read, dataset, tmp_path):
    _, (name, *others) = EVERY[dataset]
    with pytest.raises(
        UserError, match=r"None of the \d+ videos of .*lists is in .*videos. The fi"
    ):
        read(dataset, add=["other.mp4"], without=EVERY[dataset][1])
    twice = f"x/{Path(name).with_suffix('.mov').name}"
    with pytest.raises(UserError, match=f"twice: .* and .*{Path(name).stem}.* Leave one of them"):
        read(dataset, add=[twice])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds no list of this data set: one is called"):
        read(dataset, path=tmp_path / "empty")
    with pytest.raises(UserError, match="(Cannot read|is not named as a list)"):
        read(dataset, path=tmp_path / "gone")


def test_files_that_are_not_asked_for_may_be_there_twice(read):
    assert read("charades", add=["x/other.mp4", "y/other.mp4"]).missing == []
