"""Optical flow on disk: the fields of a video are computed once. No TensorFlow, no Keras.

The cache of `videos/a.mp4` is `CACHE/flow-dis-20-128x171/a-HASH.flow`, the hash of its absolute
path. It holds the forward field of every pair of frames, and the backward field where a model
needed it, see `flow`. Each field is a PNG of its bytes, x above y, which loses nothing: real videos
at 320x240 take 9 to 15 KB a field. Any field is read by itself.

How fields are stacked is decided when they are read, so those settings share one cache.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cv2
import numpy as np

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.video import workers
from yt8m.data.video.clip_specs import Flow
from yt8m.data.video.frames import containers, decoding
from yt8m.data.video.frames import flow as flow_lib

# A file is the fields, a table of them, a description of the whole, and this footer: the sizes of
# the table and the description, their checksum, and what the file is.
_FOOTER = struct.Struct("<III8s")
_MAGIC = b"yt8mFlw1"
_TABLE = np.dtype([("offset", "<u8"), ("size", "<u4"), ("checksum", "<u4")])
_FORWARD, _BACKWARD = 0, 1
_PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
)
_STEM = 60
_TRIES = 3


class _DamagedError(Exception):
    """A file of the cache is not what was written."""


@dataclasses.dataclass(frozen=True)
class _Stored:
    """A file that was opened: `table` is (pairs, directions)."""

    num_frames: int
    table: np.ndarray


@dataclasses.dataclass
class CachedFlow:
    """The fields of a video, read from its file in the cache: a `flow.Source`.

    Where a field is found damaged, another process may just have replaced the file: it is opened
    once more, and computed again only where that does not help.

    Attributes:
        path: the video.
        file: its file in the cache.
        flow: method, bound, and whether there are backward fields.
        size: (height, width) of the fields.
        frames_per_second: the rate of the frames between which they are.
    """

    path: str
    file: str
    flow: Flow
    size: tuple[int, int]
    frames_per_second: float = 0.0

    def __post_init__(self):
        self._stored: _Stored | None = None
        self._renew(lambda: None)

    @property
    def num_frames(self) -> int:
        """How many frames the video has."""
        return self._stored.num_frames

    def forward(self, pair: int) -> np.ndarray:
        """See `flow.Source.forward`."""
        return self._read(pair, _FORWARD)

    def backward(self, pair: int) -> np.ndarray:
        """See `flow.Source.backward`."""
        return self._read(pair, _BACKWARD)

    def _read(self, pair: int, direction: int) -> np.ndarray:
        read = functools.partial(self._bytes, pair, direction)
        try:
            values = read()
        except _DamagedError:
            values = self._renew(read)
        return flow_lib.dequantize(values, self.flow.bound)

    def _bytes(self, pair: int, direction: int) -> np.ndarray:
        entry = self._stored.table[pair, direction]
        with _reading(self.file) as file:
            file.seek(int(entry["offset"]))
            data = file.read(int(entry["size"]))
        if zlib.crc32(data) != entry["checksum"]:
            raise _DamagedError
        return _decode(data)

    def _renew(self, read: Callable[[], Any]) -> Any:
        """What `read` gives from the file as it is now, or else as it is written anew."""
        for attempt in range(_TRIES):
            if attempt:
                _write(self.path, self.file, self.flow, self.size, self.frames_per_second)
            with contextlib.suppress(_DamagedError):
                wanted = _description(self.path, self.flow, self.size, self.frames_per_second)
                stored = _open(self.file, wanted)
                if self._stored and self._stored.num_frames != stored.num_frames:
                    break  # It is another video by now.
                if stored.table.shape[1] >= _directions(self.flow):
                    self._stored = stored
                    return read()
        raise UserError(
            f"{self.file} cannot be read back as it was written, or {self.path} changed "
            "meanwhile. Check the disk, or name another folder for the flow (--cache_dir)."
        )


def cached(
    path: str, cache_dir: str, flow: Flow, size: tuple[int, int], frames_per_second: float = 0.0
) -> CachedFlow:
    """The fields of a video, which are computed first where the cache does not hold them.

    They are computed again where the video has another size or time of change, or where the file in
    the cache is damaged. Processes that make the same file at once do no harm.

    Args:
        path: the video.
        cache_dir: folder of the cache, made if it is not there.
        flow: method and bound, and whether backward fields are needed; the rest does not matter.
        size: (height, width) that frames are resized to before flow is computed.
        frames_per_second: the rate of the frames between which flow is computed, see
            `decoding.frames_at`; 0 takes those of the file.

    Returns:
        The fields, to be read one by one.

    Raises:
        VideoError: the video cannot be used.
        UserError: the cache cannot be written.
    """
    file = file_of(path, cache_dir, flow, size, frames_per_second)
    return CachedFlow(path, file, flow, tuple(size), frames_per_second)


def precompute(
    sizes: Mapping[str, tuple[int, int]],
    cache_dir: str,
    flow: Flow,
    on_bad: Callable[[str, str], None],
    num_workers: int = 0,
    frames_per_second: float = 0.0,
) -> None:
    """Fills the cache with the flow of many videos, and shows the progress.

    Args:
        sizes: of each video the (height, width) that its frames are resized to.
        cache_dir: see `cached`.
        flow: see `cached`.
        on_bad: called with each video that cannot be used, and the reason.
        num_workers: processes that compute; 0 computes in this one.
        frames_per_second: see `cached`.

    Raises:
        UserError: the cache cannot be written.
    """
    tasks = ((path, cache_dir, flow, size, frames_per_second) for path, size in sizes.items())
    results = workers.ordered(_fill, tasks, num_workers)
    with (
        ProgressReport("Computing flow", len(sizes), "videos") as progress,
        contextlib.closing(results),
    ):
        for path, reason in zip(sizes, results, strict=True):
            if reason is not None:
                on_bad(path, reason)
            progress.advance(1)


def file_of(
    path: str, cache_dir: str, flow: Flow, size: tuple[int, int], frames_per_second: float = 0.0
) -> str:
    """The path of a video's file in the cache."""
    height, width = size
    full = os.path.abspath(path)
    digest = hashlib.blake2b(os.fsencode(full), digest_size=16).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", os.path.splitext(os.path.basename(full))[0])[:_STEM]
    rate = f"-{frames_per_second:g}fps" if frames_per_second else ""
    folder = f"flow-{flow.method}-{flow.bound:g}-{height}x{width}{rate}"
    return os.path.join(cache_dir, folder, f"{stem}-{digest}.flow")


def _fill(
    path: str, cache_dir: str, flow: Flow, size: tuple[int, int], frames_per_second: float
) -> str | None:
    """Computes what is missing; the reason where the video cannot be used."""
    try:
        cached(path, cache_dir, flow, size, frames_per_second)
    except decoding.VideoError as error:
        return str(error)
    return None


def _open(file_path: str, wanted: dict) -> _Stored:
    """Opens a file of the cache, whatever its directions.

    Raises:
        _DamagedError: it is not there or not whole, or does not say what is wanted of itself.
    """
    with _reading(file_path) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _FOOTER.size))
        footer = file.read()
        if len(footer) != _FOOTER.size or not footer.endswith(_MAGIC):
            raise _DamagedError
        table_size, text_size, checksum, _ = _FOOTER.unpack(footer)
        file.seek(max(0, end - _FOOTER.size - table_size - text_size))
        tail = file.read(table_size + text_size)
    if zlib.crc32(tail) != checksum:
        raise _DamagedError
    found = json.loads(tail[table_size:])
    num_frames, directions = found.pop("num_frames"), found.pop("directions")
    if found != wanted:
        raise _DamagedError
    table = np.frombuffer(tail[:table_size], _TABLE)
    return _Stored(num_frames, table.reshape(num_frames - 1, directions))


def _directions_there(file_path: str, wanted: dict) -> int:
    """The directions of a file that can be used, otherwise 0."""
    try:
        return _open(file_path, wanted).table.shape[1]
    except _DamagedError:
        return 0


def _write(
    path: str, target: str, flow: Flow, size: tuple[int, int], frames_per_second: float
) -> None:
    """Computes the fields of a video; the file appears when it is whole.

    Directions that the cache already holds, or that another process has added meanwhile, are kept:
    else jobs with and without backward fields would replace each other's files for ever.
    """
    wanted = _description(path, flow, size, frames_per_second)
    directions = max(_directions(flow), _directions_there(target, wanted))
    try:
        with files.scratch_path(target) as temporary:
            with open(temporary, "wb") as file:
                table = []
                for data in _computed(path, flow, size, directions, frames_per_second):
                    table.append((file.tell(), len(data), zlib.crc32(data)))
                    file.write(data)
                counts = {"num_frames": len(table) // directions + 1, "directions": directions}
                text = json.dumps(wanted | counts).encode()
                tail = np.array(table, _TABLE).tobytes() + text
                sizes = len(tail) - len(text), len(text)
                file.write(tail + _FOOTER.pack(*sizes, zlib.crc32(tail), _MAGIC))
            if _directions_there(target, wanted) <= directions:
                files.put(temporary, target)
    except UserError as error:
        raise UserError(f"{error} Or name another folder for the flow (--cache_dir).") from None


def _computed(
    path: str, flow: Flow, size: tuple[int, int], directions: int, frames_per_second: float
) -> Iterator[bytes]:
    """The fields of a video, pair by pair: two frames are held at a time."""
    before = None
    for frame in decoding.iterate(path, size, frames_per_second):
        if before is not None:
            pair = np.stack([before, frame])
            yield _encode(flow_lib.compute(pair, flow)[0])
            if directions == 2:
                yield _encode(flow_lib.compute(pair[::-1], flow)[0])
        before = frame


def _encode(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", np.concatenate([values[..., 0], values[..., 1]]), _PNG)[1].tobytes()


def _decode(data: bytes) -> np.ndarray:
    planes = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return planes.reshape(2, -1, planes.shape[1]).transpose(1, 2, 0)


def _directions(flow: Flow) -> int:
    return 2 if flow.bidirectional else 1


def _description(path: str, flow: Flow, size: tuple[int, int], frames_per_second: float) -> dict:
    """What a file of the cache must say of itself to be used.

    Raises:
        VideoError: the video is not there.
    """
    with containers.explained("cannot be opened"):
        about = os.stat(path)
    return {
        "bytes": about.st_size,
        "changed": about.st_mtime_ns,
        "method": flow.method,
        "bound": float(flow.bound),
        "size": list(size),
    } | ({"frames_per_second": float(frames_per_second)} if frames_per_second else {})


@contextlib.contextmanager
def _reading(path: str) -> Iterator:
    """Opens a file of the cache; what cannot be read counts as damaged."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError:
        raise _DamagedError from None
