"""An extractor whose networks are known, and videos for it."""

import dataclasses
from pathlib import Path

import numpy as np
import video_files

from yt8m.extraction.extractor import Extractor
from yt8m.extraction.feature_settings import FeatureSettings
from yt8m.extraction.networks import Networks
from yt8m.extraction.whitening import Whitening

SETTINGS = FeatureSettings(image_size=8, frames_per_second=5.0, max_frames=20, batch_size=2)
# Values of a frame as they are, but for the 1e-4 of the formula.
AS_IT_IS = Whitening(np.zeros(3), np.full(3, 1 - 1e-4), np.eye(3))


def brightness(images: np.ndarray) -> np.ndarray:
    """A network whose values are the brightness of a frame, a value that is too large, and -1."""
    mean = images.mean(axis=(1, 2, 3)) / 255
    return np.stack([mean, mean + 9, np.full(len(mean), -1)], axis=1).astype(np.float32)


def loudness(examples: np.ndarray) -> np.ndarray:
    """A network whose two values are the mean of an example, and 0.0077, near half a step."""
    return np.stack([examples.mean(axis=(1, 2)) / 9, np.full(len(examples), 0.0077)], axis=1)


def make_extractor(audio=None, frames=brightness, **changes) -> Extractor:
    """An extractor of `rgb`, and, with a network of sound, of `audio`."""
    networks = Networks(frames, 3, {"weights": "w"}, audio)
    return Extractor(dataclasses.replace(SETTINGS, **changes), networks, AS_IT_IS)


def gray(levels: list[int]) -> list[np.ndarray]:
    """Frames of one brightness each."""
    return [np.full((16, 16, 3), level, np.uint8) for level in levels]


def write_videos(folder: Path) -> None:
    """Videos of one second that get brighter, some with a sound, and some that are bad."""
    levels = list(range(0, 250, 10))
    video_files.write(folder / "plain.mp4", gray(levels))
    sound = np.full((1, 44100 * 3), 0.5, np.float32)
    video_files.write(folder / "sound.mkv", gray(levels * 2), sounds=[sound])
    video_files.write(folder / "short.mkv", gray(levels), sounds=[sound[:, :20000]])
    dumb, blind = (
        video_files.write(folder / name, gray(levels), sounds=[sound])
        for name in ("dumb.mkv", "blind.mkv")
    )
    video_files.relabel(dumb, "A_PCM/INT/LIT", "A_NONE")
    video_files.relabel(blind, "V_MPEG4/ISO/AVC", "V_NONE")
    (folder / "damaged.mp4").write_bytes(b"no video")
