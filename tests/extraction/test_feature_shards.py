"""Features of videos, and the shards that hold them: what is made, kept and made anew."""

import dataclasses
import json
import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf
from small_extractor import AS_IT_IS, loudness, make_extractor

from yt8m import runs
from yt8m.base import temporaries
from yt8m.base.errors import UserError
from yt8m.data import detect
from yt8m.data.reader import Reader
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.sources.manifest import Video
from yt8m.extraction import folder as folder_lib
from yt8m.extraction import shards
from yt8m.extraction.extractor import Features
from yt8m.extraction.shards import Item, Shard
from yt8m.extraction.summary import summarise


def item(name: str, labels=(0,), folder=None) -> Item:
    path = folder / name if folder else None
    if path is None or not path.exists():
        return Item(name, str(path), labels, -1, -1)
    return Item(name, str(path), labels, path.stat().st_size, path.stat().st_mtime_ns)


def test_a_video_stays_in_its_shard_whatever_else_there_is():
    items = [item(f"v{number}.mp4") for number in range(50)]
    before = shards.plan({"train": items[:30]}, {"train": 7})
    after = shards.plan({"train": items[::-1], "validate": items[:3]}, {"train": 7, "validate": 2})
    place = {i.id: s.name for s in after if s.name.startswith("train") for i in s.items}
    assert len(place) == 50 and all(place[i.id] == s.name for s in before for i in s.items)
    assert sum(len(s.items) for s in before) == 30
    assert {s.name for s in before} <= {f"train-{i:05d}-of-00007" for i in range(7)}
    assert [shards.default_number(n) for n in (1, 10, 11, 10**6)] == [1, 1, 2, 1000]


def make_shard(output, videos, extractor=None) -> Shard:
    names = ("plain.mp4", "damaged.mp4", "missing.mp4", "sound.mkv")
    labels = ((0,), (1,), (0,), (0, 2))
    made = Shard("train-00000-of-00001", tuple(map(item, names, labels, [videos] * 4)))
    (output / shards.LOG).mkdir(exist_ok=True)
    shards.write_todo(str(output), made)
    shards.write(str(output), made.name, extractor or make_extractor())
    return made


def test_a_shard_is_read_as_those_of_youtube8m(videos, tmp_path):
    make_shard(tmp_path, videos)
    path = str(tmp_path / "train-00000-of-00001.tfrecord")
    schema = detect.detect([path])
    assert str(schema) == "frame-level: rgb (uint8[3])" and schema.id_key == "id"
    reader = Reader([path], schema, num_classes=3, batch_size=4)
    (batch,) = reader.sequential()
    assert batch["ids"].numpy().tolist() == [b"plain.mp4", b"sound.mkv"]
    expected = make_extractor().features(str(videos / "plain.mp4")).frames["rgb"]
    np.testing.assert_array_equal(batch["rgb"][0, :5], expected)
    assert batch["num_frames"].numpy().tolist() == [5, 10]


def test_the_log_says_what_became_of_each_video(videos, tmp_path):
    made = make_shard(tmp_path, videos)
    summary = summarise(str(tmp_path), [made], 3)
    assert (summary.num_videos, summary.num_frames, summary.num_shards) == (2, 15, 1)
    assert set(summary.problems) == {"damaged.mp4", "missing.mp4"}
    assert summary.problems["missing.mp4"] == "there is no such file"
    assert summary.notes[0].startswith("15 of 45 values of rgb (33.33%) were outside [-2, 2]")
    assert shards.count_videos(str(tmp_path), [made]) == 4
    assert sorted(p.name for p in (tmp_path / "log").iterdir()) == ["train-00000-of-00001.jsonl"]


def test_a_sound_that_nothing_decodes_is_named_and_the_others_are_made(videos, tmp_path):
    (tmp_path / shards.LOG).mkdir()
    names = ("dumb.mkv", "sound.mkv")
    made = Shard("train-00000-of-00001", tuple(item(n, folder=videos) for n in names))
    shards.write_todo(str(tmp_path), made)
    shards.write(str(tmp_path), made.name, make_extractor(loudness))
    summary = summarise(str(tmp_path), [made], 3)
    assert summary.num_videos == 1
    reason = "has sound of a codec that this FFmpeg cannot decode"
    assert summary.problems == {"dumb.mkv": reason}


def test_a_shard_without_a_usable_video_is_no_file(videos, tmp_path):
    made = make_shard(tmp_path, videos)
    bad = Shard(made.name, made.items[1:3])
    shards.write_todo(str(tmp_path), bad)
    shards.write(str(tmp_path), bad.name, make_extractor())
    assert not (tmp_path / f"{made.name}.tfrecord").exists()
    assert shards.is_done(str(tmp_path), bad) and not shards.is_done(str(tmp_path), made)


@pytest.mark.parametrize("change", "nothing cut removed label video mended more log".split())
def test_only_what_changed_is_made_anew(videos, tmp_path, change):
    made = make_shard(tmp_path, videos)
    path, first = tmp_path / f"{made.name}.tfrecord", made.items[0]
    log = tmp_path / "log" / f"{made.name}.jsonl"
    items = made.items
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif change == "removed":
        path.unlink()
    elif change == "label":
        items = (dataclasses.replace(first, labels=(1,)), *items[1:])
    elif change == "video":
        items = (dataclasses.replace(first, num_bytes=first.num_bytes + 1), *items[1:])
    elif change == "mended":  # The damaged one, whose size is the same.
        items = (first, dataclasses.replace(items[1], mtime_ns=7), *items[2:])
    elif change == "more":
        items = (*items, item("more.mp4"))
    elif change == "log":
        log.write_text(log.read_text()[:-5])
    assert shards.is_done(str(tmp_path), Shard(made.name, items)) == (change == "nothing")


@pytest.mark.parametrize("error", [OSError(5, "I/O"), VideoError("no memory", lasting=False)])
def test_what_may_pass_is_tried_again(videos, tmp_path, error):
    made = make_shard(tmp_path, videos, make_extractor(frames=Mock(side_effect=error)))
    assert not shards.is_done(str(tmp_path), Shard(made.name, made.items))


def test_a_failure_in_between_leaves_the_old_shard(videos, tmp_path):
    made = make_shard(tmp_path, videos)
    before = (tmp_path / f"{made.name}.tfrecord").read_bytes()
    broken = Mock(side_effect=RuntimeError("the network is gone"))
    with pytest.raises(RuntimeError):
        make_shard(tmp_path, videos, make_extractor(frames=broken))
    assert (tmp_path / f"{made.name}.tfrecord").read_bytes() == before
    assert not [p for p in tmp_path.rglob(".tmp-*")]


def test_what_is_half_done_counts_and_is_removed_later(tmp_path):
    (tmp_path / "log").mkdir()
    shard = Shard("train-00000-of-00002", tuple(item(f"{i}.mp4") for i in range(3)))
    other = Shard("train-00001-of-00002", (item("9.mp4"),))
    for lines in ('{"id": 1}\n{"id": 2}\n', '{"id": 1}\n'):
        half_done = temporaries.name(str(tmp_path / "log" / f"{shard.name}.jsonl"))
        Path(half_done).write_text(lines)
    (tmp_path / "log" / f"{other.name}.jsonl").write_text("{}\n")
    Path(temporaries.name(str(tmp_path / f"{shard.name}.tfrecord"))).write_text("half")
    assert shards.count_videos(str(tmp_path), [shard]) == 2
    assert shards.count_videos(str(tmp_path), [shard, other]) == 3
    shards.tell_measured(str(tmp_path))
    shards.tell_measured(str(tmp_path))
    assert shards.count_measured(str(tmp_path)) == 2
    shards.remove_leftovers(str(tmp_path))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [f"{other.name}.jsonl"]


DESCRIPTION = {
    "features": {"backbone": "inceptionv3", "whitening": {"from": "fitted"}},
    "classes": ["a", "b"],
    "num_shards": {"train": 1},
    "versions": {"keras": "1"},
    "measured": "x",
}


def start(folder, **changes) -> dict:
    folder_lib.start(str(folder), DESCRIPTION | changes)
    return json.loads((folder / runs.DESCRIPTION).read_text())


def test_a_folder_holds_one_kind_of_features(videos, tmp_path):
    start(tmp_path)
    make_shard(tmp_path, videos)
    more = start(tmp_path, num_shards={"train": 1, "test": 4}, versions={"keras": "2"})
    assert more["num_shards"] == {"train": 1, "test": 4} and more["versions"] == {"keras": "1"}
    assert start(tmp_path)["num_shards"] == {"train": 1, "test": 4}
    assert (tmp_path / "vocabulary.csv").read_text().split() == ["Index,Name", "0,a", "1,b"]
    for changes, part in (
        ({"features": {"backbone": "vgg16", "whitening": {"from": "fitted"}}},
         'features.backbone: "inceptionv3" -> "vgg16"'),
        ({"classes": ["a", "c"]}, 'classes: ["a", "b"] -> ["a", "c"]'),
        ({"num_shards": {"train": 2}}, "num_shards.train: 1 -> 2"),
    ):  # fmt: skip
        with pytest.raises(UserError) as error:
            start(tmp_path, **changes)
        assert part in str(error.value) and "--output_dir" in str(error.value)


def test_a_folder_without_a_shard_is_taken_over(tmp_path):
    start(tmp_path)
    AS_IT_IS.save(str(tmp_path))
    start(tmp_path)
    assert (tmp_path / "mean.npy").exists()
    assert start(tmp_path, measured="y")["measured"] == "y"
    assert not (tmp_path / "mean.npy").exists()


def test_videos_that_left_the_manifest_are_not_lost(videos, tmp_path):
    made = make_shard(tmp_path, videos)
    assert folder_lib.shards_to_make(str(tmp_path), [made]) == []
    for kept, fails in ((made.items[1:], True), ((made.items[0], made.items[3]), False)):
        planned = [Shard(made.name, kept)]
        if fails:
            with pytest.raises(UserError, match="features of plain.mp4, which is not in the mani"):
                folder_lib.shards_to_make(str(tmp_path), planned)
        else:  # The videos that could not be used may go.
            assert folder_lib.shards_to_make(str(tmp_path), planned) == planned


def test_a_shard_whose_videos_moved_is_removed(videos, tmp_path):
    made = make_shard(tmp_path, videos)
    moved = Shard("validate-00000-of-00001", made.items)
    assert folder_lib.shards_to_make(str(tmp_path), [moved]) == [moved]
    assert not (tmp_path / f"{made.name}.tfrecord").exists()
    assert shards.finished(str(tmp_path)) == []


def test_matrices_of_other_networks_are_refused(tmp_path):
    features = {"backbone": "a", "image_size": 8, "weights": "w", "audio": None}
    assert folder_lib.check_same_networks(str(tmp_path), features) is None
    start(tmp_path, features=features | {"frames_per_second": 1})
    known = folder_lib.check_same_networks(str(tmp_path), features | {"frames_per_second": 2})
    assert known["classes"] == ["a", "b"]
    with pytest.raises(UserError, match='weights: "w" -> "v"'):
        folder_lib.check_same_networks(str(tmp_path), features | {"weights": "v"})
    (tmp_path / runs.DESCRIPTION).write_text("{}")
    with pytest.raises(UserError, match="features.json cannot be read"):
        folder_lib.read(str(tmp_path))


def test_splits_and_labels_become_shards_and_numbers(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"12345")
    path = str(tmp_path / "a.mp4")
    os.utime(path, ns=(7, 1_700_000_000_123_456_789))
    videos = [
        Video("a.mp4", path, ("y", "x"), "g", ""),
        Video("b.mp4", str(tmp_path / "b.mp4"), (), "h", "test"),
    ]
    assert folder_lib.items_by_split(videos, ["x", "y"]) == {
        "videos": [Item("a.mp4", path, (0, 1), 5, os.stat(path).st_mtime_ns)],
        "test": [Item("b.mp4", str(tmp_path / "b.mp4"), (), -1, -1)],
    }
    with pytest.raises(UserError, match="label 'y', which is none of the 1 classes"):
        folder_lib.items_by_split(videos, ["x"])
    with pytest.raises(UserError, match="split 'a/b' of a.mp4"):
        folder_lib.items_by_split([Video("a.mp4", path, (), "g", "a/b")], [])


def test_ids_of_any_bytes_come_through(tmp_path):
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    (tmp_path / "log").mkdir()
    odd = Item(name, "p", (1,), 3, 4)
    shards.write_todo(str(tmp_path), Shard("s", (odd,)))
    assert shards.read_todo(str(tmp_path), "s").items == (odd,)
    features = Features(
        {"rgb": np.zeros((1, 2), np.uint8)}, np.zeros(1), 1.0, {"rgb": 0}, {"rgb": 0.0}
    )
    example = tf.train.SequenceExample.FromString(shards.make_record(odd, features))
    assert example.context.feature["id"].bytes_list.value[0] == b"caf\xe9.mp4"
