"""How raw video is read, as values. Needs no extra."""

from __future__ import annotations

import dataclasses

from yt8m.data.read_log import SKIP
from yt8m.data.video.clip_specs import check_num_crops


@dataclasses.dataclass(frozen=True)
class ClipSettings:
    """How raw video is read.

    Attributes:
        num_clips: clips of a video that an evaluation scores.
        num_crops: crops of each of these clips: 1, 3, 5 or 10.
        cache_dir: folder that keeps what was seen of videos, and their optical flow; empty for
            the one beside the manifest.
        num_workers: processes that decode: None for one a core, 0 for none.
        on_corrupt: `skip` leaves a damaged video out, `fail` ends the job.

    Raises:
        UserError: there are no such crops.
    """

    num_clips: int = 1
    num_crops: int = 1
    cache_dir: str = ""
    num_workers: int | None = None
    on_corrupt: str = SKIP

    def __post_init__(self):
        check_num_crops(self.num_crops)
