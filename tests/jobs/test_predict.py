"""`yt8m predict`, as a user starts it, for one run of each kind and for odd videos."""

import csv
import json
import resource
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import video_files
from clip_files import write_clip
from job_runner import check, check_error, command, expect_error, run_job, run_process, succeed
from paths import GOLDEN
from random_runs import make_run

from yt8m.data.schema import VIDEO, Feature, Schema
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow

CLIP_RUN = GOLDEN / "saved_runs" / "clips"
VIDEOS = GOLDEN / "saved_runs" / "videos"
NETWORK = {"backbone": "karpathy", "image_size": 48, "weights": "none", "num_workers": 1}


def predict(run: Path, *videos: object, **flags: object):
    """The job in this process."""
    return run_job("yt8m.predict", *map(str, videos), train_dir=run, **flags)


def as_process(run: Path, *videos: object, **flags: object) -> str:
    """What the command `yt8m predict` prints in a process of its own."""
    arguments = command("yt8m.predict", *map(str, videos), train_dir=run, **flags)[3:]
    return check(run_process(command("yt8m", "predict", *arguments)))


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """A folder of odd videos."""
    folder = tmp_path_factory.mktemp("videos")
    portrait = video_files.write(folder / "portrait.mp4", video_files.numbered(20, scale=2))
    video_files.turn(portrait, (0, 1, -1, 0))
    times = [*range(10), *range(10, 60, 5)]
    variable = folder / "variable.mkv"
    video_files.write(variable, video_files.numbered(20), rate=10, times=times)
    write_clip(folder / "short.mp4", "left", 3, num_frames=3)
    tone = np.zeros((1, video_files.SOUND_RATE), np.float32)
    video_files.write(folder / "with_sound.mkv", video_files.numbered(25), sounds=[tone])
    (folder / "notes.txt").write_text("no video")
    return folder


def test_a_run_of_pixels_answers_as_inference_does(tmp_path):
    manifest, submission = VIDEOS / "clips.csv", tmp_path / "submission.csv"
    flags = {"num_clips": 2, "num_crops": 3}
    succeed(
        "yt8m.inference",
        train_dir=CLIP_RUN,
        input_data_pattern=manifest,
        output_file=submission,
        cache_dir=tmp_path / "cache",
        num_workers=0,
        **flags,
    )
    output = tmp_path / "answers.csv"
    printed = as_process(CLIP_RUN, VIDEOS, output_file=output, **flags)
    with open(submission, encoding="utf-8") as file:
        expected = {
            row["VideoId"]: dict(zip(pairs[::2], pairs[1::2], strict=True))
            for row in csv.DictReader(file)
            for pairs in [row["LabelConfidencePairs"].split()]
        }
    with open(output, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(expected) > 2
    for row in rows:
        video = str(Path(row["video"]).relative_to(VIDEOS))
        assert float(row["score"]) == pytest.approx(float(expected[video][row["class"]]), abs=2e-6)
        assert row["name"] == ["left", "right"][int(row["class"])]
        assert f"{row['video']}\n  " in printed


def test_odd_videos_and_their_timelines(videos, tmp_path):
    folder = tmp_path / "timeline"
    printed = as_process(
        CLIP_RUN, videos, timeline=folder, timeline_formats="csv,srt,png,mp4", hop_seconds=0.5
    )
    found = {path.name for path in folder.iterdir()}
    names = ("portrait.mp4", "short.mp4", "variable.mkv", "with_sound.mkv")
    assert found == {f"{n}.{ending}" for n in names for ending in ("csv", "srt", "png", "mp4")}
    assert "Wrote the timelines of 4 videos" in printed
    ends = {name: (folder / f"{name}.csv").read_text().split("\n")[-2] for name in names}
    assert {name: float(line.split(",")[1]) for name, line in ends.items()} == {
        "portrait.mp4": 0.8,
        "short.mp4": 0.25,
        "variable.mkv": 5.6,
        "with_sound.mkv": 1.0,
    }
    with av.open(str(folder / "portrait.mp4.mp4")) as copy:
        assert (copy.streams.video[0].width, copy.streams.video[0].height) == (96, 128)
    with av.open(str(folder / "with_sound.mkv.mp4")) as copy:
        assert len(copy.streams.audio) == 1


def test_a_run_of_flow_and_pixels(videos, tmp_path):
    clips = Clips(frames=2, resize=32, crop=32, short="repeat")
    schema = ClipSchema(("pixels", "flow"), clips, Flow(length=2), ("left", "right"))
    stream = "cnn(backbone='karpathy', width=0.02)"
    model = f"two_stream(spatial={stream}, temporal={stream})"
    run = make_run(tmp_path / "run", model, schema, 2)
    printed = as_process(run, videos / "variable.mkv", videos / "portrait.mp4")
    assert printed.count("left") == printed.count("right") == 2


@pytest.fixture(scope="module")
def extracted(tmp_path_factory, videos) -> Path:
    """A folder of the features of these videos, each with a label of its own."""
    folder = tmp_path_factory.mktemp("extracted")
    rows = [f"{path},{path.stem}," for path in sorted(videos.glob("*.m*"))]
    (folder / "clips.csv").write_text("\n".join(["path,label,group", *rows]))
    manifest = {"input_manifest": folder / "clips.csv", "output_dir": folder / "features"}
    succeed("yt8m.extract_features", **manifest, **NETWORK, frames_per_second=4)
    return folder / "features"


def test_a_run_of_frame_features_knows_how_they_were_made(extracted, videos, tmp_path):
    """Extracted, trained on, and predicted with no more than the run and the videos."""
    features, run = tmp_path / "features", tmp_path / "run"
    shutil.copytree(extracted, features)
    succeed(
        "yt8m.train",
        train_dir=run,
        train_data_pattern=features / "*.tfrecord",
        num_classes=4,
        model="average(head=logistic)",
        batch_size=2,
        num_epochs=1,
    )
    submission = tmp_path / "submission.csv"
    pattern = {"input_data_pattern": features / "*.tfrecord", "output_file": submission}
    succeed("yt8m.inference", train_dir=run, **pattern)
    shutil.rmtree(features)
    output = tmp_path / "answers.json"
    printed = as_process(run, videos, output_file=output, top_k=2)
    assert " portrait\n" in printed or " short\n" in printed  # The names of the manifest.
    answers = {video["video"]: video for video in json.loads(output.read_text())["videos"]}
    with open(submission, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            best, score = row["LabelConfidencePairs"].split()[:2]
            first = answers[row["VideoId"]]["classes"][0]
            assert first["class"] == int(best)
            assert first["score"] == pytest.approx(float(score), abs=2e-5)
    printed = check(predict(run, videos / "variable.mkv", timeline=tmp_path / "t"))
    lines = (tmp_path / "t" / "variable.mkv.csv").read_text().split("\n")
    assert lines[1].startswith("0.000,5.000,1,") and "5.750" in lines[-2]


def test_a_run_of_video_features_is_told(extracted, videos, tmp_path):
    schema = Schema(VIDEO, (Feature("mean_rgb", 256, "float32", "mean_rgb"),))
    run = make_run(tmp_path / "run", "logistic", schema, 3, normalize="l2")
    expected = "does not say how the features of its shards were made"
    check_error(predict(run, videos), expected, "--features_dir")
    printed = as_process(run, videos, features_dir=extracted)
    assert printed.count("class 2") == 4


def looped(source: str, path: Path, seconds: int) -> Path:
    """Writes a file again and again behind itself, without encoding it anew."""
    with av.open(source) as file:
        stream = file.streams.video[0]
        packets = [packet for packet in file.demux(stream) if packet.dts is not None]
        base, length = packets[0].time_base, sum(packet.duration for packet in packets)
        with av.open(str(path), "w") as output:
            copy = output.add_stream_from_template(stream)
            for number in range(round(seconds / (length * base))):
                for packet in packets:
                    again = av.Packet(bytes(packet))
                    again.stream, again.time_base = copy, Fraction(base)
                    again.pts = packet.pts + number * length
                    again.dts = packet.dts + number * length
                    again.duration, again.is_keyframe = packet.duration, packet.is_keyframe
                    output.mux(again)
    return path


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path):
    source = video_files.write(
        tmp_path / "short.mkv", video_files.numbered(20, scale=4), "mjpeg", rate=2
    )
    minute = looped(source, tmp_path / "minute.mkv", 60)
    hour = looped(source, tmp_path / "hour.mkv", 3600)
    flags = {"window_seconds": 10, "timeline_formats": "csv", "timeline": tmp_path}
    check(predict(CLIP_RUN, minute, **flags))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check(predict(CLIP_RUN, hour, **flags))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60_000  # Kilobytes; its frames are 354 MB.
    last = (tmp_path / "hour.mkv.csv").read_text().split("\n")[-2]
    assert last.startswith("3590.000,3600.000,2,")


def test_a_bad_video_is_left_out_and_only_bad_ones_are_an_error(videos, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    result = predict(CLIP_RUN, bad, videos / "short.mp4")
    check(result)
    assert f"{bad} cannot be opened as a video" in result.stderr
    assert "It is left out." in result.stderr and "short.mp4\n  0." in result.stdout
    check_error(predict(CLIP_RUN, bad), "None of the 1 videos can be used", "bad.mp4")


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ({"output_file": "a.txt"}, ["must end in .csv or .json"]),
        ({"timeline": "t", "timeline_formats": "csv,gif"}, ["must be of csv, srt", "csv,gif"]),
        ({"timeline": "t", "window_seconds": 1, "hop_seconds": 2}, ["no longer than a window"]),
        ({"timeline": "t", "num_clips": 3}, ["--num_clips has no meaning with --timeline"]),
        ({"hop_seconds": 3}, ["--hop_seconds has no meaning without --timeline"]),
        ({"num_crops": 4}, ["--num_crops must be one of 1, 3, 5, 10"]),
        ({"features_dir": "x"}, ["--features_dir has no meaning for a run of raw video"]),
        ({"weights": "x"}, ["--weights has no meaning for a run of raw video"]),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, parts, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_error(predict(CLIP_RUN, videos, **flags), *parts)
    assert not list(tmp_path.iterdir())


def test_a_video_must_be_named_and_be_there():
    check_error(predict(CLIP_RUN), "No video is named")
    check_error(predict(CLIP_RUN, "gone.mp4"), "There is no file or folder gone.mp4")
    expect_error("yt8m.predict", "There is no run directory nowhere", train_dir="nowhere")
