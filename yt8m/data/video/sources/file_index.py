"""An index of video files: frames, sizes, keyframes and shots, looked up once and kept in a cache.

Files are decoded in other processes, which import this module and no TensorFlow.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import av
import loky
from absl import logging
from loky.process_executor import BrokenProcessPool

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.video import workers
from yt8m.data.video.frames import decoding
from yt8m.data.video.frames import shots as shots_lib
from yt8m.data.video.frames.decoding import Probe, VideoError

CACHE = "video_index.json"
_FORMAT = 3  # Of the cache, and of the rules by which frames are counted and shots found.
_SAVE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Entry:
    """What the index knows of a video.

    Attributes:
        probe: its frames, size, rate and keyframes.
        shots: the first frames of its shots; (0,) where they were not asked for.
    """

    probe: Probe
    shots: tuple[int, ...] = (0,)


@dataclasses.dataclass(frozen=True)
class _Bad:
    """Why a video cannot be used, and whether that lasts as long as the file stays as it is."""

    reason: str
    lasting: bool = True


_KILLS = _Bad("ends the process that decodes it", lasting=False)  # Perhaps it was the memory.


def warn(path: str, reason: str) -> None:
    """Says that a video is left out."""
    logging.warning("%s %s. It is left out.", path, reason)


def build(
    paths: Iterable[str],
    cache_dir: str,
    shots: bool = False,
    num_workers: int = 0,
    on_bad: Callable[[str, str], None] = warn,
) -> dict[str, Entry]:
    """Looks at videos, at those only that the cache does not know as they are.

    Args:
        paths: of the videos.
        cache_dir: the folder of the cache, made if it is not there; empty for none. What was found
            is kept also where the work is interrupted.
        shots: whether to find the shots.
        num_workers: processes that decode; 0 decodes in this one.
        on_bad: called with a path and the reason, such as `has no video stream`, for each video
            that cannot be used, in the order of the paths.

    Returns:
        The videos that can be used, in the order of the paths.
    """
    paths = list(dict.fromkeys(paths))
    cache = _Cache(cache_dir)
    found = {path: cache.get(path, shots) for path in paths}
    new = [path for path, entry in found.items() if entry is None]
    if new:
        work = (
            _look_in_processes(new, shots, num_workers) if num_workers else _look_here(new, shots)
        )
        with (
            cache.saved_at_the_end(),
            contextlib.closing(work),
            ProgressReport("Looking at videos", len(new), "videos") as progress,
        ):
            for path, entry in work:
                found[path] = entry
                cache.put(path, entry, shots)
                progress.advance(1)
    for path, entry in found.items():
        if isinstance(entry, _Bad):
            on_bad(path, entry.reason)
    return {path: entry for path, entry in found.items() if isinstance(entry, Entry)}


def _look(path: str, with_shots: bool) -> Entry | _Bad:
    """What a video holds, or why it cannot be used."""
    try:
        if with_shots:
            return Entry(*decoding.probe_and_view(path, shots_lib.boundaries, shots_lib.SIZE))
        return Entry(decoding.probe(path))
    except VideoError as error:
        return _Bad(str(error), error.lasting)


def _look_here(paths: list[str], with_shots: bool) -> Iterator[tuple[str, Entry | _Bad]]:
    for path in paths:
        yield path, _look(path, with_shots)


def _look_in_processes(
    paths: list[str], with_shots: bool, num_workers: int
) -> Iterator[tuple[str, Entry | _Bad]]:
    """Looks at videos in some processes, and survives those that die of one.

    When a process dies, the pool cannot say of which video. Only a few are handed out at a time:
    each of those is tried once more by itself; then a new pool takes over the rest.
    """
    waiting = collections.deque(paths)
    while waiting:
        suspects: list[str] = []
        with _pool(min(num_workers, len(waiting))) as pool:
            running: dict[Any, str] = {}
            while (waiting or running) and not suspects:
                while waiting and len(running) < 2 * num_workers:
                    path = waiting.popleft()
                    running[_submit(pool, path, with_shots)] = path
                for future in loky.wait(running, return_when=loky.FIRST_COMPLETED).done:
                    path = running.pop(future)
                    try:
                        yield path, future.result()
                    except BrokenProcessPool:
                        suspects.append(path)
            suspects += running.values()
        yield from _look_one_by_one(suspects, with_shots)


def _look_one_by_one(paths: list[str], with_shots: bool) -> Iterator[tuple[str, Entry | _Bad]]:
    """Looks at one video at a time, so that it is known which one ends a process."""
    waiting = collections.deque(paths)
    while waiting:
        with _pool(1) as pool:
            entry: Entry | _Bad | None = None
            while waiting and entry != _KILLS:
                path = waiting.popleft()
                try:
                    entry = _submit(pool, path, with_shots).result()
                except BrokenProcessPool:
                    entry = _KILLS
                yield path, entry


def _submit(pool: loky.ProcessPoolExecutor, path: str, with_shots: bool) -> Any:
    """The future of a look; of a pool that has just broken, one that has failed with it."""
    try:
        return pool.submit(_look, path, with_shots)
    except BrokenProcessPool as error:
        failed = loky.Future()
        failed.set_exception(error)
        return failed


@contextlib.contextmanager
def _pool(num_workers: int) -> Iterator[loky.ProcessPoolExecutor]:
    pool = workers.new_pool(num_workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, kill_workers=True)


class _Cache:
    """What is known of videos by their absolute paths, valid while size and time stay the same.

    Args:
        folder: where its file is; empty for a cache that knows nothing and keeps nothing.
    """

    def __init__(self, folder: str):
        self._path = os.path.join(os.path.expanduser(folder), CACHE) if folder else ""
        self._videos = _read(self._path) if folder else {}
        self._saved_at = time.monotonic()

    def get(self, path: str, with_shots: bool) -> Entry | _Bad | None:
        """What is known of a video: an entry, why it cannot be used, or nothing."""
        known = self._videos.get(os.path.abspath(path))
        try:
            if known is None or known["state"] != _state(path):
                return None
            if "bad" in known:
                return _Bad(known["bad"])
            if with_shots and known["shots"] is None:
                return None
            values = known["probe"]
            probe = Probe(**(values | {"keyframes": tuple(values["keyframes"])}))
            return Entry(probe, tuple(known["shots"])) if with_shots else Entry(probe)
        except (KeyError, TypeError):
            return None  # Somebody has changed the file: the video is looked at again.

    def put(self, path: str, entry: Entry | _Bad, with_shots: bool) -> None:
        """Keeps what was found, but not what the next start may find otherwise."""
        state = _state(path)
        bad = isinstance(entry, _Bad)
        if not self._path or state is None or (bad and not entry.lasting):
            return
        if bad:
            known = {"bad": entry.reason}
        else:
            probe = dataclasses.asdict(entry.probe)
            known = {"probe": probe, "shots": entry.shots if with_shots else None}
        self._videos[os.path.abspath(path)] = {"state": state} | known
        if time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._save()

    @contextlib.contextmanager
    def saved_at_the_end(self) -> Iterator[None]:
        """Writes the cache when the block ends, however it ends."""
        try:
            yield
        finally:
            self._save()

    def _save(self) -> None:
        if not self._path:
            return
        content = {"format": _FORMAT, "decoder": av.__version__, "videos": self._videos}
        try:
            with files.atomic_file(self._path) as file:
                json.dump(content, file)
        except UserError as error:
            logging.warning("No index is kept. %s", error)
            self._path = ""
        self._saved_at = time.monotonic()


def _state(path: str) -> list[int] | None:
    """What changes when a file does; None of a file that is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _read(path: str) -> dict[str, Any]:
    """The videos of a cache; none where it is not there, is damaged, or of another decoder."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if (content["format"], content["decoder"]) != (_FORMAT, av.__version__):
            return {}
        return dict(content["videos"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        logging.warning("%s cannot be read and is made anew: %s.", path, error)
        return {}
