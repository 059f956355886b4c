"""A manifest is read as it is meant, and what is wrong in it is named."""

import os

import pytest

from yt8m.base.errors import UserError
from yt8m.data.video.sources import manifest, manifest_writing
from yt8m.data.video.sources.manifest import Video
from yt8m.data.video.spans import Span

HEADER = "path,label,group,split\n"


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a manifest and returns its path."""

    def function(content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / "list.csv").write_bytes(data)
        return str(tmp_path / "list.csv")

    return function


def expect(path: str, *parts: str) -> None:
    with pytest.raises(UserError) as error:
        manifest.read(path)
    for part in parts:
        assert part in str(error.value)


def test_columns_come_in_any_order_and_paths_are_within_the_folder(write, tmp_path):
    path = write(
        "label,split,path,group\n"
        'run;jump,train,"a, b.mp4",g1\n'
        "\n"
        " run ; run, validate ,sub/b.mp4, g2 \n"
        ",,/c.mp4,\n"
    )
    assert manifest.read(path) == [
        Video("a, b.mp4", str(tmp_path / "a, b.mp4"), ("run", "jump"), "g1", "train"),
        Video("sub/b.mp4", str(tmp_path / "sub" / "b.mp4"), ("run",), "g2", "validate"),
        Video("/c.mp4", "/c.mp4", (), "/c.mp4", ""),
    ]
    assert manifest.names(manifest.read(path)) == ("jump", "run")


def test_a_manifest_without_splits_with_a_byte_order_mark_and_windows_line_ends(write, tmp_path):
    path = write(b"\xef\xbb\xbfpath,label,group\r\nf\xfcr.mp4,x\xe9,\r\n")
    (video,) = manifest.read(path)
    assert os.fsencode(video.path) == os.fsencode(tmp_path) + b"/f\xfcr.mp4"
    assert video.labels == ("x\udce9",) and video.split == ""
    assert video.group == video.path


def test_a_tilde_is_the_home_folder(write, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("path,label,group\n~/a.mp4,x,g\n")
    (video,) = manifest.read("~/list.csv")
    assert (video.id, video.path) == ("~/a.mp4", str(tmp_path / "a.mp4"))


@pytest.mark.parametrize("content, parts", [
    ("", ("has no header", "path,label,group")),
    ("a.mp4,run,g\n", ("has no header", "a.mp4,run,g")),
    ("path,label\na,b\n", ("has no column group", "Received: 'path,label'")),
    ("path,label,group,fps,note\na,b,c,1,2\n", ("unknown column: fps, note",)),
    ("path,label,group,path\na,b,c,d\n", ("has a column twice",)),
    ("path,label,group\n", ("holds no videos",)),
    (HEADER + "a.mp4,run,g1,train\nb.mp4,run,g2\n", ("line 3 must have 4 fields", "b.mp4,run,g2")),
    (HEADER + "a.mp4,run,g1,train,x\n", ("line 2 must have 4 fields",)),
    (HEADER + ",run,g1,train\n", ("line 2 has an empty path",)),
    (HEADER + "gs://b/a.mp4,run,g1,train\n", ("line 2", "gs://b/a.mp4 is no local file")),
    (HEADER + "a.mp4,run,,\nb.mp4,run,,\n./a.mp4,x,,\n", ("./a.mp4 twice", "line 2 and line 4")),
    (HEADER + '"a.mp4,run\n', ("as CSV",)),
    (HEADER.encode("utf-16"), ("is UTF-16, or no text", "UTF-8")),
    (HEADER.encode("utf-16-be"), ("is UTF-16, or no text", "UTF-8")),
    (HEADER + "a\0.mp4,run,g1,train\n", ("bytes of 0",)),
    (
        HEADER + "a.mp4,run,g1,train\nb.mp4,run,g2,train\nc.mp4,run,g1,validate\n",
        ("group 'g1' is in two splits", "a.mp4 is in 'train'", "c.mp4 in 'validate'"),
    ),
])  # fmt: skip
def test_what_is_wrong_is_named(write, content, parts):
    path = write(content)
    expect(path, path, *parts)


TIMED = "path,label,group,start,end\n"


@pytest.mark.parametrize("content, parts", [
    (TIMED + "a.mp4,run,,1,x\n", ("line 2: start and end must be seconds", "Received: '1,x'")),
    (TIMED + "a.mp4,run,,-1,\n", ("line 2", "Received: '-1,'")),
    (TIMED + "a.mp4,run,,5,5\n", ("the end behind the start", "Received: '5,5'")),
    (TIMED + "a.mp4,run,,nan,5\n", ("Received: 'nan,5'",)),
    (TIMED + "a.mp4,run,,1,inf\n", ("Received: '1,inf'",)),
    (TIMED + "a,x,,1,2\na,y,,2,3\n./a,x,,1.0,2.\n", ("./a#t=1,2 twice", "line 2 and line 4")),
    (TIMED + "a,x,,0,2\na,x,,,2\n", ("a#t=,2 twice, in line 2 and line 3",)),
    (TIMED + "a,x,,1,2\na,y,,,\n", ("line 3", "line 2", "all lines of a file have times")),
    (TIMED + "a,x,,,\na,y,,1,2\n", ("a#t=1,2 in line 3", "a single line without")),
    (TIMED + "a,x,g1,1,2\na,y,g2,3,4\n", ("a#t=1,2 is of the group 'g1'", "a#t=3,4 of 'g2'")),
    (TIMED + "a,x,g1,1,2\na,y,,3,4\n", ("All parts of a file are of one group",)),
    (TIMED + '"a#t=1,2",x,,,\na,x,,1,2\n', ("line 2 and line 3 are both called a#t=1,2",)),
    ("path,label,group,split,start\na,x,,t,1\na,x,,u,2\n", ("in two splits", "a#t=1 is in 't'")),
])  # fmt: skip
def test_what_is_wrong_with_times_is_named(write, content, parts):
    path = write(content)
    expect(path, path, *parts)


def test_lines_with_times_are_parts_of_files(write, tmp_path):
    videos = manifest.read(
        write(TIMED + "a.mp4,x;y,,1.50,3\na.mp4,x,,,2\na.mp4,,,4,\nb.mp4,x,,,\n")
    )
    assert [video.id for video in videos] == [
        "a.mp4#t=1.5,3", "a.mp4#t=,2", "a.mp4#t=4", "b.mp4",
    ]  # fmt: skip
    assert [video.span for video in videos] == [Span(1.5, 3), Span(None, 2), Span(4), None]
    assert [video.path for video in videos] == [str(tmp_path / f"{n}.mp4") for n in "aaab"]
    assert len({video.group for video in videos[:3]}) == 1 and videos[3].group != videos[0].group


def test_a_manifest_with_times_is_written_as_it_was_read(write, tmp_path):
    content = (
        "path,label,group,split,start,end\n"
        "a.mp4,x;y,,t,1.5,3\na.mp4,z,,t,2,12.25\nb.mp4,x,g,t,,\nc.mp4,,g,t,0,\n"
    )
    videos = manifest.read(write(content))
    manifest_writing.write(videos, str(tmp_path / "new.csv"))
    assert (tmp_path / "new.csv").read_text() == content
    # Labels of parts around are no labels of a line: else they would pile up.
    assert [video.labels for video in manifest.with_all_labels(videos)[:2]] == [
        ("x", "y", "z"), ("z",),
    ]  # fmt: skip


def test_a_manifest_that_is_not_there(tmp_path):
    expect(str(tmp_path / "no.csv"), f"Cannot read {tmp_path / 'no.csv'}", "No such file")
    expect(str(tmp_path), "Cannot read", "Is a directory")


def test_splits_are_chosen_by_name(write):
    videos = manifest.read(write(HEADER + "a,x,,train\nb,x,,validate\nc,x,,train\n"))
    assert [video.id for video in manifest.select(videos, "train")] == ["a", "c"]
    with pytest.raises(UserError, match="no video of the split 'test'.*: train, validate"):
        manifest.select(videos, "test")
    videos = manifest.read(write("path,label,group\na,x,\n"))
    with pytest.raises(UserError, match="It has no column split"):
        manifest.select(videos, "train")
