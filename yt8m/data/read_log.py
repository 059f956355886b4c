"""What was read and what was lost: kept by the reader, reported by the job."""

from __future__ import annotations

import threading
from typing import ClassVar

import numpy as np
import tensorflow as tf
from absl import logging

from yt8m.base.errors import UserError, first_line
from yt8m.data import tfrecord
from yt8m.data.ids import shown

SKIP = "skip"
FAIL = "fail"


class ReadLog:
    """Counts records and losses over one pass or several.

    Attributes:
        num_records: records read, over all passes.
        lost: damaged or unreadable shard -> the bytes lost in it, in one pass; 0 where it cannot
            be opened.
        num_skipped_segments: rated segments past the frames that are read, over all passes.
        num_empty: videos without a frame, over all passes.
        failure: why reading cannot go on, in a sentence; see `diagnose`.

    Args:
        on_corrupt_shard: `skip` warns of a damaged shard, once, and goes on with the records
            that can be read; `fail` ends the job.
    """

    unit: ClassVar[str] = "records"
    nothing: ClassVar[str] = "the shards hold no records"

    def __init__(self, on_corrupt_shard: str = SKIP):
        self.on_corrupt_shard = on_corrupt_shard
        self.num_records = 0
        self.lost: dict[str, int] = {}
        self.num_skipped_segments = 0
        self.num_empty = 0
        self.failure: str | None = None
        self._lock = threading.Lock()

    def finish_shard(
        self, path: bytes, offset: int, num_records: int
    ) -> tuple[np.ndarray, np.bool_]:
        """Called at the end of each shard: what is left in it after TensorFlow's reader stopped.

        Args:
            path: the shard.
            offset: the bytes read so far.
            num_records: the records read so far.

        Returns:
            (records,) byte strings, object array: those that could be read past the damage. And
            whether the job may go on.
        """
        name, num_records = path.decode(), int(num_records)
        rest: list[bytes] = []
        try:
            with tf.io.gfile.GFile(name, "rb") as file:
                if file.size() > int(offset):
                    file.seek(int(offset))
                    content = file.read()
                    found = tfrecord.salvage(content, int(offset))
                    rest = found.records
                    used = num_records + len(rest)
                    message = _describe(name, used, found, content)
                    self._report(name, message, found.lost, used)
        except (tf.errors.OpError, OSError) as error:
            message = f"{name} cannot be read: {first_line(error)}"
            self._report(name, message, lost=0, used=num_records)
        with self._lock:
            self.num_records += num_records + len(rest)
        return np.array(rest, dtype=object), np.bool_(self.failure is None)

    def skip_segments(self, count: int) -> np.int64:
        """Counts rated segments that lie past their video's frames."""
        with self._lock:
            self.num_skipped_segments += int(count)
        return np.int64(count)

    def note_empty(self, ids: np.ndarray) -> np.int64:
        """Counts videos without a frame, and warns of the first."""
        with self._lock:
            if not self.num_empty:
                name = shown(ids[0])
                logging.warning("The video %r has no frames; models see nothing of it.", name)
            self.num_empty += len(ids)
        return np.int64(len(ids))

    def summary(self) -> str | None:
        """One sentence on what was lost or is empty; None if nothing was."""
        parts = []
        if self.lost:
            parts.append(
                f"{len(self.lost)} damaged or unreadable shard(s), "
                f"{sum(self.lost.values()):,} byte(s) lost: {', '.join(sorted(self.lost))}"
            )
        if self.num_skipped_segments:
            parts.append(
                f"{self.num_skipped_segments} rated segment(s) past the frames that are read"
            )
        if self.num_empty:
            parts.append(f"{self.num_empty} video(s) without a frame")
        return "; ".join(parts) or None

    def finish(self) -> None:
        """Ends a pass: reports the losses.

        Raises:
            UserError: nothing could be read.
        """
        summary = self.summary()
        if self.num_records == 0:
            raise UserError(f"Nothing could be read: {summary or self.nothing}.")
        if summary:
            logging.warning("Read %d %s; %s.", self.num_records, self.unit, summary)

    def _report(self, name: str, message: str, lost: int, used: int) -> None:
        with self._lock:
            known = name in self.lost
            self.lost[name] = lost
            if self.on_corrupt_shard == FAIL:
                self.failure = self.failure or f"{message} (--on_corrupt_shard=fail)."
        if not known and self.on_corrupt_shard == SKIP:
            logging.warning("%s%s.", message, f"; the other {used} are used" if used else "")


def _describe(name: str, num_used: int, found: tfrecord.Salvage, content: bytes) -> str:
    """What is wrong with a shard of which the last `content` was not read by TensorFlow."""
    known = None if num_used else tfrecord.other_format(content[: tfrecord.HEADER])
    if known:
        return f"{name} is {known}"
    shown = ", ".join(map(str, found.offsets[:5])) + (", ..." if len(found.offsets) > 5 else "")
    if not num_used:
        return f"{name} is no readable TFRecord file: corrupt at byte {shown}"
    lost = f"{found.lost:,} byte(s) lost in {len(found.offsets)} place(s)"
    return f"{name} is cut or corrupt at byte {shown}: {lost}"
