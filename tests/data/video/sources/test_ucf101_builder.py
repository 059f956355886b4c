"""UCF101 prepared from local folders, as a user does it, without the network."""

import os
import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds
import video_files
from absl import flags

from yt8m import prepare_ucf101
from yt8m.base.errors import UserError
from yt8m.data.video.frames import decoding
from yt8m.data.video.sources import tfds as tfds_lib
from yt8m.data.video.sources import ucf101_builder

# Of tensorflow-datasets' own use of protobuf.
pytestmark = pytest.mark.filterwarnings("ignore:label.. is deprecated:DeprecationWarning")

# In the order of the official lists, which is not that of capitals before small letters.
CLASSES = ["Archery", "Hammering", "HammerThrow"]
NUM_FRAMES = 12


def clip(label, group, number) -> str:
    return f"v_{label}_g{group:02d}_c{number:02d}.avi"


CLIPS = [(label, group, number) for label in CLASSES for group in (1, 2) for number in (1, 2)]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A small UCF101: group 2 is for training in splits 1 and 3, group 1 in split 2."""
    folder = tmp_path_factory.mktemp("ucf")
    (folder / "lists").mkdir()
    (folder / "lists/classInd.txt").write_text(
        "".join(f"{i} {label}\n" for i, label in enumerate(CLASSES, 1))
    )
    for split, training in ((1, 2), (2, 1), (3, 2)):
        lines = {"train": [], "test": []}
        for label, group, number in CLIPS:
            line = f"{label}/{clip(label, group, number)}"
            if group == training:
                lines["train"].append(f"{line} {CLASSES.index(label) + 1}\n")
            else:
                lines["test"].append(f"{line}\n")
        for part, own in lines.items():
            (folder / f"lists/{part}list0{split}.txt").write_text("".join(own))
    for place, (label, group, number) in enumerate(CLIPS):
        (folder / "clips" / label).mkdir(parents=True, exist_ok=True)
        frames = [
            np.stack([frame[..., 0], frame[..., 0] // 2, 255 - frame[..., 0]], axis=-1)
            for frame in video_files.numbered(NUM_FRAMES, first=place * NUM_FRAMES)
        ]
        path = folder / "clips" / label / clip(label, group, number)
        video_files.write(path, frames, "mpeg4")
    return folder


@pytest.fixture
def ucf(originals, tmp_path, monkeypatch):
    """A folder with `clips`, which may be changed, and `lists`; there is no network."""
    for label in CLASSES:
        (tmp_path / "clips" / label).mkdir(parents=True)
        for path in (originals / "clips" / label).iterdir():
            os.link(path, tmp_path / "clips" / label / path.name)
    (tmp_path / "lists").symlink_to(originals / "lists")

    def refuse(*arguments):
        raise AssertionError("The network was asked.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("PATH", "")  # No ffmpeg either.
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def prepare(ucf, split=1, **settings):
    """Prepares a split: the clips of each list, and what was reported."""
    bad = []
    counts = ucf101_builder.prepare(
        str(ucf / "clips"),
        str(ucf / "lists"),
        split,
        str(ucf / "data"),
        lambda *what: bad.append(what),
        **settings,
    )
    return counts, bad


def open_split(config, split):
    def refuse(path, reason):
        raise AssertionError(f"{path} {reason}")

    return tfds_lib.open_dataset(f"ucf101/{config}", split, refuse)


def all_frames(video) -> np.ndarray:
    return video.frames.read(np.arange(video.about.num_frames), (48, 64))


@pytest.mark.parametrize(("split", "training"), [(1, 2), (2, 1)])
def test_png_holds_what_is_decoded(ucf, split, training):
    assert prepare(ucf, split, encoding="png") == ({"train": 6, "test": 6}, [])
    for part, group in (("train", training), ("test", 3 - training)):
        found = open_split(f"ucf101_{split}", part)
        assert found.classes == tuple(CLASSES)
        names = [f"{label}/{clip(label, group, n)}" for label in CLASSES for n in (1, 2)]
        assert sorted(video.id for video in found.videos) == sorted(names)
        for video in found.videos:
            label = video.id.split("/")[0]
            assert video.labels == (label,)
            assert video.group == f"{label}_g{group:02d}"
            frames = list(decoding.iterate(str(ucf / "clips" / video.id)))
            np.testing.assert_array_equal(all_frames(video), np.stack(frames))


def test_jpeg_is_close_and_tfds_reads_it_too(ucf):
    prepare(ucf, 3, num_workers=1)
    found = open_split("ucf101_3", "train").videos
    for video in found:
        frames = np.stack(list(decoding.iterate(str(ucf / "clips" / video.id))))
        assert np.abs(all_frames(video).astype(int) - frames).mean() < 8
    loaded = tfds.load("ucf101/ucf101_3:2.0.0", split="train", data_dir=ucf / "data")
    first = next(loaded.as_numpy_iterator())
    assert first["video"].shape == (NUM_FRAMES, 48, 64, 3)
    assert first["filename"].decode() in {video.id for video in found}
    assert CLASSES[first["label"]] == first["filename"].decode().split("/")[0]


def test_reports_what_is_missing_or_cannot_be_decoded(ucf):
    missing, cut = CLIPS[0], CLIPS[6]
    os.remove(ucf / "clips" / missing[0] / clip(*missing))
    path = ucf / "clips" / cut[0] / clip(*cut)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:300])
    counts, bad = prepare(ucf)
    assert counts == {"train": 5, "test": 5}
    assert [name for name, _ in bad] == [
        str(ucf / "clips" / missing[0] / clip(*missing)),
        str(path),
    ]
    assert bad[0][1] == "is not there" and bad[1][1]
    found = [open_split("ucf101_1", part).videos for part in ("train", "test")]
    assert [len(videos) for videos in found] == [5, 5]


def test_a_class_without_clips_keeps_its_place(ucf):
    for name in os.listdir(ucf / "clips/Archery"):
        os.remove(ucf / "clips/Archery" / name)
    counts, bad = prepare(ucf)
    assert (counts, len(bad)) == ({"train": 4, "test": 4}, 4)
    assert open_split("ucf101_1", "train").classes == tuple(CLASSES)


def test_leaves_nothing_behind_where_no_clip_can_be_decoded(ucf):
    for label, group, number in CLIPS:
        path = ucf / "clips" / label / clip(label, group, number)
        path.unlink()
        path.write_text("no video")
    with pytest.raises(UserError, match="None of the 6 clips for `train` can be decoded"):
        prepare(ucf)
    assert [p for p in (ucf / "data").rglob("*") if p.is_file() and ".config" not in str(p)] == []


def test_refuses_what_is_there_and_what_cannot_be_written(ucf):
    prepare(ucf)
    with pytest.raises(UserError, match="ucf101_1/2.0.0 is prepared already"):
        prepare(ucf)
    (ucf / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write .*file"):
        ucf101_builder.prepare(str(ucf / "clips"), str(ucf / "lists"), 1, str(ucf / "file"), print)


def test_the_job_says_what_it_did(ucf, capsys, monkeypatch):
    os.remove(ucf / "clips/Archery" / clip("Archery", 1, 1))
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    for name in ("DEFINE", "DEFINE_enum", "DEFINE_integer"):
        define = getattr(flags, name)
        monkeypatch.setattr(flags, name, lambda *a, d=define, **k: d(*a, flag_values=values, **k))
    prepare_ucf101.define_flags()
    given = {"video_dir": ucf / "clips", "lists_dir": ucf / "lists", "num_workers": 0}
    values(["job", *(f"--{name}={value}" for name, value in given.items())])
    prepare_ucf101.main()
    out = capsys.readouterr().out
    assert out == (
        "Prepared 11 clips (6 for train, 5 for test), 1 left out: tfds:ucf101/ucf101_1#train with "
        f"TFDS_DATA_DIR={ucf / 'data'}\n"
    )
