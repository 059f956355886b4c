"""What was read and what was lost: kept by the reader, reported by the job."""

from __future__ import annotations

import threading

import numpy as np
import tensorflow as tf
from absl import logging

from yt8m.data import tfrecord
from yt8m.errors import UserError

SKIP = "skip"
FAIL = "fail"


class ReadLog:
    """Counts records and losses over one pass or several.

    Attributes:
        num_records: records read, over all passes.
        lost: damaged or unreadable shard -> the least number of records lost in it, in one pass.
        num_skipped_segments: rated segments past the end of their video, over all passes.
        failure: what ended the job, under `fail`.

    Args:
        on_corrupt_shard: `skip` warns of a damaged shard, once, and goes on with the records
            that can be read; `fail` ends the job.
    """

    def __init__(self, on_corrupt_shard: str = SKIP):
        self.on_corrupt_shard = on_corrupt_shard
        self.num_records = 0
        self.lost: dict[str, int] = {}
        self.num_skipped_segments = 0
        self.failure: str | None = None
        self._lock = threading.Lock()

    def finish_shard(self, path: bytes, offset: int, num_records: int) -> np.ndarray:
        """Called at the end of each shard: what is left in it after TensorFlow's reader stopped.

        Args:
            path: the shard.
            offset: the bytes read so far.
            num_records: the records read so far.

        Returns:
            (records,) byte strings, object array: those that could be read past the damage.
        """
        name = path.decode()
        try:
            with tf.io.gfile.GFile(name, "rb") as file:
                if file.size() == int(offset):
                    return self._count(int(num_records), [])
                file.seek(int(offset))
                found = tfrecord.salvage(file.read(), int(offset))
        except (tf.errors.OpError, OSError) as error:
            message = (getattr(error, "message", None) or str(error)).splitlines()[0]
            self._report(name, f"{name} cannot be read: {message}", lost=0)
            return self._count(int(num_records), [])
        if found.offsets:
            self._report(name, _describe(name, int(num_records), found), len(found.offsets))
        return self._count(int(num_records), found.records)

    def skip_segments(self, count: int) -> np.int64:
        """Counts rated segments that lie past their video's frames."""
        with self._lock:
            self.num_skipped_segments += int(count)
        return np.int64(count)

    def summary(self) -> str | None:
        """One sentence on what was lost; None if nothing was."""
        parts = []
        if self.lost:
            parts.append(
                f"{len(self.lost)} damaged or unreadable shard(s), at least "
                f"{sum(self.lost.values())} record(s) lost: {', '.join(sorted(self.lost))}"
            )
        if self.num_skipped_segments:
            parts.append(
                f"{self.num_skipped_segments} rated segment(s) past the end of their video"
            )
        return "; ".join(parts) or None

    def finish(self) -> None:
        """Ends a pass: reports the losses.

        Raises:
            UserError: nothing could be read.
        """
        summary = self.summary()
        if self.num_records == 0:
            raise UserError(f"Nothing could be read: {summary or 'the shards hold no records'}.")
        if summary:
            logging.warning("Read %d records; %s.", self.num_records, summary)

    def _count(self, num_read: int, rest: list[bytes]) -> np.ndarray:
        with self._lock:
            self.num_records += num_read + len(rest)
        return np.array(rest, dtype=object)

    def _report(self, name: str, message: str, lost: int) -> None:
        with self._lock:
            known = name in self.lost
            self.lost[name] = lost
            if self.on_corrupt_shard == FAIL:
                self.failure = self.failure or message
        if self.on_corrupt_shard == FAIL:
            raise RuntimeError(message)
        if not known:
            logging.warning("%s.", message)


def _describe(name: str, num_before: int, found: tfrecord.Salvage) -> str:
    shown = ", ".join(map(str, found.offsets[:5])) + (", ..." if len(found.offsets) > 5 else "")
    if num_before == 0 and not found.records:
        return f"{name} is no readable TFRecord file: corrupt at byte {shown}"
    return (
        f"{name} is cut or corrupt at byte {shown}: at least {len(found.offsets)} record(s) lost, "
        f"the other {num_before + len(found.records)} are used"
    )
