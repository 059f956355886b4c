"""What MediaPipe's YouTube-8M extractor writes, from its files to predictions."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from job_runner import NUM_CLASSES, check, measure, run_job, succeed

from yt8m.data import synthetic

RGB, AUDIO = "RGB/feature/floats", "AUDIO/feature/floats"
# That of the run and the shards that all tests of jobs share.
WORLD = synthetic.World(
    num_classes=NUM_CLASSES, feature_sizes=(16, 8), min_frames=4, max_frames=12, noise=0.1
)


def floats(values) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def ints(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def extracted(video: synthetic.Video, labels: bool, sound_missing: int = 0) -> bytes:
    """A video as the extractor writes it, and with labels if its metadata had them."""
    sizes = dict(zip(("RGB", "AUDIO"), WORLD.feature_sizes, strict=True))
    frames = np.split(video.frames, [sizes["RGB"]], axis=1)
    example = tf.train.SequenceExample()
    context, lists = example.context.feature, example.feature_lists.feature_list
    context["clip/data_path"].bytes_list.value.append(f"/videos/{video.id}.mp4".encode())
    context["clip/start/timestamp"].CopyFrom(ints(0))
    if labels:
        context["clip/label/index"].CopyFrom(ints(*video.labels))
    for (prefix, size), values in zip(sizes.items(), frames, strict=True):
        context[f"{prefix}/feature/dimensions"].CopyFrom(ints(size))
        context[f"{prefix}/feature/rate"].CopyFrom(floats([1.0]))
        length = len(values) - (sound_missing if prefix == "AUDIO" else 0)
        lists[f"{prefix}/feature/floats"].feature.extend(floats(v) for v in values[:length])
        times = [ints(1_000_000 * second) for second in range(length)]
        lists[f"{prefix}/feature/timestamp"].feature.extend(times)
    return example.SerializeToString()


def write(path: Path, records: list[bytes]) -> Path:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Labelled shards to train and validate on, one without labels, and files of one record."""
    folder = tmp_path_factory.mktemp("mediapipe")
    videos = list(synthetic.videos(WORLD, 130, seed=5))
    for name, part in (("train", videos[:64]), ("validate", videos[64:120])):
        write(folder / f"{name}.tfrecord", [extracted(video, True) for video in part])
    write(folder / "test.tfrecord", [extracted(video, False) for video in videos[64:120]])
    for video in videos[120:]:
        path = folder / f"{video.id}.pb"
        path.write_bytes(extracted(video, False, sound_missing=len(video.frames) % 2))
    return folder


TRAINING = {
    "num_classes": NUM_CLASSES,
    "model": "average(head=moe)",
    "batch_size": 32,
    "num_epochs": 1,
    "base_learning_rate": 0.02,
}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


def test_trains_evaluates_predicts_and_serves_floats_as_they_are(folder, tmp_path):
    succeed(
        "yt8m.train",
        train_dir=tmp_path / "run",
        train_data_pattern=folder / "train.tfrecord",
        eval_data_pattern=folder / "validate.tfrecord",
        **TRAINING,
    )
    config = json.loads((tmp_path / "run" / "run.json").read_text())
    assert config["schema"] == {
        "kind": "frame",
        "features": [
            {"name": "rgb", "size": 16, "dtype": "float32", "key": RGB},
            {"name": "audio", "size": 8, "dtype": "float32", "key": AUDIO},
        ],
        "id_key": "clip/data_path",
        "labels_key": "clip/label/index",
        "segments": False,
    }
    (results,) = (tmp_path / "run" / "eval").glob("*.json")
    assert json.loads(results.read_text())["num_examples"] == 56
    flags = {"train_dir": tmp_path / "run", "top_k": NUM_CLASSES}
    for split in ("validate", "test"):
        pattern, output = folder / f"{split}.tfrecord", tmp_path / f"{split}.csv"
        succeed("yt8m.inference", input_data_pattern=pattern, output_file=output, **flags)
    assert lines(tmp_path / "test.csv") == lines(tmp_path / "validate.csv")
    assert len(lines(tmp_path / "test.csv")) == 56

    succeed("yt8m.export", output_dir=tmp_path / "exported", **flags)
    serve = tf.saved_model.load(str(tmp_path / "exported")).signatures["serialized"]
    records = tf.data.TFRecordDataset(str(folder / "test.tfrecord")).as_numpy_iterator()
    answer = {k: v.numpy() for k, v in serve(serialized=tf.constant(list(records))).items()}
    for row, line in enumerate(lines(tmp_path / "test.csv")):
        video, pairs = line.split(",")
        assert answer["ids"][row].decode() == video
        expected = dict(zip(pairs.split()[0::2], pairs.split()[1::2], strict=True))
        for label, score in zip(answer["classes"][row], answer["scores"][row], strict=True):
            assert float(expected[str(label)]) == pytest.approx(score, abs=1e-5)


def test_quantises_shards_for_a_run_on_youtube8m_records(folder, run_dir, tmp_path):
    """A run that was trained on bytes predicts for what the extractor wrote, once converted."""
    flags = {"output_dir": tmp_path / "shards", "input_data_pattern": folder / "validate.tfrecord"}
    printed = succeed("yt8m.quantize_features", **flags)
    assert printed == f"Converted 56 records to uint8: {tmp_path / 'shards'}\n"
    shard = tmp_path / "shards" / "validate.tfrecord"
    assert measure("yt8m.eval", train_dir=run_dir, eval_data_pattern=shard)["gap"] > 0.4

    videos = list(synthetic.videos(WORLD, 130, seed=5))[64:120]
    records = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    for video, record in zip(videos, records, strict=True):
        example = tf.train.SequenceExample.FromString(record)
        assert list(example.context.feature["labels"].int64_list.value) == list(video.labels)
        frames = example.feature_lists.feature_list["rgb"].feature
        received = np.frombuffer(b"".join(f.bytes_list.value[0] for f in frames), np.uint8)
        values = np.float32(video.frames[:, :16]).ravel()
        expected = [round((min(max(float(x), -2), 2) + 2) * 255 / 4) for x in values]
        assert np.abs(received - np.array(expected)).max() == 0

    flags = {"output_dir": tmp_path / "floats", "input_data_pattern": shard}
    succeed("yt8m.quantize_features", to="float32", **flags)
    again = tmp_path / "floats" / "validate.tfrecord"
    succeed("yt8m.quantize_features", output_dir=tmp_path / "again", input_data_pattern=again)
    assert (tmp_path / "again" / "validate.tfrecord").read_bytes() == shard.read_bytes()


def test_packs_the_files_of_the_extractor_into_shards(folder, run_dir, tmp_path):
    flags = {"output_dir": tmp_path / "shards", "input_data_pattern": folder / "*.pb"}
    result = run_job("yt8m.quantize_features", **flags)
    check(result)
    odd = sum(len(v.frames) % 2 for v in list(synthetic.videos(WORLD, 130, seed=5))[120:])
    assert 0 < odd < 10
    assert f"{odd} records were cut to the shortest of their features." in result.stderr
    names = sorted(path.name for path in (tmp_path / "shards").iterdir())
    assert names == sorted(f"{path.stem}.tfrecord" for path in folder.glob("*.pb"))
    succeed(
        "yt8m.inference",
        train_dir=run_dir,
        input_data_pattern=tmp_path / "shards" / "*.tfrecord",
        output_file=tmp_path / "out.csv",
    )
    ids = [line.split(",")[0] for line in lines(tmp_path / "out.csv")]
    assert ids == [f"/videos/{path.stem}.mp4" for path in sorted(folder.glob("*.pb"))]


def test_the_tool_names_what_is_wrong(folder, shards, tmp_path):
    def expect_error(*parts, **flags):
        result = run_job("yt8m.quantize_features", output_dir=tmp_path / "new", **flags)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        (error,) = [line for line in result.stderr.splitlines() if line.startswith("ERROR:")]
        for part in parts:
            assert str(part) in error
        assert not list((tmp_path / "new").glob("*"))

    records = list(tf.data.TFRecordDataset(str(folder / "test.tfrecord")).as_numpy_iterator())
    example = tf.train.SequenceExample.FromString(records[2])
    example.feature_lists.feature_list[AUDIO].feature[3].float_list.value[1] = float("nan")
    bad = write(tmp_path / "bad.tfrecord", [*records[:2], example.SerializeToString()])
    expect_error("Record 2 of", bad, "NaN or infinity in frame 3", input_data_pattern=bad)
    videos = shards / "video" / "validate*.tfrecord"
    expect_error("Only the features of frames", input_data_pattern=videos)
    frames = shards / "frame" / "validate*.tfrecord"
    expect_error("nothing to make uint8 of", input_data_pattern=frames)
    expect_error("No file matches", input_data_pattern=tmp_path / "none*")
    data = bytearray((folder / "test.tfrecord").read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    data[12 + length // 2] ^= 1
    (tmp_path / "damaged.tfrecord").write_bytes(data)
    flags = {"input_data_pattern": tmp_path / "damaged.tfrecord"}
    expect_error("corrupt at byte 0", on_corrupt_shard="fail", **flags)
    result = run_job("yt8m.quantize_features", output_dir=tmp_path / "new", **flags)
    assert "Converted 55 records" in check(result)
    assert (
        f"damaged.tfrecord is cut or corrupt at byte 0: {length + 16:,} byte(s) lost"
        in result.stderr
    )
