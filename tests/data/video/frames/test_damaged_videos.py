"""A file that cannot be used says why; half a video is never taken for a whole one."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import video_files

from yt8m.data.video.frames import containers, decoding
from yt8m.data.video.frames.decoding import VideoError

NUM = 30


def make(folder: Path, name: str, codec: str = "libx264", **muxer: str) -> Path:
    """A file whose frames are noisy: they are larger by far than its header and its index."""
    noise = np.random.default_rng(0).integers(0, 60, (NUM, 96, 128, 3), np.uint8)
    numbers = video_files.numbered(NUM, scale=2)
    frames = [40 + number // 2 + more for number, more in zip(numbers, noise, strict=True)]
    return Path(video_files.write(folder / name, frames, codec, **muxer))


def damage(path: Path) -> None:
    """Makes a tenth of the bytes zero, which are several frames."""
    data = bytearray(path.read_bytes())
    tenth = len(data) // 10
    data[3 * tenth : 4 * tenth] = bytes(tenth)
    path.write_bytes(data)


def expect(path: object, reason: str) -> None:
    """Every way to read a file must fail for this reason."""
    for read in (decoding.probe, lambda path: list(decoding.iterate(path))):
        with pytest.raises(VideoError, match=reason) as error:
            read(str(path))
        assert str(path) not in str(error.value) and "Errno" not in str(error.value)


def test_what_is_no_video(tmp_path):
    expect(tmp_path / "nothing.mp4", "^cannot be opened as a video: No such file")
    expect(tmp_path, "^cannot be opened as a video: Is a directory")
    for name, content in (("empty.mp4", b""), ("text.mp4", b"This is no video.\n" * 50)):
        (tmp_path / name).write_bytes(content)
        expect(tmp_path / name, "^cannot be opened as a video: Invalid data")
    (tmp_path / "a.txt").write_text("FFmpeg would show this text as a video.\n" * 50)
    expect(tmp_path / "a.txt", "^cannot be opened as a video: it is a text")
    expect("https://example.com/a.mp4", "^cannot be opened as a video: No such file")
    with pytest.raises(VideoError, match="No such file"):
        decoding.read_frames(str(tmp_path / "nothing.mp4"), [0])


def test_what_is_wrong_with_a_file_lasts_and_what_fails_around_it_does_not(tmp_path):
    (tmp_path / "text.mp4").write_text("This is no video.")
    for name, lasting in (("text.mp4", True), ("nothing.mp4", False)):
        with pytest.raises(VideoError) as error:
            decoding.probe(str(tmp_path / name))
        assert error.value.lasting is lasting
        sent = pickle.loads(pickle.dumps(error.value))
        assert sent.lasting is lasting and str(sent) == str(error.value)
    with pytest.raises(VideoError, match="No such file") as error:
        containers.is_cut(str(tmp_path / "gone.mp4"), SimpleNamespace(index_entries=[]))
    assert not error.value.lasting


def test_a_want_of_memory_is_no_undecodable_start():
    def frames(error):
        def fail():
            raise error

        file = SimpleNamespace(
            format=SimpleNamespace(flags=av.format.Flags.ts_discont.value),
            demux=lambda stream: iter([SimpleNamespace(decode=fail)]),
        )
        stream = SimpleNamespace(codec_context=SimpleNamespace())
        return list(containers.decode(file, stream, skip_errors_at_start=True))

    assert frames(av.error.InvalidDataError(1, "Invalid data")) == []
    with pytest.raises(VideoError, match="after 0 frames: Cannot allocate") as error:
        frames(av.error.MemoryError(12, "Cannot allocate memory"))
    assert not error.value.lasting


def test_a_file_of_sound_only(tmp_path):
    sound = np.zeros((1, 4410), np.float32)
    expect(video_files.write(tmp_path / "a.mkv", [], sounds=[sound]), "^has no video stream$")


def test_the_picture_of_a_cover_is_no_video(tmp_path):
    cover = video_files.numbered(1, 99)[0]
    both = video_files.write_videos(tmp_path / "b.mp4", video_files.numbered(3), cover=cover)
    with av.open(both) as file:
        assert {stream.codec_context.name for stream in file.streams} == {"mjpeg", "h264"}
    assert video_files.numbers_of(decoding.iterate(both)) == [0, 1, 2]
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        alone = file.add_stream("mjpeg", rate=1, width=64, height=48, pix_fmt="yuvj420p")
        alone.disposition = av.stream.Disposition.attached_pic
        file.mux(alone.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")))
        file.mux(alone.encode())
    expect(tmp_path / "a.mp4", "^has no video stream$")


MPEG4 = "V_MPEG4/ISO/ASP"


@pytest.mark.parametrize("other", ["V_NONE", "V_VP9"])
def test_the_first_video_that_can_be_decoded_is_taken(tmp_path, other):
    first, second = (video_files.numbered(5, number) for number in (10, 20))
    path = video_files.write_videos(tmp_path / "a.mkv", first, second)
    assert video_files.numbers_of(decoding.iterate(path)) == list(range(10, 15))
    video_files.relabel(path, MPEG4, other)
    assert video_files.numbers_of(decoding.iterate(path)) == list(range(20, 25))
    assert decoding.probe(path).num_frames == 5


def test_videos_that_nothing_decodes(tmp_path):
    path = video_files.write_videos(tmp_path / "a.mkv", *[video_files.numbered(5)] * 3)
    for _ in range(2):
        video_files.relabel(path, MPEG4, "V_NONE")
    video_files.relabel(path, "V_MPEG4/ISO/AVC", "V_NONE")
    expect(path, "^is of a codec that this FFmpeg cannot decode$")
    path = video_files.write_videos(tmp_path / "b.mkv", *[video_files.numbered(5)] * 3)
    for _ in range(2):
        video_files.relabel(path, MPEG4, "V_VP9")
    video_files.relabel(path, "V_MPEG4/ISO/AVC", "V_VP9")
    expect(path, "^cannot be decoded after 0 frames: ")


@pytest.mark.parametrize("keep", [0.6, 0.8])
@pytest.mark.parametrize("name, codec", [
    ("whole.mp4", "libx264"), ("front.mp4", "libx264"), ("fragments.mp4", "libx264"),
    ("whole.mkv", "libx264"), ("whole.webm", "libvpx-vp9"),
    ("whole.avi", "mpeg4"), ("frames.avi", "mjpeg"),
])  # fmt: skip
def test_a_cut_file_is_no_shorter_video(tmp_path, name, codec, keep):
    flags = {"front.mp4": "faststart", "fragments.mp4": "frag_keyframe+empty_moov"}
    muxer = {"movflags": flags[name]} if name in flags else {}
    path = make(tmp_path, name, codec, **muxer)
    part = video_files.cut(path, f"cut-{name}", end=int(keep * path.stat().st_size))
    expect(part, "^(cannot be (opened|decoded)|is cut)")
    # What comes before the cut can be read, for the rest of the file is not looked at.
    if name not in ("whole.mp4", "whole.webm"):
        assert video_files.numbers_of(decoding.read_frames(part, [0])) == [0]


def test_a_file_that_is_cut_between_two_packets(tmp_path):
    path = make(tmp_path, "a.mp4", movflags="faststart")
    data = path.read_bytes()
    # The offset and the sizes of the frames stand in the tables stco and stsz of the header.
    table = data.index(b"stco") + 12
    start = int.from_bytes(data[table : table + 4], "big")
    table = data.index(b"stsz") + 16
    sizes = [int.from_bytes(data[table + 4 * i : table + 4 * i + 4], "big") for i in range(NUM)]
    assert start + sum(sizes) == len(data)
    part = video_files.cut(path, "cut.mp4", end=start + sum(sizes[:10]))
    expect(part, "^is cut: it ends before its own index does$")
    assert decoding.probe(str(path)).num_frames == NUM


def test_an_error_in_the_middle_is_not_passed_over(tmp_path):
    path = make(tmp_path, "a.mp4")
    damage(path)
    expect(path, "^cannot be decoded after [1-9][0-9]* frames: Invalid data")


def test_streams_may_be_cut_anywhere(tmp_path):
    path = make(tmp_path, "a.ts")
    part = video_files.cut(path, "cut.ts", end=path.stat().st_size // 188 // 2 * 188)
    shown = video_files.numbers_of(decoding.iterate(part))
    # The last one ends with the file, and what it shows there is made up.
    assert 5 < len(shown) < NUM and shown[:-1] == list(range(len(shown) - 1))


def test_a_recording_of_unknown_length_is_whole(tmp_path):
    path = make(tmp_path, "a.mkv", live="1")
    assert b"\x18\x53\x80\x67\x01" + b"\xff" * 7 in path.read_bytes()[:100]
    assert decoding.probe(str(path)).num_frames == NUM


def test_a_header_without_frames_holds_none(tmp_path):
    path = make(tmp_path, "a.avi", "mpeg4")
    start = path.read_bytes().index(b"movi") + 4
    with pytest.raises(VideoError, match="^(holds no frame|cannot be opened as a video)"):
        decoding.probe(video_files.cut(path, "head.avi", end=start))


def test_damage_is_not_written_to_the_terminal(tmp_path, capfd):
    path = make(tmp_path, "a.mp4")
    damage(path)
    with pytest.raises(VideoError):
        decoding.probe(str(path))
    assert capfd.readouterr() == ("", "")
