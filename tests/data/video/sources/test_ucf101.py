"""The official lists of UCF101: small ones made here, and the real ones where they are at hand."""

from collections import Counter
from pathlib import Path

import pytest
from paths import SHARED

from yt8m.base.errors import UserError
from yt8m.data.video.sources import manifest, ucf101

REAL = SHARED / "data" / "ucf101_splits"
CLIPS = {
    "trainlist02.txt": (
        "Archery/v_Archery_g01_c01.avi 1\r\nHandstandPushups/v_HandStandPushups_g02_c03.avi 2\r\n"
    ),
    "testlist02.txt": "Archery/v_Archery_g11_c02.avi\r\nArchery/v_Archery_g11_c03.avi\r\n\r\n",
}


@pytest.fixture
def lists(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "classInd.txt").write_bytes(b"1 Archery\r\n2 HandstandPushups\r\n")
    for name, content in CLIPS.items():
        (folder / name).write_bytes(content.encode())
    return folder


def make(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return str(folder)


def test_clips_in_class_folders(lists, tmp_path):
    names = [
        "Archery/v_Archery_g01_c01.avi",
        "HandstandPushups/v_HandStandPushups_g02_c03.avi",
        "Archery/v_Archery_g11_c02.avi",
        "Archery/v_Archery_g11_c03.avi",
    ]
    folder = make(tmp_path / "videos", *names, "Archery/v_Archery_g25_c01.avi")
    videos, missing = ucf101.read(str(lists), 2, folder)
    assert missing == []
    assert [video.id for video in videos] == names
    assert [video.path for video in videos] == [f"{folder}/{name}" for name in names]
    assert [video.labels for video in videos] == [
        ("Archery",), ("HandstandPushups",), ("Archery",), ("Archery",),
    ]  # fmt: skip
    assert [video.group for video in videos] == [
        "Archery_g01", "HandstandPushups_g02", "Archery_g11", "Archery_g11",
    ]  # fmt: skip
    assert [video.split for video in videos] == ["train", "train", "test", "test"]


def test_flat_clips_with_other_capitals_and_converted_ones_and_missing_ones(lists, tmp_path):
    names = ("v_HandstandPushups_g02_c03.avi", "v_Archery_g11_c02.mp4")
    videos, missing = ucf101.read(str(lists), 2, make(tmp_path / "videos", *names))
    assert [video.id for video in videos] == list(names)
    assert [video.group for video in videos] == ["HandstandPushups_g02", "Archery_g11"]
    assert missing == ["Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g11_c03.avi"]


@pytest.mark.parametrize("name, line, number", [
    ("trainlist02.txt", "Archery/v_Archery_c01.avi 1", 3),
    ("trainlist02.txt", "Archery/v_Archery_g03_c01.avi 2", 3),
    ("trainlist02.txt", "Fencing/v_Fencing_g03_c01.avi 3", 3),
    ("trainlist02.txt", "v_Archery_g03_c01.avi", 3),
    ("testlist02.txt", "Archery/v_Archery_g01_c01.avi", 4),
    ("classInd.txt", "Fencing", 3),
    ("classInd.txt", "3 Archery", 3),
])  # fmt: skip
def test_wrong_lines_are_named(lists, tmp_path, name, line, number):
    folder = make(tmp_path / "videos", "v_Archery_g01_c01.avi")
    with open(lists / name, "a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError) as error:
        ucf101.read(str(lists), 2, folder)
    assert f"{lists / name}, line {number} " in str(error.value) and line in str(error.value)


def test_what_is_not_there(lists, tmp_path):
    folder = make(tmp_path / "videos", "other.avi")
    with pytest.raises(UserError, match="None of the 4 clips of split 2 is in"):
        ucf101.read(str(lists), 2, folder)
    with pytest.raises(UserError, match="Cannot read .*trainlist03.txt: No such file"):
        ucf101.read(str(lists), 3, folder)
    with pytest.raises(UserError, match="Cannot look into .*: No such file"):
        ucf101.read(str(lists), 2, str(tmp_path / "nothing"))
    make(tmp_path / "videos", "a/v_Archery_g01_c01.avi", "v_Archery_g01_c01.mp4")
    with pytest.raises(UserError, match="holds a clip twice: a/v_Archery_g01_c01.avi and v_Arch"):
        ucf101.read(str(lists), 2, folder)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.exists(), reason="the official lists are not beside the repository")
@pytest.mark.parametrize("split, train, test", [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)])
def test_the_official_lists(monkeypatch, split, train, test):
    lines = [*REAL.glob("trainlist*"), *REAL.glob("testlist*")]
    names = {line.split()[0] for path in lines for line in path.read_text().splitlines() if line}
    monkeypatch.setattr(ucf101.folders, "find", lambda folder: (sorted(names), 0))
    videos, missing = ucf101.read(str(REAL), split, "videos")
    assert missing == [] and len(videos) == 13320
    assert Counter(video.split for video in videos) == {"train": train, "test": test}
    assert len(manifest.names(videos)) == 101
    assert len({video.group for video in videos}) == 101 * 25
    parts = [[video for video in videos if video.split == part] for part in ("train", "test")]
    assert set.isdisjoint(*({video.group for video in part} for part in parts))
