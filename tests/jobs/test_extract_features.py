"""Videos to features to a trained model, as a user goes."""

import csv
import json
import shutil
import subprocess
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from clip_files import write_clip, write_clips
from job_runner import check, check_error, command, environment, expect_error, run_job, succeed

from yt8m.extraction import networks, shards
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.extraction.shards import Item

# A small network with random weights.
NETWORK = {
    "backbone": "karpathy",
    "image_size": 48,
    "weights": "none",
    "frames_per_second": 6,
    "num_workers": 1,
}


def extract(**flags):
    return run_job("yt8m.extract_features", **{**NETWORK, **flags})


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A manifest of videos, of which one is damaged."""
    path = write_clips(tmp_path_factory.mktemp("clips"), num_train=12, num_validate=4)
    (path.parent / "left" / "bad.mp4").write_bytes(b"no video")
    with open(path, "a", encoding="utf-8") as file:
        file.write("left/bad.mp4,left,bad,train\n")
    return path


@pytest.fixture(scope="module")
def extracted(tmp_path_factory, clips):
    """The features of the videos, and what the extraction said."""
    folder = tmp_path_factory.mktemp("extracted") / "features"
    result = extract(input_manifest=clips, output_dir=folder, num_shards=2)
    check(result)
    return folder, result


def files_of(folder: Path) -> dict[str, tuple]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.suffix in (".tfrecord", ".npy", ".jsonl")
    }


def records_of(folder: Path) -> dict[bytes, bytes]:
    """Frames of all videos of a folder, by their ids."""
    found = {}
    for path in sorted(map(str, folder.glob("*.tfrecord"))):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            example = tf.train.SequenceExample.FromString(record)
            (name,) = example.context.feature["id"].bytes_list.value
            frames = example.feature_lists.feature_list["rgb"].feature
            found[name] = b"".join(frame.bytes_list.value[0] for frame in frames)
    return found


def test_extraction_says_what_it_did(extracted):
    folder, result = extracted
    assert "16 videos, 1 left out, 96 frames" in result.stdout
    assert "--num_classes=2" in result.stdout
    assert "left/bad.mp4 is left out: cannot be opened as a video" in result.stderr
    assert "were outside [-2, 2] and were clipped" in result.stderr
    assert "Extracting: 17 videos" in result.stderr
    names = {path.name for path in folder.glob("*.tfrecord")}
    assert names <= {
        f"{s}-0000{i}-of-00002.tfrecord" for s in ("train", "validate") for i in (0, 1)
    }
    description = json.loads((folder / "features.json").read_text())
    assert description["classes"] == ["left", "right"]
    assert description["weights_from"] == "random, seed 0"
    assert description["features"]["sizes"] == {"rgb": 256}
    assert description["features"]["whitening"]["from"] == "fitted"


def test_features_of_the_training_videos_are_scaled(extracted):
    values = np.frombuffer(b"".join(records_of(extracted[0]).values()), np.uint8).astype(float)
    assert values.mean() == pytest.approx(127, abs=8)
    assert 40 < values.std() < 80  # A standard deviation is 64 steps.


def test_parts_of_a_video_are_records_of_their_own(tmp_path):
    """A video of two seconds: its parts overlap, and one lies behind its end."""
    write_clip(tmp_path / "a.mp4", "left", seed=1, num_frames=24)
    times = ["left,,0,1.5", "walk,,0.5,1", "right,,1.25,9", "right,,2,3"]
    lines = ["path,label,group,start,end", *(f"a.mp4,{line}" for line in times)]
    (tmp_path / "parts.csv").write_text("\n".join([*lines, ""]))
    folder = tmp_path / "features"
    result = extract(input_manifest=tmp_path / "parts.csv", output_dir=folder, num_shards=1)
    assert "3 videos, 1 left out, 17 frames" in check(result)
    assert "a.mp4#t=2,3 is left out: has ended before second 2: it lasts 2.00" in result.stderr
    frames = {name.decode(): len(data) // 256 for name, data in records_of(folder).items()}
    assert frames == {"a.mp4#t=0,1.5": 9, "a.mp4#t=0.5,1": 3, "a.mp4#t=1.25,9": 5}
    (log,) = (folder / "log").glob("*.jsonl")
    labels = {v["id"]: v.get("labels") for v in map(json.loads, log.read_text().splitlines()[:-1])}
    # The middle of the first is 0.75 s, where the second is, whose middle is in the first.
    assert labels["a.mp4#t=0,1.5"] == labels["a.mp4#t=0.5,1"] == [0, 2]
    assert labels["a.mp4#t=1.25,9"] == [1]
    again = extract(input_manifest=tmp_path / "parts.csv", output_dir=folder, num_shards=1)
    assert "1 of 1 shards were there" in again.stderr


def test_netvlad_trains_on_them(extracted, tmp_path):
    folder, _ = extracted
    printed = succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        model="netvlad(clusters=4, hidden=8)",
        train_data_pattern=folder / "train-*.tfrecord",
        eval_data_pattern=folder / "validate-*.tfrecord",
        num_classes=2,
        batch_size=4,
        num_epochs=4,
        base_learning_rate=0.01,
    )
    gap = float(printed.split("best GAP ")[1].split(":")[0])
    assert gap > 0.7  # One frame tells the classes; guessing gives about 0.5.


def test_other_videos_get_the_features_that_a_model_was_trained_on(extracted, clips, tmp_path):
    folder, _ = extracted
    write_clip(tmp_path / "new.mp4", "right", seed=77)
    known = clips.parent / "right" / "v_g00_c01.mp4"
    rows = [["path", "label", "group"], ["new.mp4", "right", ""], [str(known), "", ""]]
    with open(tmp_path / "new.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    flags = {"input_manifest": tmp_path / "new.csv", "pca_dir": folder}
    check(extract(output_dir=tmp_path / "new", **flags))
    # The class is that of the training, although the manifest has but one.
    (log,) = (tmp_path / "new" / "log").glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    labels = {line["id"]: line["labels"] for line in lines if "id" in line}
    assert labels == {"new.mp4": [1], str(known): []}
    mine, theirs = records_of(tmp_path / "new"), records_of(folder)
    assert mine[str(known).encode()] == theirs[b"right/v_g00_c01.mp4"]
    expect_error(
        "yt8m.extract_features",
        "are of other networks: weights:",
        "--pca_dir",
        **{**NETWORK, **flags, "output_dir": tmp_path / "other", "seed": 1},
    )


@pytest.fixture(scope="module")
def image_network(tmp_path_factory) -> Path:
    """A small network of images in a file."""
    keras.utils.set_random_seed(4)
    image = keras.Input((32, 32, 3))
    maps = keras.layers.Conv2D(8, 5, strides=4, activation="relu")(image)
    path = tmp_path_factory.mktemp("network") / "network.keras"
    keras.Model(image, maps).save(path)
    return path


def test_a_network_in_a_file_makes_features_and_predictions(image_network, clips, tmp_path):
    """The file may move meanwhile, but must not be another one."""
    flags = {"input_manifest": clips, "output_dir": tmp_path / "features"}
    flags |= {"frames_per_second": 6, "num_workers": 1, "backbone": image_network}
    check(run_job("yt8m.extract_features", **flags))
    description = json.loads((tmp_path / "features" / "features.json").read_text())
    assert description["features"]["sizes"] == {"rgb": 8}
    assert description["features"]["image_size"] == 32
    assert description["weights_from"] == "network.keras"
    pattern = tmp_path / "features" / "train-*.tfrecord"
    training = {"train_data_pattern": pattern, "num_classes": 2, "model": "average(head=logistic)"}
    training |= {"train_dir": tmp_path / "run", "batch_size": 4, "max_steps": 1}
    succeed("yt8m.train", **training)
    moved = tmp_path / "moved.keras"
    shutil.move(image_network, moved)
    networks.load.cache_clear()  # As in another process.
    video, run = str(clips.parent / "left" / "v_g00_c00.mp4"), {"train_dir": tmp_path / "run"}
    check_error(run_job("yt8m.predict", video, **run), "a file that is not there")
    assert "left\n" in check(run_job("yt8m.predict", video, **run, weights=moved))
    other = keras.saving.load_model(moved)
    other.layers[-1].bias.assign_add(np.ones(8))
    other.save(moved)
    networks.load.cache_clear()
    result = run_job("yt8m.predict", video, **run, weights=moved)
    check_error(result, "are not those of", "weights:", "--vggish_pca")
    shutil.copy(moved, image_network)
    for wrong, message in [
        ({"weights": "a.h5"}, "--weights has no meaning for a backbone in a file"),
        ({"seed": 3}, "--seed has no meaning for a backbone in a file"),
        ({"backbone": "gone.keras"}, "a file that is not there"),
        ({"image_size": 40}, "takes frames of 32 x 32 x 3, and these are of 40 x 40 x 3"),
        ({"pixel_range": "0,a"}, "--pixel_range takes numbers"),
        ({"backbone": "karpathy", "pixel_range": "0,1"}, "--pixel_range has no meaning"),
    ]:
        expect_error("yt8m.extract_features", message, **(flags | wrong))


def test_a_second_run_makes_nothing_anew_and_refuses_other_features(extracted, clips):
    folder, _ = extracted
    before = files_of(folder)
    result = extract(input_manifest=clips, output_dir=folder)
    assert "16 videos, 1 left out, 96 frames" in check(result)
    assert "Extracting" not in result.stderr
    expect_error(
        "yt8m.extract_features",
        "features.frames_per_second: 6.0 -> 3.0",
        **{**NETWORK, "frames_per_second": 3, "input_manifest": clips, "output_dir": folder},
    )
    assert files_of(folder) == before


def test_shards_of_version_0_1_0_are_not_mixed_with_others(extracted, clips, tmp_path):
    """It counted frames and placed sound by other rules."""
    folder = tmp_path / "old"
    shutil.copytree(extracted[0], folder)
    description = json.loads((folder / "features.json").read_text())
    del description["features"]["frame_rules"]
    (folder / "features.json").write_text(json.dumps(description))
    flags = {**NETWORK, "input_manifest": clips, "output_dir": folder}
    expect_error("yt8m.extract_features", "features.frame_rules: null -> 2", **flags)


def wait_for(condition, process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.1)


def wait_for_end(processes: list[int]) -> None:
    while any(Path(f"/proc/{number}").exists() for number in processes):
        time.sleep(0.1)


def children(process: subprocess.Popen) -> list[int]:
    """The processes that a process started with `spawn`."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [
        int(number)
        for number in listed
        if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()
    ]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_goes_on_after_it_was_killed(clips, extracted, tmp_path):
    """One of two shards has a long video when the extraction and its workers are killed."""
    ids = [f"{number}.mp4" for number in range(6)]
    items = [Item(name, "", (), 1, 1) for name in ids]
    first, last = shards.plan({"videos": items}, {"videos": 2})
    short, long = clips.parent / "left" / "v_g00_c00.mp4", tmp_path / last.items[-1].id
    write_clip(long, "left", seed=0, num_frames=3000)
    for name in set(ids) - {long.name}:
        (tmp_path / name).symlink_to(short)
    lines = ["path,label,group", *(f"{name},left," for name in ids)]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    folder = tmp_path / "features"
    flags = NETWORK | {"input_manifest": tmp_path / "clips.csv", "output_dir": folder}
    flags |= {"pca_dir": extracted[0], "num_shards": 2, "batch_size": 1, "max_frames": 9999}
    process = subprocess.Popen(
        command("yt8m.extract_features", **flags | {"num_workers": 2}),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    half_done = f".tmp-*-{last.name}.tfrecord"
    is_there = folder / "log" / f"{first.name}.jsonl"
    try:
        wait_for(lambda: is_there.exists() and list(folder.glob(half_done)), process)
        workers = children(process)
    finally:
        process.kill()
        process.communicate()
    assert len(workers) == 2
    wait_for_end(workers)
    before = {n: v for n, v in files_of(folder).items() if ".tmp-" not in n}
    assert f"{first.name}.tfrecord" in before and f"{last.name}.tfrecord" not in before
    assert list(folder.glob(half_done))
    long.unlink()
    long.symlink_to(short)
    result = run_job("yt8m.extract_features", **flags)
    assert "6 videos, 36 frames, 2 shards" in check(result)
    assert "1 of 2 shards were there" in result.stderr
    after = files_of(folder)
    assert all(after[name] == before[name] for name in before) and len(after) == len(before) + 2
    assert not list(folder.rglob(".tmp-*"))


def test_workers_elsewhere_find_every_file():
    """Those of a cluster are in another working directory."""
    files = {"weights": "w.h5", "vggish_weights": "v.ckpt", "vggish_pca": "p.npz"}
    found = FeatureSettings(**files).with_absolute_paths()
    for name, path in files.items():
        assert getattr(found, name) == str(Path.cwd() / path)
    for weights in ("none", "imagenet"):
        settings = FeatureSettings(weights=weights)
        assert settings.with_absolute_paths() == settings


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ({"backbone": "inceptionv9"}, ["--backbone=inceptionv9", "Did you mean 'inceptionv3'"]),
        ({"weights": "gone.h5", "seed": None}, ["--weights", "gone.h5", "no such file"]),
        ({"weights": "imagenet", "backbone": "vgg16"}, ["--seed has no meaning"]),
        ({"pca_components": 999}, ["answers 256 values", "--pca_components=999"]),
        ({"pca_dir": "nowhere"}, ["nowhere/", ".npy cannot be read"]),
        ({"vggish_pca": "a.npz"}, ["--vggish_pca has no meaning without --vggish_weights"]),
        ({"vggish_weights": "a.ckpt"}, ["There is no file", "vggish_model.ckpt"]),
        ({"beam_options": "--runner=FlinkRunner"}, ["--num_workers has no meaning"]),
        ({"beam_options": "--no_such=1"}, ["no such option in --beam_options: --no_such=1."]),
        ({"input_manifest": "none.csv"}, ["Cannot read none.csv"]),
    ],
)
def test_what_is_wrong_is_said_at_once(clips, tmp_path, flags, parts):
    given = {**NETWORK, "seed": 1, "input_manifest": clips, "output_dir": tmp_path / "out"} | flags
    given = {name: value for name, value in given.items() if value is not None}
    expect_error("yt8m.extract_features", *parts, **given)
    assert not (tmp_path / "out" / "features.json").exists()


def test_only_bad_videos_are_an_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (tmp_path / "clips.csv").write_text("path,label,group\na.mp4,x,\n")
    flags = {**NETWORK, "input_manifest": tmp_path / "clips.csv", "output_dir": tmp_path / "out"}
    expect_error("yt8m.extract_features", "None of the videos can be used", "a.mp4", **flags)
