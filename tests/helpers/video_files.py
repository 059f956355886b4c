"""Makes the small videos that the tests read: frames that carry their number, and sound."""

import fractions
import pathlib

import av
import numpy as np

HEIGHT, WIDTH = 48, 64
RATE = 25
_ROWS, _COLUMNS = 2, 4  # Of blocks, each a bit of the number.
# One thread, so that a file is always the same; B-frames in any case, keyframes where told.
H264 = {"threads": "1", "bf": "2", "b-adapt": "0", "sc_threshold": "0", "crf": "20"}
MPEG = {"threads": "1", "bf": "2", "b": "2000000", "sc_threshold": "1000000000"}
VP9 = {"threads": "1", "deadline": "realtime", "cpu-used": "8"}
_OPTIONS = {"libx264": H264, "mpeg4": MPEG, "mpeg2video": MPEG, "libvpx-vp9": VP9, "mjpeg": {}}


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
    rate: int = RATE,
    keyframes: int = 10,
    times: list[int] | None = None,
    sound: np.ndarray | None = None,
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
        sound: (channels, samples) float32 at 44,100 a second, written without loss.
        **muxer: options of the format.

    Returns:
        The path.
    """
    with av.open(str(path), "w", options=muxer) as file:
        # Streams are made before anything is written.
        speaker = _sound_stream(file, sound) if sound is not None else None
        if frames:
            stream = file.add_stream(
                codec, rate=rate, options=_OPTIONS[codec] | {"g": str(keyframes)}
            )
            _write_frames(file, stream, frames, times or range(len(frames)))
        if speaker is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            frame = av.AudioFrame.from_ndarray(_pcm(sound), format="s16", layout=layout)
            frame.sample_rate = 44100
            file.mux(speaker.encode(frame))
            file.mux(speaker.encode())
    return str(path)


def _sound_stream(file, sound: np.ndarray):
    return file.add_stream("pcm_s16le", rate=44100, layout="mono" if len(sound) == 1 else "stereo")


def _pcm(sound: np.ndarray) -> np.ndarray:
    return np.round(sound.T.reshape(1, -1) * 32767).astype(np.int16)


def _write_frames(file, stream, frames: list[np.ndarray], times) -> None:
    stream.height, stream.width = frames[0].shape[:2]
    stream.pix_fmt = "yuvj420p" if stream.codec_context.name == "mjpeg" else "yuv420p"
    for frame, time in zip(frames, times, strict=True):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = time, 1 / fractions.Fraction(stream.codec_context.rate)
        file.mux(stream.encode(picture))
    file.mux(stream.encode())


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
