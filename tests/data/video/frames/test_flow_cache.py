"""The cache of optical flow: what it holds, and that nothing stale or damaged comes out of it."""

import concurrent.futures
import errno
import os
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest
from video_files import write_texture

from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import Flow
from yt8m.data.video.frames import decoding, flow_cache
from yt8m.data.video.frames import flow as flow_lib

HANGS = 600  # Seconds; a thread that waits longer has been left alone.
SIZE = (32, 40)
BOTH = Flow(length=2, bidirectional=True, bound=8.0)
AHEAD = Flow(length=2, bound=8.0)


@pytest.fixture
def video(tmp_path):
    return write_texture(tmp_path / "a b.mp4")


@pytest.fixture
def decodings(monkeypatch):
    """The paths of what is decoded, as it happens."""
    paths, iterate = [], decoding.iterate

    def counted(path, *settings):
        paths.append(path)
        return iterate(path, *settings)

    monkeypatch.setattr(decoding, "iterate", counted)
    return paths


def all_fields(source, both=True):
    kinds = (source.forward, source.backward) if both else (source.forward,)
    return np.stack([[read(i) for i in range(source.num_frames - 1)] for read in kinds])


def expected_fields(video, flow=BOTH):
    frames = np.stack(list(decoding.iterate(video, SIZE)))
    pairs = [flow_lib.compute(frames[i : i + 2], flow)[0] for i in range(len(frames) - 1)]
    if flow.bidirectional:
        pairs += [flow_lib.compute(frames[[i + 1, i]], flow)[0] for i in range(len(frames) - 1)]
    kinds = np.reshape(pairs, (1 + flow.bidirectional, len(frames) - 1, *SIZE, 2))
    return flow_lib.dequantize(kinds, flow.bound)


def files_in(folder):
    return [name for _, _, names in os.walk(folder) for name in names]


def test_the_cache_holds_the_fields_of_the_video(video, tmp_path, decodings):
    expected = expected_fields(video)
    assert np.median(expected[0, ..., 0]) > 0.5 > -0.5 > np.median(expected[1, ..., 0])
    decodings.clear()
    for _ in range(2):
        source = flow_cache.cached(video, str(tmp_path / "cache"), BOTH, SIZE)
        assert source.num_frames == 7 and source.size == SIZE
        np.testing.assert_array_equal(all_fields(source), expected)
    assert decodings == [video]
    (name,) = files_in(tmp_path / "cache")
    assert name.startswith("a_b-") and name.endswith(".flow")
    assert os.listdir(tmp_path / "cache") == ["flow-dis-8-32x40"]


def test_a_cache_changes_no_result(video, tmp_path):
    def read(indices):
        return decoding.read_frames(video, indices, SIZE)

    for flow in (BOTH, Flow("dis", 4, "trajectory", False, True, bound=3.0)):
        source = flow_cache.cached(video, str(tmp_path), flow, SIZE)
        frames = [6, 0, 3]
        expected = flow_lib.stacks(flow_lib.FrameFlow(read, 7, frames, flow), frames, flow)
        np.testing.assert_array_equal(flow_lib.stacks(source, frames, flow), expected)


def test_what_shares_a_file_and_what_does_not(video, tmp_path, decodings):
    def cached(flow, size=SIZE, path=video):
        decodings.clear()
        flow_cache.cached(path, str(tmp_path / "cache"), flow, size)
        return len(decodings)

    assert cached(AHEAD) == 1
    shared = (
        Flow(length=10, stacking="trajectory", subtract_mean=True, bound=8.0),
        Flow(channels=3, bound=8.0),
    )
    assert [cached(flow) for flow in shared] == [0, 0]
    assert cached(BOTH) == 1, "backward fields are made when they are needed"
    assert [cached(flow) for flow in (AHEAD, BOTH, *shared)] == [0] * 4
    assert cached(Flow(bound=8.5)) == 1 and cached(Flow("farneback", bound=8.0)) == 1
    assert cached(Flow(bound=8.0 + 1e-9)) == 1, "the name of the folder is rounded"
    assert cached(AHEAD, (40, 32)) == 1
    os.makedirs(tmp_path / "other")
    assert cached(AHEAD, path=write_texture(tmp_path / "other" / "a b.mp4", seed=1)) == 1
    assert len(files_in(tmp_path / "cache")) == 5


def test_fields_are_read_one_by_one(video, tmp_path, decodings):
    source = flow_cache.cached(video, str(tmp_path / "cache"), BOTH, SIZE)
    expected = all_fields(source)
    whole = os.path.getsize(source.file)
    with open(source.file, "r+b") as file:
        file.write(bytes(whole // 3))
    decodings.clear()
    again = flow_cache.cached(video, str(tmp_path / "cache"), BOTH, SIZE)
    np.testing.assert_array_equal(again.backward(5), expected[1, 5])
    np.testing.assert_array_equal(again.forward(4), expected[0, 4])
    assert not decodings
    np.testing.assert_array_equal(again.forward(0), expected[0, 0])
    assert decodings == [video], "a field was damaged"
    np.testing.assert_array_equal(all_fields(again), expected)
    assert len(decodings) == 1


def test_a_changed_video_is_computed_again(video, tmp_path, decodings):
    cache = str(tmp_path / "cache")
    first = flow_cache.cached(video, cache, AHEAD, SIZE)
    write_texture(video, num_frames=5, seed=3)
    source = flow_cache.cached(video, cache, AHEAD, SIZE)
    assert source.num_frames == 5 and source.file == first.file
    np.testing.assert_array_equal(all_fields(source, False), expected_fields(video, AHEAD))
    decodings.clear()
    os.utime(video, ns=(0, 1_000_000_007))
    flow_cache.cached(video, cache, AHEAD, SIZE)
    flow_cache.cached(video, cache, AHEAD, SIZE)
    assert decodings == [video]


def test_damage_anywhere_is_found(video, tmp_path, decodings):
    cache = str(tmp_path / "cache")
    source = flow_cache.cached(video, cache, AHEAD, SIZE)
    expected = all_fields(source, False)
    with open(source.file, "rb") as file:
        whole = file.read()
    flips = np.linspace(0, len(whole) - 1, 40).astype(int)
    damaged = [whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :] for i in flips]
    damaged += [whole[:length] for length in (0, 5, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"more", b"\0" * len(whole), whole[len(whole) // 2 :]]
    decodings.clear()
    for content in damaged:
        with open(source.file, "wb") as file:
            file.write(content)
        found = flow_cache.cached(video, cache, AHEAD, SIZE)
        np.testing.assert_array_equal(all_fields(found, False), expected)
    assert len(decodings) >= len(damaged) - 1, "the last tail has all it needs but the offsets"


def test_jobs_with_and_without_backward_fields_share_a_file(video, tmp_path, decodings):
    expected = expected_fields(video)
    decodings.clear()
    ahead, both = (flow_cache.cached(video, str(tmp_path), flow, SIZE) for flow in (AHEAD, BOTH))
    for pair in range(6):
        np.testing.assert_array_equal(ahead.forward(pair), expected[0, pair])
        np.testing.assert_array_equal(both.backward(pair), expected[1, pair])
    assert decodings == [video] * 2
    with open(both.file, "r+b") as file:
        file.write(bytes(50))
    np.testing.assert_array_equal(ahead.forward(0), expected[0, 0])
    np.testing.assert_array_equal(both.backward(0), expected[1, 0])
    assert len(decodings) == 3, "whoever mends the file keeps the backward fields"


def test_fields_that_another_job_adds_meanwhile_are_kept(video, tmp_path, monkeypatch):
    expected, iterate = expected_fields(video), decoding.iterate

    def slow(path, *settings):
        monkeypatch.setattr(decoding, "iterate", iterate)
        yield from iterate(path, *settings)
        flow_cache.cached(video, str(tmp_path), BOTH, SIZE)

    monkeypatch.setattr(decoding, "iterate", slow)
    ahead = flow_cache.cached(video, str(tmp_path), AHEAD, SIZE)
    monkeypatch.setattr(decoding, "iterate", lambda *a: pytest.fail("it was computed already"))
    np.testing.assert_array_equal(all_fields(ahead, False), expected[:1])
    both = flow_cache.cached(video, str(tmp_path), BOTH, SIZE)
    np.testing.assert_array_equal(all_fields(both), expected)


def test_a_disk_that_spoils_what_is_written(video, tmp_path, decodings, monkeypatch):
    replace = os.replace

    def spoil(source, target):
        with open(source, "r+b") as file:
            file.write(bytes(50))
        replace(source, target)

    monkeypatch.setattr(os, "replace", spoil)
    source = flow_cache.cached(video, str(tmp_path), AHEAD, SIZE)
    with pytest.raises(UserError, match="cannot be read back as it was written"):
        source.forward(0)
    assert len(decodings) == 3


def test_a_video_that_changes_while_it_is_read(video, tmp_path):
    source = flow_cache.cached(video, str(tmp_path), AHEAD, SIZE)
    write_texture(video, num_frames=4, seed=3)
    flow_cache.cached(video, str(tmp_path), AHEAD, SIZE)
    with pytest.raises(UserError, match="changed meanwhile"):
        source.forward(5)


def test_several_that_compute_a_flow_at_once_agree(video, tmp_path, monkeypatch):
    iterate, together = decoding.iterate, threading.Barrier(4)

    def waiting(path, *settings):
        together.wait(HANGS)
        yield from iterate(path, *settings)
        together.wait(HANGS)

    expected = expected_fields(video)
    monkeypatch.setattr(decoding, "iterate", waiting)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(flow_cache.cached, video, str(tmp_path / "cache"), BOTH, SIZE)
            for _ in range(4)
        ]
        for future in futures:
            np.testing.assert_array_equal(all_fields(future.result()), expected)
    assert len(files_in(tmp_path / "cache")) == 1


def test_few_frames_are_held_at_once(video, tmp_path, monkeypatch):
    alive, most = weakref.WeakSet(), []

    class Frame(np.ndarray):
        """An array that can be counted."""

        __hash__ = object.__hash__

    def iterate(path, size, rate):
        random = np.random.default_rng(0)
        for _ in range(30):
            frame = random.integers(0, 256, (16, 16, 3), dtype=np.uint8).view(Frame)
            alive.add(frame)
            most.append(len(alive))
            yield frame

    monkeypatch.setattr(decoding, "iterate", iterate)
    assert flow_cache.cached(video, str(tmp_path), AHEAD, (16, 16)).num_frames == 30
    assert len(most) == 30 and max(most) <= 3


def test_a_video_of_one_frame(tmp_path):
    video = write_texture(tmp_path / "one.mp4", num_frames=1)
    for _ in range(2):
        source = flow_cache.cached(video, str(tmp_path), BOTH, SIZE)
        assert source.num_frames == 1
        stacks = flow_lib.stacks(source, [0], BOTH)
        assert stacks.shape == (1, *SIZE, 4) and (stacks == flow_lib.ZERO).all()


def test_a_cache_that_cannot_be_written(video, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        UserError, match=r"Cannot write .*file/flow-dis.*: Not a directory\. .*--cache_dir"
    ):
        flow_cache.cached(video, str(tmp_path / "file"), AHEAD, SIZE)

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"No space left on device\. Check the folder"):
        flow_cache.cached(video, str(tmp_path / "cache"), AHEAD, SIZE)
    assert files_in(tmp_path / "cache") == [], "nothing half done stays"


def test_a_video_that_ends_early_leaves_no_file(video, tmp_path, monkeypatch):
    def iterate(path, size, rate):
        yield np.zeros((*size, 3), np.uint8)
        yield np.zeros((*size, 3), np.uint8)
        raise decoding.VideoError("is cut short")

    monkeypatch.setattr(decoding, "iterate", iterate)
    with pytest.raises(decoding.VideoError, match="is cut short"):
        flow_cache.cached(video, str(tmp_path / "cache"), AHEAD, SIZE)
    assert files_in(tmp_path / "cache") == []
    with pytest.raises(decoding.VideoError, match="cannot be opened: No such file"):
        flow_cache.cached(str(tmp_path / "none.mp4"), str(tmp_path), AHEAD, SIZE)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_precompute_keeps_flows_and_reports_bad_videos(tmp_path, num_workers, monkeypatch):
    videos = [write_texture(tmp_path / f"{i}.mp4", 3 + i, seed=i) for i in range(3)]
    broken, cache = str(tmp_path / "broken.mp4"), str(tmp_path / "cache")
    with open(broken, "w") as file:
        file.write("no video")
    sizes = {videos[0]: SIZE, broken: SIZE, videos[1]: (24, 24), videos[2]: SIZE}
    bad = []
    flow_cache.precompute(sizes, cache, AHEAD, lambda *a: bad.append(a), num_workers)
    assert [path for path, _ in bad] == [broken] and bad[0][1]
    monkeypatch.setattr(decoding, "iterate", lambda *a: pytest.fail("it was computed already"))
    counts = [flow_cache.cached(v, cache, AHEAD, sizes[v]).num_frames for v in videos]
    assert counts == [3, 4, 5] and len(files_in(cache)) == 3
    if num_workers:
        with pytest.raises(UserError, match="Not a directory"):
            flow_cache.precompute({videos[0]: SIZE}, broken, AHEAD, bad.append, num_workers)


def test_precompute_removes_what_a_killed_job_left(video, tmp_path):
    cache = str(tmp_path / "cache")
    code = f"""
        import os
        from yt8m.data.video.frames import decoding, flow_cache
        from yt8m.data.video.clip_specs import Flow
        decoding.iterate = lambda *settings: os._exit(9)
        flow_cache.cached({video!r}, {cache!r}, {AHEAD!r}, {SIZE})
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 9
    (left,) = files_in(cache)
    assert left.startswith(".tmp-") and left.endswith(".flow")
    flow_cache.precompute({video: SIZE}, cache, AHEAD, lambda *a: pytest.fail(str(a)))
    (name,) = files_in(cache)
    assert name.startswith("a_b-")


def test_workers_load_neither_tensorflow_nor_keras():
    module = "yt8m.data.video.frames.flow_cache"
    code = f"import sys, {module}; print({{'tensorflow', 'keras'}} & {{*sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_flow_at_a_rate_is_between_the_frames_that_are_then_seen(video, tmp_path):
    """Its file stands beside that of the video's own rate, and neither replaces the other."""
    own = flow_cache.cached(video, str(tmp_path), AHEAD, SIZE)
    slower = flow_cache.cached(video, str(tmp_path), AHEAD, SIZE, 5.0)
    frames = np.stack(list(decoding.iterate(video, SIZE, 5.0)))
    assert slower.num_frames == len(frames) == (own.num_frames + 1) // 2
    field = flow_lib.dequantize(flow_lib.compute(frames[1:3], AHEAD)[0], AHEAD.bound)
    np.testing.assert_array_equal(slower.forward(1), field)
    assert len(files_in(tmp_path)) == 3, "the video and two files"
    assert flow_cache.cached(video, str(tmp_path), AHEAD, SIZE).num_frames == own.num_frames
