"""The index knows each video once, survives what videos do to it, and looks again at new ones."""

import errno
import functools
import json
import os
import signal
import stat
from types import SimpleNamespace

import av
import loky
import pytest
import video_files

from yt8m.data.video.frames import decoding
from yt8m.data.video.sources import file_index
from yt8m.data.video.sources.file_index import CACHE, Entry
from yt8m.data.video.spans import Span

LENGTHS = {"a.mp4": 12, "b.avi": 7, "c.ts": 15}
CODECS = {"a.mp4": "libx264", "b.avi": "mjpeg", "c.ts": "mpeg2video"}


@pytest.fixture
def paths(tmp_path):
    return [
        video_files.write(tmp_path / name, video_files.numbered(length), CODECS[name])
        for name, length in LENGTHS.items()
    ]


@pytest.fixture
def looks(monkeypatch):
    """The paths that are decoded, in order."""
    seen, look = [], file_index._look
    monkeypatch.setattr(file_index, "_look", lambda task: seen.append(task.path) or look(task))
    return seen


def lengths(entries: dict[str, Entry]) -> dict[str, int]:
    return {os.path.basename(path): entry.probe.num_frames for path, entry in entries.items()}


def kept(folder) -> dict:
    return json.loads((folder / CACHE).read_text())["videos"]


def wait_for_one(wait, futures, **how) -> SimpleNamespace:
    """Others are still out when a process dies: they must not be forgotten."""
    return SimpleNamespace(done=list(wait(futures, **how).done)[:1])


def kill_at(task) -> Entry | str:
    """Ends its process at a video of this name, as a codec may."""
    if "kill" in os.path.basename(task.path):
        os.kill(os.getpid(), signal.SIGKILL)
    return Entry(decoding.probe(task.path))


def test_videos_are_found_in_order_and_bad_ones_named_in_order(paths, tmp_path):
    text = tmp_path / "0.mp4"
    text.write_text("no video")
    nothing = str(tmp_path / "nothing.mp4")
    bad = []
    entries = file_index.build(
        [str(text), *paths, nothing, paths[0]], "", on_bad=lambda *told: bad.append(told)
    )
    assert list(entries) == paths and lengths(entries) == LENGTHS
    assert all(entry == Entry(decoding.probe(path), (0,)) for path, entry in entries.items())
    assert [path for path, _ in bad] == [str(text), nothing]
    assert "Invalid data" in bad[0][1] and "No such file" in bad[1][1]


def test_processes_find_the_same_and_survive_one_that_dies(paths, tmp_path, monkeypatch):
    killer = tmp_path / "kill.mp4"
    killer.write_text("")
    monkeypatch.setattr(file_index, "_look", kill_at)
    monkeypatch.setattr(loky, "wait", functools.partial(wait_for_one, loky.wait))
    bad = []
    given = [paths[0], str(killer), *paths[1:]]
    entries = file_index.build(
        given, str(tmp_path / "cache"), num_workers=2, on_bad=lambda *told: bad.append(told)
    )
    assert list(entries) == paths and lengths(entries) == LENGTHS
    assert bad == [(str(killer), "ends the process that decodes it")]
    # Perhaps it was the memory: the next start tries again.
    assert set(kept(tmp_path / "cache")) == set(paths)


def test_what_is_known_is_not_looked_at_again(paths, tmp_path, looks):
    text = tmp_path / "bad.mp4"
    text.write_text("no video")
    given, cache, bad = [*paths, str(text)], str(tmp_path / "new" / "cache"), []
    first = file_index.build(given, cache, on_bad=lambda *told: bad.append(told))
    assert looks == given
    assert file_index.build(given, cache, on_bad=lambda *told: bad.append(told)) == first
    assert looks == given
    assert len(bad) == 2 and bad[0] == bad[1]


def test_a_file_that_has_changed_is_looked_at_again(paths, tmp_path, looks):
    file_index.build(paths, str(tmp_path))
    looks.clear()
    status = os.stat(paths[0])
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    video_files.write(paths[1], video_files.numbered(9), "mjpeg")
    entries = file_index.build(paths, str(tmp_path))
    assert looks == paths[:2]
    assert lengths(entries) == LENGTHS | {"b.avi": 9}


def test_shots_are_added_to_what_is_known(tmp_path, looks):
    frames = video_files.numbered(9, first=1)
    dark, light = ([frames[place]] * 8 for place in (0, 6))
    path = video_files.write(tmp_path / "a.mp4", dark + light)
    cache = str(tmp_path)
    assert file_index.build([path], cache)[path].shots == (0,)
    assert file_index.build([path], cache, shots=True)[path].shots == (0, 8)
    assert file_index.build([path], cache, shots=True)[path].shots == (0, 8)
    assert file_index.build([path], cache)[path].shots == (0,)
    assert looks == [path] * 2


def test_parts_are_found_by_time_and_kept_beside_those_of_other_lists(paths, tmp_path, looks):
    """a.mp4 has 12 frames, 25 a second: it lasts 0.48 seconds."""
    path, cache = paths[0], str(tmp_path)
    first, second, behind = Span(0.08, 0.2), Span(0.3), Span(0.48, 9.0)

    def parts(*spans, **how):
        entry = file_index.build([path], cache, spans={path: spans}, **how)[path]
        return [entry.parts[span] for span in spans]

    assert file_index.build([path], cache, shots=True)[path].parts == {}
    assert parts(first, behind) == [(2, 5), (0, 0)]
    assert parts(behind, first) == [(0, 0), (2, 5)]
    assert parts(second, num_workers=1) == [(7, 12)]
    assert parts(first, second, shots=True) == [(2, 5), (7, 12)]
    assert looks == [path] * 2  # The third time in another process.
    assert file_index.build([path], cache, shots=True)[path].shots == (0,)
    content = json.loads((tmp_path / CACHE).read_text())
    (known,) = content["videos"].values()
    known["parts"][first.fragment] = [2]
    (tmp_path / CACHE).write_text(json.dumps(content))
    assert parts(first) == [(2, 5)] and len(looks) == 3


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_what_was_done_before_an_interruption_is_kept(paths, tmp_path, monkeypatch, ending):
    look = file_index._look

    def interrupted(task):
        if task.path == paths[2]:
            raise ending
        return look(task)

    monkeypatch.setattr(file_index, "_look", interrupted)
    with pytest.raises(ending):
        file_index.build(paths, str(tmp_path))
    assert set(kept(tmp_path)) == set(paths[:2])
    monkeypatch.setattr(file_index, "_look", lambda task: Entry(decoding.probe(paths[2])))
    assert lengths(file_index.build(paths, str(tmp_path))) == LENGTHS


@pytest.mark.parametrize("content", [
    "", "{", "[]", "null", '{"format": 1}', '{"format": 1, "decoder": "0", "videos": 3}',
])  # fmt: skip
def test_a_damaged_cache_is_made_anew(paths, tmp_path, content):
    (tmp_path / CACHE).write_text(content)
    assert lengths(file_index.build(paths, str(tmp_path))) == LENGTHS
    assert set(kept(tmp_path)) == set(paths)


def test_a_cache_with_damaged_videos_or_of_another_decoder_is_not_believed(paths, tmp_path, looks):
    file_index.build(paths, str(tmp_path))
    content = json.loads((tmp_path / CACHE).read_text())
    del content["videos"][paths[0]]["probe"]["width"]
    content["videos"][paths[1]] = 3
    (tmp_path / CACHE).write_text(json.dumps(content))
    looks.clear()
    assert lengths(file_index.build(paths, str(tmp_path))) == LENGTHS
    assert looks == paths[:2]
    content = json.loads((tmp_path / CACHE).read_text())
    (tmp_path / CACHE).write_text(json.dumps(content | {"decoder": "0.1"}))
    looks.clear()
    file_index.build(paths, str(tmp_path))
    assert looks == paths


def test_a_folder_that_cannot_be_written_costs_the_cache_only(paths, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert lengths(file_index.build(paths, str(tmp_path / "file" / "cache"))) == LENGTHS
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert any("No index is kept" in record.getMessage() for record in warnings)


@pytest.mark.parametrize("name", ["EACCES", "EMFILE", "EIO", "ESTALE", "ENOMEM"])
def test_what_the_system_could_not_do_is_not_remembered(paths, tmp_path, monkeypatch, name):
    number, bad = getattr(errno, name), []

    def fail(file, **how):
        raise av.error.classes[number](number, os.strerror(number), file)

    monkeypatch.setattr(av, "open", fail)
    entries = file_index.build(paths[:1], str(tmp_path), on_bad=lambda *told: bad.append(told))
    assert not entries
    assert bad == [(paths[0], f"cannot be opened as a video: {os.strerror(number)}")]
    monkeypatch.undo()
    assert lengths(file_index.build(paths[:1], str(tmp_path))) == {"a.mp4": 12}


def test_no_cache_leaves_no_file(paths, tmp_path):
    before = set(os.listdir(tmp_path))
    file_index.build(paths, "")
    assert set(os.listdir(tmp_path)) == before
    file_index.build(paths, str(tmp_path))
    assert set(os.listdir(tmp_path)) == before | {CACHE}
    assert stat.S_ISREG(os.stat(tmp_path / CACHE).st_mode)


def test_names_that_are_no_utf8(paths, tmp_path, looks):
    odd = os.path.join(str(tmp_path), "f\udcfcr.mp4")
    os.rename(paths[0], odd)
    for _ in range(2):
        assert list(file_index.build([odd], str(tmp_path))) == [odd]
    assert looks == [odd]
