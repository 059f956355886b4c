"""Encoded frames become the clips that the reader makes of the video."""

import functools

import cv2
import numpy as np
import pytest
import tensorflow as tf
from paths import SHARED

from yt8m.data.video import clips as clips_lib
from yt8m.data.video import sampling
from yt8m.data.video.clip_specs import Clips
from yt8m.data.video.frames import decoding, views
from yt8m.serving import images

REAL = SHARED / "data" / "clips" / "fight" / "fi002.mp4"


def encoded(frame: np.ndarray, kind: str = ".png", *options: int) -> bytes:
    """An image file of (height, width, 3) RGB."""
    return cv2.imencode(kind, np.ascontiguousarray(frame[..., ::-1]), options)[1].tobytes()


def make_frames(count: int, height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """A smooth picture that moves: (count, height, width, 3) uint8."""
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (9, 16, 3)).astype(np.uint8)
    size = (width + 4 * count, height)
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return np.stack([picture[:height, 4 * t : 4 * t + width] for t in range(count)])


def as_batch(videos: list[list[bytes]]) -> tf.Tensor:
    longest = max(map(len, videos))
    padded = [video + [b""] * (longest - len(video)) for video in videos]
    return tf.constant(padded, tf.string, [len(videos), longest])


@functools.cache
def graph(clips: Clips):
    """As a served model has it."""
    return tf.function(
        lambda given: images.decode(given, clips),
        input_signature=[tf.TensorSpec([None, None], tf.string)],
        autograph=False,
    )


def decode(videos: list[list[bytes]], clips: Clips) -> tuple[np.ndarray, np.ndarray]:
    answer = graph(clips)(as_batch(videos))
    return answer["pixels"].numpy(), answer["num_frames"].numpy()


@pytest.mark.parametrize("short", ["loop", "repeat", "mask"])
@pytest.mark.parametrize("how", ["dense", "uniform", "keyframes", "shots"])
def test_takes_the_frames_that_an_evaluation_takes(how, short):
    """What was sent stands for all there is: for the keyframes, or for a frame of each shot."""
    counts = np.arange(1, 60, dtype=np.int32)
    for frames, stride in ((1, 1), (4, 1), (7, 3)):
        stride = stride if how == "dense" else 1
        clips = Clips(frames=frames, stride=stride, sampling=how, short=short)
        received, num_frames = (value.numpy() for value in images.sample(counts, clips))
        for row, count in enumerate(counts.tolist()):
            expected = sampling.evaluation_frames(clips, count, range(count), 0, 1)
            assert received[row].tolist() == expected[0].tolist(), (clips, count)
            assert num_frames[row] == expected[1]


class ImageFrames:
    """Frames in memory, for the reader."""

    def __init__(self, frames: np.ndarray):
        self.frames = frames

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Resizes as the reader does with stored images."""
        return np.stack([views.resize(self.frames[i], size) for i in indices])


def reader_clip(frames: np.ndarray, clips: Clips) -> np.ndarray:
    about = clips_lib.About(*frames.shape[:3], anchors=tuple(range(len(frames))))
    recipe = clips_lib.Recipe(("pixels",), clips)
    made = clips_lib.evaluation_clips(ImageFrames(frames), about, recipe, range(1), 1, 1)
    return made["pixels"][0]


@pytest.mark.parametrize(
    ("spec", "most_off"),
    [
        ("clips(frames=2, resize=60, crop=(20, 51))", 0),  # As large as it was.
        ("clips(frames=3, stride=2, resize=30, crop=21)", 2),
        ("clips(frames=3, sampling='uniform', resize=(20, 40), crop=(19, 30))", 2),
        ("clips(frames=2, resize=90, crop=64)", 0.2),  # Larger: the same interpolation.
    ],
)
def test_shows_what_the_reader_shows(spec, most_off):
    clips = Clips.from_spec(spec)
    frames = make_frames(9)
    (received,), (num_frames,) = decode([[encoded(frame) for frame in frames]], clips)
    expected = reader_clip(frames, clips)
    assert (received.dtype, received.shape) == (np.uint8, expected.shape)
    assert num_frames == clips.frames
    off = np.abs(received.astype(int) - expected)
    assert off.mean() <= most_off
    # A place beside it, or the next frame, is far off.
    for wrong in (np.roll(expected, 1, axis=2), np.roll(expected, 1, axis=0)):
        assert np.abs(received.astype(int) - wrong).mean() > 8


def test_what_is_finer_than_a_pixel_is_averaged():
    clips = Clips(frames=1, resize=20, crop=20)
    frame = np.random.default_rng(0).choice([0, 255], (60, 60, 3)).astype(np.uint8)
    (received,), _ = decode([[encoded(frame)]], clips)
    # Chosen pixels would be off by 80, and spread by 100 and more.
    assert np.abs(received.astype(int) - reader_clip(frame[None], clips)).mean() < 25
    assert received.std() < 50


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.exists(), reason="real clips are not beside the repository")
@pytest.mark.parametrize(("kind", "options"), [(".png", ()), (".jpg", (1, 95))])
def test_a_real_video_is_shown_as_the_reader_shows_it(kind, options):
    """FFmpeg resizes brightness and colour apart, each by itself; the mean of docs/serving.md."""
    clips = Clips(frames=8, stride=2, resize=72, crop=64)
    probe = decoding.probe(str(REAL))
    about = clips_lib.About(probe.num_frames, probe.height, probe.width)
    video, recipe = clips_lib.FileFrames(str(REAL)), clips_lib.Recipe(("pixels",), clips)
    expected = clips_lib.evaluation_clips(video, about, recipe, range(1), 1, 1)["pixels"][0]
    sent = [encoded(frame, kind, *options) for frame in decoding.iterate(str(REAL))]
    (received,), _ = decode([sent], clips)
    off = np.abs(received.astype(int) - expected)
    assert off.mean() < 2 and np.percentile(off, 99) < 12


@pytest.mark.parametrize("clips", [Clips(), Clips(resize=(130, 120))], ids=["short side", "both"])
def test_a_frame_gets_the_size_that_the_reader_gives_it(clips):
    random = np.random.default_rng(0)
    for size in [*random.integers(1, 2000, (100, 2)).tolist(), [256, 340], [128, 128], [1, 1]]:
        received = images.frame_size(tf.constant(size), clips).numpy().tolist()
        assert received == list(clips.frame_size(*size)), size


def test_a_jpeg_is_decoded_accurately():
    frame = make_frames(1)[0]
    clips = Clips(frames=1, resize=60, crop=60)
    jpeg = encoded(frame, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95)
    (received,), _ = decode([[jpeg]], clips)
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[:, 10:70, ::-1]
    assert np.abs(received[0].astype(int) - expected).max() <= 1
    grey = encoded(frame[..., :1].repeat(3, axis=-1).mean(axis=-1)[..., None].astype(np.uint8))
    (received,), _ = decode([[grey]], clips)
    assert (received[0] == frame[:, 10:70, :1]).all()


def test_clips_of_other_lengths_and_sizes_are_as_alone():
    clips = Clips(frames=4, short="mask", resize=24, crop=20)
    videos = [
        [encoded(frame) for frame in make_frames(count, height, width, seed=count)]
        for count, height, width in ((2, 60, 80), (9, 40, 28), (4, 24, 24))
    ]
    pixels, num_frames = decode(videos, clips)
    assert num_frames.tolist() == [2, 4, 4]
    for row, video in enumerate(videos):
        (alone,), _ = decode([video], clips)
        np.testing.assert_array_equal(pixels[row], alone)


def bad_requests() -> dict[str, tuple[list[list[bytes]], str]]:
    good, jpeg = encoded(make_frames(1)[0]), encoded(make_frames(1)[0], ".jpg")
    gif = b"GIF89a" + bytes(20)
    return {
        "no image": ([[good, good], []], r"a clip holds no image.*\[2 0\]"),
        "no clip has one": ([[], []], "a clip holds no image"),
        "a gap": ([[good, good], [b"", good]], r"an empty string stands before.*\[\[1 0\]\]"),
        "a GIF": ([[good, gif]], r"neither a JPEG nor a PNG.*\[\[0 1\]\]"),
        "a byte": ([[b"\xff", good]], r"neither a JPEG nor a PNG.*\[\[0 0\]\]"),
        "a JPEG that is cut": ([[good, jpeg[:200]]], "JPEG"),
        "a PNG that is cut": ([[good[:100], good]], "PNG"),
    }


@pytest.mark.parametrize("case", bad_requests())
def test_a_request_that_holds_no_clip_is_an_error(case):
    videos, message = bad_requests()[case]
    clips = Clips(frames=2, resize=24, crop=20)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){message}"):
        decode(videos, clips)
