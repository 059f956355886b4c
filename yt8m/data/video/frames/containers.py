"""Container files: what is in them, their packets decoded one by one, and whether they are whole.

What `decoding` builds on. Needs no TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import av

_Stream = TypeVar("_Stream", av.VideoStream, av.AudioStream)
_TEXT_FORMAT = "tty"  # FFmpeg can show any .txt file as a video.
_MATROSKA_HEADER, _MATROSKA_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


class VideoError(Exception):
    """A file that cannot be used.

    Args:
        text: goes behind the path: `has no video stream`.
        lasting: whether it lies in the file itself. Otherwise the next try may well succeed.
    """

    def __init__(self, text: str, lasting: bool = True):
        super().__init__(text)
        self.lasting = lasting


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns errors of FFmpeg and of the file system into a VideoError."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as error:
        text = f"{what}: {getattr(error, 'strerror', None) or error}"
        raise VideoError(text, not _is_of_the_system(error)) from None


def _is_of_the_system(error: Exception) -> bool:
    """Whether memory, descriptors, the disk or the network failed, and not the data.

    FFmpeg's own errors of the data, its plain `invalid argument` too, are no OSError in PyAV.
    """
    return isinstance(error, (OSError, MemoryError))


@contextlib.contextmanager
def opened(path: str) -> Iterator[av.container.InputContainer]:
    """Opens a local file, and closes it when the block ends.

    Raises:
        VideoError: it cannot be opened, or is no video.
    """
    with explained("cannot be opened as a video"):
        # With the protocol before it a colon in a name is just a colon, and only files are read.
        container = av.open(f"file:{path}", metadata_errors="replace")
    with container:
        if container.format.name == _TEXT_FORMAT:
            raise VideoError("cannot be opened as a video: it is a text")
        yield container


def video_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    """The first video that can be decoded and is no picture of a cover.

    Args:
        container: the opened file.
        path: of it.

    Raises:
        VideoError: there is none, or nothing here can decode it.
    """
    cover = av.stream.Disposition.attached_pic
    videos = [s for s in container.streams.video if not s.disposition & cover]
    if not videos:
        raise VideoError("has no video stream")
    return _first_decodable(videos, path, "is of a codec that this FFmpeg cannot decode")


def sound_stream(container: av.container.InputContainer, path: str) -> av.AudioStream:
    """The first sound that can be decoded.

    Args:
        container: the opened file.
        path: of it.

    Raises:
        VideoError: there is none, or nothing here can decode it.
    """
    if not container.streams.audio:
        raise VideoError("has no sound")
    reason = "has sound of a codec that this FFmpeg cannot decode"
    return _first_decodable(container.streams.audio, path, reason)


def _first_decodable(streams: Sequence[_Stream], path: str, reason: str) -> _Stream:
    """The first of some streams of a file that gives a frame.

    Where there is a single one for whose codec there is a decoder, it is taken untried: whoever
    decodes it sees what is wrong with it. So it is where none gives a frame.

    Raises:
        VideoError: there is a decoder for none; says `reason`.
    """
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise VideoError(reason)
    if len(known) == 1:
        return known[0]
    return next((stream for stream in known if _gives_a_frame(path, stream.index)), known[0])


def _gives_a_frame(path: str, index: int) -> bool:
    """Whether anything of a stream can be decoded; tried on the file opened once more."""
    with opened(path) as container:
        stream = container.streams[index]
        skips = stream.type == "audio" or is_joined_anywhere(container)
        try:
            return next(decode(container, stream, skips), None) is not None
        except VideoError as error:
            if not error.lasting:
                raise
            return False


def is_joined_anywhere(container: av.container.InputContainer) -> bool:
    """Whether the format is one of streams that are recorded from some moment to some other."""
    return bool(container.format.flags & av.format.Flags.ts_discont.value)


def decode(
    container: av.container.InputContainer, stream: Any, skip_errors_at_start: bool
) -> Iterator[Any]:
    """The frames of a stream, as they come out of its decoder.

    One thread decodes: what comes of a damaged file is then always the same, and many files are
    decoded at a time in other processes and threads.

    Args:
        container: the opened file.
        stream: of the file, video or sound.
        skip_errors_at_start: whether what comes before the first frame may be undecodable.

    Raises:
        VideoError: a packet cannot be read or decoded, or, in a file with an index, is not whole.
    """
    stream.codec_context.thread_count = 1
    count = 0
    strict = not is_joined_anywhere(container)
    packets = container.demux(stream)
    while True:
        with explained(f"cannot be read after {count} frames"):
            packet = next(packets, None)
        if packet is None:
            return
        if strict and packet.is_corrupt:
            raise VideoError(f"is cut or damaged after {count} frames")
        try:
            with explained(f"cannot be decoded after {count} frames"):
                frames = packet.decode()
        except VideoError as error:
            if error.lasting and not count and skip_errors_at_start:
                continue
            raise
        for frame in frames:
            count += 1
            yield frame


def is_cut(path: str, stream: av.VideoStream) -> bool:
    """Whether the index of a file, or its header, goes on behind its end.

    Raises:
        VideoError: the file can no longer be read.
    """
    with explained("cannot be read once more"):
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            head = file.read(1024)
    if any(entry.pos >= size for entry in stream.index_entries):
        return True
    if not head.startswith(_MATROSKA_HEADER):
        return False
    length, start = _matroska_length(head, len(_MATROSKA_HEADER))
    start += length
    if head[start : start + 4] != _MATROSKA_SEGMENT:
        return False
    length, start = _matroska_length(head, start + 4)
    return start + length > size


def _matroska_length(data: bytes, start: int) -> tuple[int, int]:
    """A length at a place in a Matroska file, and the place behind it.

    The zero bits before the first one say how many bytes follow. All ones, as recorders write that
    cannot go back, is an unknown length; here 0.
    """
    num_bytes = 9 - data[start].bit_length()
    end = start + num_bytes
    unknown = (1 << 7 * num_bytes) - 1
    length = int.from_bytes(data[start:end], "big") & unknown
    return (0 if length == unknown else length), end
