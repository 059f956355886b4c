"""Makes the small videos that the tests read: frames that carry their number, and sound."""

import fractions
import pathlib
from collections.abc import Sequence

import av
import numpy as np

HEIGHT, WIDTH = 48, 64
RATE = 25
SOUND_RATE = 44100
_ROWS, _COLUMNS = 2, 4  # Of blocks, each a bit of the number.
# One thread, so that a file is always the same; B-frames in any case, keyframes where told.
H264 = {"threads": "1", "bf": "2", "b-adapt": "0", "sc_threshold": "0", "crf": "20"}
MPEG = {"threads": "1", "bf": "2", "b": "2000000", "sc_threshold": "1000000000"}
VP9 = {"threads": "1", "deadline": "realtime", "cpu-used": "8"}
Sound = np.ndarray | dict[float, np.ndarray]
_OPTIONS = {
    "libx264": H264,
    "mpeg4": MPEG,
    "mpeg2video": MPEG,
    "libvpx-vp9": VP9,
    "mjpeg": {},
    "flv": {},
    "msmpeg4": {},
}


def numbered(num_frames: int, first: int = 0, scale: int = 1) -> list[np.ndarray]:
    """Frames (48, 64, 3), or `scale` times as large, that show their numbers in black and white."""
    block = np.ones((HEIGHT * scale // _ROWS, WIDTH * scale // _COLUMNS), np.uint8)
    frames = []
    for number in range(first, first + num_frames):
        bits = np.array([number >> bit & 1 for bit in range(_ROWS * _COLUMNS)], np.uint8)
        gray = np.kron(bits.reshape(_ROWS, _COLUMNS) * 255, block)
        frames.append(np.repeat(gray[:, :, None], 3, axis=2))
    return frames


def number_of(image: np.ndarray) -> int:
    """The number that a frame of any size shows."""
    height, width = image.shape[0] // _ROWS, image.shape[1] // _COLUMNS
    middles = image[height // 2 :: height, width // 2 :: width].mean(axis=2) > 127
    return sum(int(bit) << place for place, bit in enumerate(middles.reshape(-1)))


def numbers_of(images) -> list[int]:
    """The numbers that frames show."""
    return [number_of(image) for image in images]


def write(
    path,
    frames: list[np.ndarray],
    codec: str = "libx264",
    rate: int | fractions.Fraction = RATE,
    keyframes: int = 10,
    times: list[int] | None = None,
    durations: list[int] | None = None,
    sounds: Sequence[Sound] = (),
    sound_codec: str = "pcm_s16le",
    **muxer: str,
) -> str:
    """Writes a video, in the format that its name says.

    Args:
        path: of the file.
        frames: (height, width, 3) uint8 RGB; none for a file of sound only.
        codec: of the frames.
        rate: frames a second.
        keyframes: frames from one keyframe to the next.
        times: when each frame is shown, in units of 1/rate seconds.
        durations: for how long, likewise; by default one unit.
        sounds: tracks, (channels, samples) float32 at 44,100 a second; or pieces of one, each
            with the second at which it begins.
        sound_codec: of the sounds; by default they are written without loss.
        **muxer: options of the format.

    Returns:
        The path.
    """
    with av.open(str(path), "w", options=muxer) as file:
        # Streams are made before anything is written.
        speakers = [_sound_stream(file, sound, sound_codec) for sound in sounds]
        if frames:
            stream = _video_stream(file, frames, codec, rate, {"g": str(keyframes)})
            times = times or list(range(len(frames)))
            _write_frames(file, stream, frames, times, durations or [1] * len(frames))
        for speaker, sound in zip(speakers, sounds, strict=True):
            _write_sound(file, speaker, _pieces(sound))
    return str(path)


def write_texture(path, num_frames=7, seed=0) -> str:
    """Writes a texture that moves by (2, 1) pixels a frame; returns the path."""
    large = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    large = np.kron(large, np.ones((4, 4, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for i in range(num_frames):
            frame = np.ascontiguousarray(large[30 - i : 78 - i, 60 - 2 * i : 124 - 2 * i])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    return str(path)


def write_videos(path, *videos: list[np.ndarray], cover: np.ndarray | None = None) -> str:
    """Writes several videos into one file.

    Args:
        path: of the file.
        *videos: the frames of each, see `write`: all but the last are MPEG-4, that one is H.264.
        cover: a picture of a cover, which is a video of its own.

    Returns:
        The path.
    """
    codecs = ["mpeg4"] * (len(videos) - 1) + ["libx264"]
    with av.open(str(path), "w") as file:
        if cover is not None:
            picture = _video_stream(file, [cover], "mjpeg")
            picture.disposition = av.stream.Disposition.attached_pic
        streams = [_video_stream(file, *part) for part in zip(videos, codecs, strict=True)]
        if cover is not None:
            _write_frames(file, picture, [cover], [0], [1])
        for stream, frames in zip(streams, videos, strict=True):
            _write_frames(file, stream, frames, list(range(len(frames))), [1] * len(frames))
    return str(path)


def _pieces(sound: Sound) -> dict[float, np.ndarray]:
    return sound if isinstance(sound, dict) else {0.0: sound}


def _layout(sound: Sound) -> str:
    return "mono" if len(next(iter(_pieces(sound).values()))) == 1 else "stereo"


def _sound_stream(file, sound: Sound, codec: str):
    return file.add_stream(codec, rate=SOUND_RATE, layout=_layout(sound))


def _write_sound(file, stream, pieces: dict[float, np.ndarray]) -> None:
    for start, piece in pieces.items():
        samples = np.round(piece.T.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=_layout(piece))
        frame.sample_rate, frame.pts = SOUND_RATE, round(start * SOUND_RATE)
        frame.time_base = fractions.Fraction(1, SOUND_RATE)
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def _video_stream(file, frames: list[np.ndarray], codec: str, rate=RATE, options=None):
    stream = file.add_stream(codec, rate=rate, options=_OPTIONS[codec] | (options or {}))
    # Before anything is written, which opens the encoders of all streams.
    stream.height, stream.width = frames[0].shape[:2]
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return stream


def _write_frames(
    file, stream, frames: list[np.ndarray], times: list[int], durations: list[int]
) -> None:
    unit = 1 / fractions.Fraction(stream.codec_context.rate)
    lengths = dict(zip(times, durations, strict=True))
    for frame, time in [*zip(frames, times, strict=True), (None, 0)]:
        picture = frame
        if frame is not None:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, unit
        for packet in stream.encode(picture):
            # Encoders forget how long a frame is shown.
            length = lengths[round(packet.pts * packet.time_base / unit)] * unit
            packet.duration = round(length / packet.time_base)
            file.mux(packet)


def turn(path, matrix: tuple[int, int, int, int]) -> str:
    """Makes an MP4 file say that its picture is to be turned.

    Args:
        path: the file, which is changed.
        matrix: (a, b, c, d), each -1, 0 or 1: the point (x, y) is shown at (a x + c y, b x + d y).

    Returns:
        The path.
    """
    data = pathlib.Path(path).read_bytes()
    # The header of a track holds its matrix, which is the identity: 1, 0, 0; 0, 1, 0; 0, 0, 2^14.
    one = (1 << 16).to_bytes(4, "big")
    zero = bytes(4)
    old = one + zero * 3 + one + zero
    start = data.index(old, data.index(b"tkhd"))
    a, b, c, d = ((value << 16).to_bytes(4, "big", signed=True) for value in matrix)
    new = a + b + zero + c + d + zero
    pathlib.Path(path).write_bytes(data[:start] + new + data[start + len(new) :])
    return str(path)


def relabel(path, codec: str, other: str) -> str:
    """Makes a Matroska file say that its first stream of a codec is of another one.

    Args:
        path: the file, which is changed.
        codec: what Matroska calls it, such as `A_PCM/INT/LIT`.
        other: no longer than that; `A_NONE` is decoded by nothing.

    Returns:
        The path.
    """
    data = pathlib.Path(path).read_bytes()
    new = other.encode().ljust(len(codec), b"\0")
    pathlib.Path(path).write_bytes(data.replace(codec.encode(), new, 1))
    return str(path)


def cut(path, name: str, start: int = 0, end: int | None = None) -> str:
    """Writes a part of the bytes of a file, beside it.

    Args:
        path: the file.
        name: of the new one.
        start: the first byte of the part.
        end: the byte behind it.

    Returns:
        The path of the new file.
    """
    path = pathlib.Path(path)
    path.with_name(name).write_bytes(path.read_bytes()[start:end])
    return str(path.with_name(name))
