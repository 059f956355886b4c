"""The frames of tensorflow-datasets: a few of them, read from where they are in their shard.

Worker processes import it: no TensorFlow. Such a data set keeps each frame as an image of its own,
and `record_index` says where. A PNG gives the very frame that tensorflow-datasets gives; a JPEG is
decoded with an accurate transform, as by tf.io.decode_jpeg where it is told so. That of
tensorflow-datasets is a fast one, which is off by about one level in 255.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from collections.abc import Iterator
from typing import BinaryIO

import cv2
import numpy as np

from yt8m.data.video.clip_specs import Flow
from yt8m.data.video.frames import decoding, views
from yt8m.data.video.frames.decoding import VideoError
from yt8m.data.video.frames.flow import FrameFlow

JPEG, PNG = "jpeg", "png"
_ENCODING = {JPEG: (cv2.IMWRITE_JPEG_QUALITY, 95), PNG: ()}
_HEAD = 4096
_PNG_HEAD, _PNG_SIZE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", struct.Struct(">II")
_JPEG_HEAD, _JPEG_SEGMENT, _JPEG_SIZE = b"\xff\xd8", struct.Struct(">BBH"), struct.Struct(">HH")
# Of the markers of frames C0 to CF these are others: tables, an extension, arithmetic coding.
_JPEG_OTHERS = (0xC4, 0xC8, 0xCC)


@dataclasses.dataclass(frozen=True, eq=False)
class RecordFrames:
    """The frames of a video, one image each, in a shard: a `clips.Frames`.

    Attributes:
        path: the shard.
        offsets: (frames,) int64, where each image begins.
        sizes: (frames,) int64, its bytes.
    """

    path: str
    offsets: np.ndarray
    sizes: np.ndarray

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Reads and decodes the frames of these numbers, and no others.

        Args:
            indices: (n,) frame numbers, in any order; they may repeat.
            size: (height, width) to resize to, averaging over what becomes a pixel.

        Returns:
            (n, *size, 3) uint8 RGB.

        Raises:
            VideoError: the shard cannot be read, or an image is damaged.
        """
        wanted, places = np.unique(indices, return_inverse=True)
        with self._open() as file:
            images = [views.resize(self._image(file, number), size) for number in wanted.tolist()]
        return np.stack(images)[places]

    def first_size(self) -> tuple[int, int]:
        """The (height, width) of the first frame.

        Raises:
            VideoError: as `read`.
        """
        with self._open() as file:
            file.seek(int(self.offsets[0]))
            head = file.read(min(int(self.sizes[0]), _HEAD))
            height, width = _size_in_head(head) or self._image(file, 0).shape[:2]
        return height, width

    def flow_source(
        self, indices: np.ndarray, flow: Flow, size: tuple[int, int], cache_dir: str
    ) -> FrameFlow:
        """The displacement fields that these frames are shown with: none are kept."""
        return FrameFlow(lambda wanted: self.read(wanted, size), len(self.offsets), indices, flow)

    @contextlib.contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with open(self.path, "rb") as file:
                yield file
        except OSError as error:
            raise VideoError(f"{self.path} cannot be read: {error.strerror}") from None

    def _image(self, file: BinaryIO, number: int) -> np.ndarray:
        file.seek(int(self.offsets[number]))
        data = np.frombuffer(file.read(int(self.sizes[number])), np.uint8)
        image = _decode(data) if len(data) == self.sizes[number] > 0 else None
        if image is None:
            raise VideoError(
                f"frame {number} cannot be decoded: byte {self.offsets[number]} of {self.path}"
            )
        return image


def encode(path: str, encoding: str) -> list[bytes] | str:
    """Makes images of the frames of a video file.

    Args:
        path: the file.
        encoding: `jpeg`, of quality 95, or `png`.

    Returns:
        An image of each frame; or the reason, to go behind the path, where the file is bad.
    """
    try:
        frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in decoding.iterate(path)]
    except VideoError as error:
        return str(error)
    return [cv2.imencode(f".{encoding}", f, _ENCODING[encoding])[1].tobytes() for f in frames]


def _size_in_head(head: bytes) -> tuple[int, int] | None:
    """The (height, width) that a PNG or JPEG names in its first bytes; None where none is found.

    Decoding takes a thousand times longer, and a data set has thousands of videos.
    """
    if head.startswith(_PNG_HEAD) and len(head) >= len(_PNG_HEAD) + _PNG_SIZE.size:
        width, height = _PNG_SIZE.unpack_from(head, len(_PNG_HEAD))
        return height, width
    place = len(_JPEG_HEAD) if head.startswith(_JPEG_HEAD) else len(head)
    while place + _JPEG_SEGMENT.size + 1 + _JPEG_SIZE.size <= len(head):
        start, marker, length = _JPEG_SEGMENT.unpack_from(head, place)
        if start != 0xFF:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in _JPEG_OTHERS:
            return _JPEG_SIZE.unpack_from(head, place + _JPEG_SEGMENT.size + 1)
        place += 2 + length
    return None


def _decode(data: np.ndarray) -> np.ndarray | None:
    """An image as (height, width, 3) RGB; its own orientation is ignored, as tfds does."""
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
