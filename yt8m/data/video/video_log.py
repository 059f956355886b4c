"""What was read of videos and what could not be: the counterpart of the log of shards."""

from __future__ import annotations

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.read_log import FAIL, ReadLog


class VideoLog(ReadLog):
    """Counts clips and videos that cannot be read. `lost` holds 1 for each such video.

    Args:
        on_corrupt_shard: `skip` warns of a video that cannot be read and goes on with the others;
            `fail` ends the job.
    """

    unit = "clips"
    nothing = "there are no videos"

    def add(self, count: int) -> None:
        """Counts clips."""
        with self._lock:
            self.num_records += count

    def leave_out(self, path: str, reason: str) -> None:
        """Counts a video that cannot be read, and warns of it, once.

        Raises:
            UserError: such a video is to end the job.
        """
        if self.on_corrupt_shard == FAIL:
            raise UserError(f"{path} cannot be used: {reason} (--on_corrupt_shard=fail).")
        with self._lock:
            known = path in self.lost
            self.lost[path] = 1
        if not known:
            logging.warning("%s is left out: %s.", path, reason.rstrip("."))

    def summary(self) -> str | None:
        """One sentence on what was left out; None if nothing was."""
        if not self.lost:
            return None
        shown = ", ".join(sorted(self.lost)[:5]) + (", ..." if len(self.lost) > 5 else "")
        return f"{len(self.lost)} video(s) that cannot be used were left out: {shown}"
