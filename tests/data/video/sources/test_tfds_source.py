"""Data sets of tensorflow-datasets: the same videos as it decodes, read frame by frame."""

import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from stored_videos import CLASSES, Several, Single, Words

from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import Flow
from yt8m.data.video.frames import flow as flow_lib
from yt8m.data.video.frames.decoding import VideoError
from yt8m.data.video.frames.record_frames import RecordFrames
from yt8m.data.video.sources import listing as video_listing
from yt8m.data.video.sources import pattern
from yt8m.data.video.sources import tfds as tfds_lib
from yt8m.data.video.video_log import VideoLog

# Of tensorflow-datasets' own use of protobuf.
pytestmark = pytest.mark.filterwarnings("ignore:label.. is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of three data sets, which no test changes."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds.display_progress_bar(False)
    config = tfds.download.DownloadConfig(num_shards=3)
    for builder in (Single, Several, Words):
        one = builder(data_dir=folder)
        one.download_and_prepare(
            download_config=config if builder is Single else None, download_dir=folder / "none"
        )
    return folder


@pytest.fixture
def folder(prepared, monkeypatch):
    """The folder, as the environment names it; there is no network."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))

    def refuse(*arguments):
        raise AssertionError("The network was asked.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return prepared


@pytest.fixture
def copied(folder, tmp_path, monkeypatch):
    """A copy of the folder, to do harm to."""
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "copy"))
    return tmp_path / "copy"


def refuse_bad(path, reason):
    raise AssertionError(f"{path} {reason}")


def open_all(name="single/small", split="train", on_bad=refuse_bad):
    return tfds_lib.open_dataset(name, split, on_bad)


def all_frames(video) -> np.ndarray:
    indices = np.arange(video.about.num_frames)
    return video.frames.read(indices, (video.about.height, video.about.width))


def decoded(folder, name, split, **decoders) -> list[dict]:
    """What tensorflow-datasets makes of a split, in the order of the records."""
    builder = tfds.core.read_only_builder.builder_from_files(name, data_dir=folder)
    config = tfds.ReadConfig(interleave_cycle_length=1)
    dataset = builder.as_dataset(split=split, read_config=config, decoders=decoders or None)
    return list(dataset.as_numpy_iterator())


@pytest.mark.parametrize("split", ["train", "train[40%:]", "test+train[:2]"])
def test_gives_what_tensorflow_datasets_decodes(folder, split):
    expected = decoded(folder, "single/small", split)
    found = open_all(split=split)
    assert found.classes == tuple(CLASSES)
    assert len(found.videos) == len(expected) > 2
    for video, wanted in zip(found.videos, expected, strict=True):
        np.testing.assert_array_equal(all_frames(video), wanted["video"])
        label = int(wanted["label"])
        assert video.labels == (() if label < 0 else (CLASSES[label],))
        assert (video.about.height, video.about.width) == wanted["video"].shape[1:3]
        assert (video.group, video.about.anchors) == ("", ())


def test_reads_several_labels_names_and_groups_of_jpegs(folder):
    # Decoded as exactly as it can be, which tensorflow-datasets does not ask for.
    expected = decoded(folder, "several", "all_of_it", clip=tfds.decode.SkipDecoding())
    found = open_all("several", "").videos
    for video, wanted in zip(found, expected, strict=True):
        exact = [tf.io.decode_jpeg(i, dct_method="INTEGER_ACCURATE") for i in wanted["clip"]]
        np.testing.assert_array_equal(all_frames(video), np.stack(exact))
        assert video.labels == tuple(CLASSES[i] for i in wanted["labels"])
        assert video.id == wanted["filename"].decode()
        assert video.group == wanted["group"].decode()
    assert sorted(map(len, (video.labels for video in found))) == [0, 1, 2]


def test_a_video_keeps_its_number_in_a_part_of_a_split(folder):
    found = tfds_lib.open_dataset("single/small", "train", refuse_bad, num_workers=1)
    ids = [video.id for video in found.videos]
    assert ids == [f"single/small/train/{number}" for number in range(7)]
    assert [video.id for video in open_all(split="train[3:5]").videos] == ids[3:5]
    assert open_all("single", "test").videos[1].id == "single/small/test/1"


def test_decodes_the_frames_that_are_asked_for_and_no_others(folder, monkeypatch):
    video = max(open_all().videos, key=lambda video: video.about.num_frames)
    everything = all_frames(video)
    images, imdecode = [], cv2.imdecode
    monkeypatch.setattr(
        cv2, "imdecode", lambda *arguments: images.append(1) or imdecode(*arguments)
    )
    size = everything.shape[1:3]
    np.testing.assert_array_equal(
        video.frames.read(np.array([5, 1, 5]), size), everything[[5, 1, 5]]
    )
    assert len(images) == 2
    small = video.frames.read(np.array([2]), (size[0] // 2, size[1] // 2))[0]
    parts = everything[2][: size[0] // 2 * 2, : size[1] // 2 * 2].astype(float)
    means = parts.reshape(size[0] // 2, 2, size[1] // 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 1


def test_opens_data_sets_without_decoding_anything(folder, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)
    assert len(open_all().videos) == 7
    assert len(open_all("several", "all").videos) == 3


def test_the_size_of_a_jpeg_stands_behind_its_tables(tmp_path):
    """In whatever order: a table of codes has a marker like that of the size."""
    image = cv2.imencode(".jpg", np.zeros((24, 40, 3), np.uint8))[1].tobytes()
    segments, place = {}, 2
    while place < image.index(b"\xff\xda"):
        end = place + 2 + int.from_bytes(image[place + 2 : place + 4], "big")
        segments.setdefault(image[place + 1], []).append(image[place:end])
        place = end
    sizes = segments.pop(0xC0)
    tables = [part for of_kind in segments.values() for part in of_kind]
    data = b"".join([image[:2], *tables, *sizes, image[place:]])
    assert 0xC4 in segments and cv2.imdecode(np.frombuffer(data, "u1"), 1).shape == (24, 40, 3)
    path = tmp_path / "shard"
    path.write_bytes(data)
    frames = RecordFrames(str(path), np.array([0]), np.array([len(data)]))
    assert frames.first_size() == (24, 40)


@pytest.mark.parametrize("flow", [Flow(length=2), Flow(length=2, bidirectional=True)])
def test_flow_is_that_of_the_frames(folder, flow):
    video = max(open_all().videos, key=lambda video: video.about.num_frames)
    size = (24, 30)
    frames = video.frames.read(np.arange(video.about.num_frames), size)
    indices = [0, 3, len(frames) - 1]
    expected = flow_lib.FrameFlow(lambda chosen: frames[chosen], len(frames), indices, flow)
    source = pickle.loads(pickle.dumps(video.frames)).flow_source(indices, flow, size, "")
    np.testing.assert_array_equal(
        flow_lib.stacks(source, indices, flow), flow_lib.stacks(expected, indices, flow)
    )


def shard_of(folder, number=0) -> str:
    return str(folder / f"single/small/1.2.0/single-train.tfrecord-0000{number}-of-00003")


def record_places(path) -> list[int]:
    """Where the records of a shard begin."""
    places = [0]
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        places.append(places[-1] + 16 + len(record))
    return places


def change(path, place, data):
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(data)


def test_uses_what_is_before_a_damaged_length(copied):
    path, whole, bad = shard_of(copied, 1), open_all().videos, []
    places = record_places(path)
    change(path, places[1], struct.pack("<Q", 77))
    found = open_all(on_bad=lambda *what: bad.append(what)).videos
    lost = len(places) - 2
    assert len(found) == len(whole) - lost
    assert bad == [
        (
            path,
            f"is cut or damaged at byte {places[1]}; only its first 1 of {lost + 1} records are "
            "used",
        )
    ]
    by_id = {video.id: video for video in whole}
    for video in found:
        np.testing.assert_array_equal(all_frames(video), all_frames(by_id[video.id]))


@pytest.mark.parametrize("short_by", ["a byte", "a record", "everything"])
def test_says_where_a_shard_ends_too_early(copied, short_by):
    path, bad = shard_of(copied, 2), []
    places = record_places(path)
    end = {"a byte": places[-1] - 1, "a record": places[-2], "everything": 0}[short_by]
    os.truncate(path, end)
    found = open_all(on_bad=lambda *what: bad.append(what)).videos
    used = 0 if short_by == "everything" else len(places) - 2
    reason = f"is cut at byte {end}" if short_by == "a byte" else "ends too early"
    total = len(places) - 1
    assert bad == [(path, f"{reason}; only its first {used} of {total} records are used")]
    assert len(found) == 7 - (total - used)


def test_says_which_shard_is_missing(copied):
    os.remove(shard_of(copied))
    bad = []
    assert 0 < len(open_all(on_bad=lambda *what: bad.append(what)).videos) < 7
    assert bad[0][0] == shard_of(copied) and "cannot be read: No such file" in bad[0][1]


def test_leaves_out_a_record_that_holds_something_else(copied):
    path, bad = shard_of(copied), []
    records = list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    empty = tf.train.Example()
    empty.features.feature["label"].int64_list.value.append(1)
    with tf.io.TFRecordWriter(path) as writer:
        for record in [b"\x0a\xff\xff\xff\xff", empty.SerializeToString(), *records[2:]]:
            writer.write(record)
    found = open_all(on_bad=lambda *what: bad.append(what)).videos
    assert [video.id for video in found] == [f"single/small/train/{n}" for n in range(2, 7)]
    assert [name for name, _ in bad] == ["single/small/train/0", "single/small/train/1"]
    assert "is no tf.train.Example" in bad[0][1] and bad[1][1] == "holds no frame"


def test_a_damaged_image_is_no_frame(copied, monkeypatch):
    video = open_all().videos[0]
    change(video.frames.path, int(video.frames.offsets[1]), b"\0" * 40)
    with pytest.raises(VideoError, match=f"frame 1 cannot be decoded: byte .* of {copied}"):
        all_frames(video)
    os.remove(video.frames.path)
    with pytest.raises(VideoError, match="cannot be read: No such file"):
        all_frames(video)
    last = open_all("several", "all").videos[2]
    os.truncate(last.frames.path, int(last.frames.offsets[2] + last.frames.sizes[2]) - 20)
    # Some versions of OpenCV fill up what is missing of a JPEG.
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(VideoError, match="frame 2 cannot be decoded"):
        all_frames(last)


@pytest.mark.parametrize(
    ("name", "split", "says"),
    [
        ("ucf1o1/a", "train", "has no data set 'ucf1o1'.*Similar ones: ucf101"),
        ("ucf101/ucf101_9", "train", "no configuration 'ucf101_9'.*ucf101_1_256, ucf101_1,"),
        ("ucf101/ucf101_2", "train", "not prepared.*prepare_ucf101 .*--split=2 --data_dir"),
        ("moving_mnist", "test", "not prepared.*`tfds build moving_mnist --data_dir="),
        ("single/small:3.0.0", "train", "not prepared in .*, which holds single/small/1.2.0"),
        ("kaggle:single", "train", "DATASET/CONFIG.*Received: 'kaggle:single'"),
        ("single/small/a=1", "train", "DATASET/CONFIG.*Received"),
        ("a b", "train", "DATASET/CONFIG.*Received: 'a b'"),
        ("words", "train", "no feature `video`.*label: ClassLabel, text: Text"),
        ("single/small", "", "Name a split.*single/small/1.2.0 has train, test"),
        ("single/small", "valid", "#valid is no split.*has train, test"),
        ("single/small", "train[:9]", r"#train\[:9\] is no split.*incompatible with 7"),
        ("single/small", "train[", "is no split"),
    ],
)
def test_errors_say_what_there_is(folder, name, split, says):
    with pytest.raises(UserError, match=says):
        open_all(name, split)


def test_other_formats_are_refused(copied):
    path = copied / "single/small/1.2.0/dataset_info.json"
    path.write_text(path.read_text().replace('"tfrecord"', '"array_record"'))
    with pytest.raises(UserError, match="array_record files; only tfrecord"):
        open_all()


def test_a_pattern_may_name_a_data_set(folder):
    log = VideoLog()
    listing = video_listing.read(pattern.parse("a=tfds:single/small#train[:3],b=tfds:several"), log)
    assert [video.task for video in listing.videos] == ["a"] * 3 + ["b"] * 3
    assert listing.classes == tuple(sorted(f"{t}/{name}" for t in "ab" for name in CLASSES))
    assert listing.videos[3].group and listing.videos[3].about.num_frames == 4


def test_workers_that_read_frames_need_no_tensorflow():
    script = (
        "import sys, yt8m.data.video.sources.record_index; "
        "sys.exit('tensorflow' in sys.modules or 'tensorflow_datasets' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
