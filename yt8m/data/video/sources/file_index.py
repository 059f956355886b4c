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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from yt8m.data.video.spans import Span

CACHE = "video_index.json"
_FORMAT = 3  # Of the cache, and of the rules by which frames are counted and shots found.
_SAVE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Entry:
    """What the index knows of a video.

    Attributes:
        probe: its frames, size, rate and keyframes.
        shots: the first frames of its shots; (0,) where they were not asked for.
        parts: of each span that was asked for, the number of its first frame and that behind its
            last; (0, 0) where it begins behind the end of the file. See `timeline.Timeline`.
    """

    probe: Probe
    shots: tuple[int, ...] = (0,)
    parts: Mapping[Span, tuple[int, int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Task:
    """A video to look at, whether for its shots too, and the spans whose frames to find."""

    path: str
    with_shots: bool
    spans: tuple[Span, ...]


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
    spans: Mapping[str, Sequence[Span]] | None = None,
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
        spans: of some of the paths, the parts whose frames are to be found.

    Returns:
        The videos that can be used, in the order of the paths.
    """
    tasks = [
        _Task(path, shots, tuple((spans or {}).get(path, ()))) for path in dict.fromkeys(paths)
    ]
    cache = _Cache(cache_dir)
    found = {task.path: cache.get(task) for task in tasks}
    new = [task for task in tasks if found[task.path] is None]
    if new:
        work = _look_in_processes(new, num_workers) if num_workers else _look_here(new)
        with (
            cache.saved_at_the_end(),
            contextlib.closing(work),
            ProgressReport("Looking at videos", len(new), "videos") as progress,
        ):
            for task, entry in work:
                found[task.path] = entry
                cache.put(task, entry)
                progress.advance(1)
    for path, entry in found.items():
        if isinstance(entry, _Bad):
            on_bad(path, entry.reason)
    return {path: entry for path, entry in found.items() if isinstance(entry, Entry)}


def _look(task: _Task) -> Entry | _Bad:
    """What a video holds, or why it cannot be used."""
    view = shots_lib.boundaries if task.with_shots else lambda frames: (0,)
    try:
        probe, shots, timeline = decoding.probe_and_view(task.path, view, shots_lib.SIZE)
    except VideoError as error:
        return _Bad(str(error), error.lasting)
    return Entry(probe, shots, {span: timeline.frames(span) for span in task.spans})


def _look_here(tasks: list[_Task]) -> Iterator[tuple[_Task, Entry | _Bad]]:
    for task in tasks:
        yield task, _look(task)


def _look_in_processes(
    tasks: list[_Task], num_workers: int
) -> Iterator[tuple[_Task, Entry | _Bad]]:
    """Looks at videos in some processes, and survives those that die of one.

    When a process dies, the pool cannot say of which video. Only a few are handed out at a time:
    each of those is tried once more by itself; then a new pool takes over the rest.
    """
    waiting = collections.deque(tasks)
    while waiting:
        suspects: list[_Task] = []
        with _pool(min(num_workers, len(waiting))) as pool:
            running: dict[Any, _Task] = {}
            while (waiting or running) and not suspects:
                while waiting and len(running) < 2 * num_workers:
                    task = waiting.popleft()
                    running[_submit(pool, task)] = task
                for future in loky.wait(running, return_when=loky.FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        yield task, future.result()
                    except BrokenProcessPool:
                        suspects.append(task)
            suspects += running.values()
        yield from _look_one_by_one(suspects)


def _look_one_by_one(tasks: list[_Task]) -> Iterator[tuple[_Task, Entry | _Bad]]:
    """Looks at one video at a time, so that it is known which one ends a process."""
    waiting = collections.deque(tasks)
    while waiting:
        with _pool(1) as pool:
            entry: Entry | _Bad | None = None
            while waiting and entry != _KILLS:
                task = waiting.popleft()
                try:
                    entry = _submit(pool, task).result()
                except BrokenProcessPool:
                    entry = _KILLS
                yield task, entry


def _submit(pool: loky.ProcessPoolExecutor, task: _Task) -> Any:
    """The future of a look; of a pool that has just broken, one that has failed with it."""
    try:
        return pool.submit(_look, task)
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

    def get(self, task: _Task) -> Entry | _Bad | None:
        """What is known of a video: an entry, why it cannot be used, or nothing."""
        known = self._videos.get(os.path.abspath(task.path))
        try:
            if known is None or known["state"] != _state(task.path):
                return None
            if "bad" in known:
                return _Bad(known["bad"])
            if task.with_shots and known["shots"] is None:
                return None
            values = known["probe"]
            probe = Probe(**(values | {"keyframes": tuple(values["keyframes"])}))
            # A cache of an earlier version knows of no parts.
            there = known.get("parts", {})
            parts = {span: _pair(there[span.fragment]) for span in task.spans}
            return Entry(probe, tuple(known["shots"]) if task.with_shots else (0,), parts)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None  # Nobody has looked, or has changed the file: the video is looked at again.

    def put(self, task: _Task, entry: Entry | _Bad) -> None:
        """Keeps what was found, but not what the next start may find otherwise."""
        path, state = task.path, _state(task.path)
        bad = isinstance(entry, _Bad)
        if not self._path or state is None or (bad and not entry.lasting):
            return
        if bad:
            known = {"bad": entry.reason}
        else:
            before = self._videos.get(os.path.abspath(path))
            before = before if isinstance(before, dict) and before.get("state") == state else {}
            parts = before.get("parts")
            found = {span.fragment: part for span, part in entry.parts.items()}
            known = {
                "probe": dataclasses.asdict(entry.probe),
                "shots": entry.shots if task.with_shots else before.get("shots"),
                "parts": (parts if isinstance(parts, dict) else {}) | found,
            }
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


def _pair(part: Any) -> tuple[int, int]:
    first, stop = part
    return int(first), int(stop)


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
