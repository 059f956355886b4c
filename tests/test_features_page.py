"""The programs on the page about features write what the reader reads."""

import csv
import re

import numpy as np
import tensorflow as tf
from paths import ROOT
from shard_files import batches, make_reader

from yt8m.data import class_names, detect

PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
OF_FRAMES, OF_VIDEOS, OF_NAMES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FRAMES = np.float32([[0.25, 0.5, 1], [2, 3, 4]])


def run(program: str, monkeypatch, folder, **values) -> dict:
    monkeypatch.chdir(folder)
    values |= {"tf": tf, "csv": csv}
    exec(compile(program, "docs/features.md", "exec"), values)
    return values


def test_the_writer_of_frames_has_ten_lines_and_writes_what_is_read(monkeypatch, tmp_path):
    assert len(OF_FRAMES.splitlines()) == 10
    videos = [("a", [1, 2], FRAMES, [0.5, 0.25]), ("b", [], FRAMES[:1], [1, 2])]
    run(OF_FRAMES, monkeypatch, tmp_path, videos=videos)
    paths = [str(path) for path in tmp_path.glob("train-*.tfrecord")]
    schema = detect.with_video_features(paths, detect.detect(paths), ("title",))
    (batch,) = batches(make_reader(paths, schema).sequential())
    assert batch["ids"].tolist() == [b"a", b"b"]
    assert batch["labels"].tolist() == [[1, 2], [-1, -1]]
    np.testing.assert_array_equal(batch["rgb"][0], FRAMES)
    assert batch["title"].tolist() == [[0.5, 0.25], [1, 2]]


def test_the_writer_of_videos_writes_what_is_read(monkeypatch, tmp_path):
    run(OF_VIDEOS, monkeypatch, tmp_path, videos=[("a", [1], FRAMES[0])])
    paths = [str(path) for path in tmp_path.glob("validate-*.tfrecord")]
    (batch,) = batches(make_reader(paths, detect.detect(paths)).sequential())
    assert (batch["ids"].tolist(), batch["labels"].tolist()) == ([b"a"], [[1]])
    np.testing.assert_array_equal(batch["mean_rgb"], FRAMES[:1])


def test_names_are_numbered_and_kept(monkeypatch, tmp_path):
    names = [["dog", "cat"], [], ["owl"]]
    values = run(OF_NAMES, monkeypatch, tmp_path, names_of_videos=names)
    assert values["labels_of_videos"] == [[1, 0], [], [2]]
    assert class_names.read(str(tmp_path / "vocabulary.csv")) == ["cat", "dog", "owl"]


def test_the_error_on_the_page_is_the_one_that_is_shown():
    quoted = " ".join(re.findall(r"^> (.*)$", PAGE, re.MULTILINE))
    from yt8m.data import diagnose

    expected = f"has labels as a bytes_list. It must be a int64_list{diagnose._NAMES}."
    assert quoted.endswith(expected)
